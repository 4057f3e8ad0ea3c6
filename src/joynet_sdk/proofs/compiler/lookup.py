"""An int8 tensor through a table of 256 rows, y a slot of W. Padding goes through it too."""

from joynet_sdk.proofs.circuit import Term, r
from joynet_sdk.proofs.compiler.builder import Query
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import whole
from joynet_sdk.proofs.compiler.tables import TableSpec
from joynet_sdk.proofs.compiler.weights import INT8
from joynet_sdk.qmodel.ops import Lookup


class Pointwise:
    """A lookup of the model."""

    def __init__(self, compiler: Compiler, op: Lookup) -> None:
        self._op = op
        self._column = compiler.advice(compiler.variables(op.input), op.name)
        values = compiler.constant(f"{op.name}.values", INT8, op.values)
        self._table = TableSpec("committed", 8, -128, whole(values))
        compiler.produce(op.name, whole(self._column))

    def relate(self, compiler: Compiler) -> None:
        """One lookup on every row."""
        point = r(0, self._column.bits)
        x = compiler.read(self._op.input, point)
        y = compiler.builder.claim(whole(self._column), point)
        number = (Term(compiler.tables.id(self._table)),)
        query = Query((Term(1, x),), (Term(1, y),), number)
        compiler.lookups(self._column.bits, [query], self._op.name)

    def fill(self, run: Run) -> None:
        """Every value of the padded tensor is an int8."""
        x = run.padded(self._op.input)
        y = self._op.values.astype(x.dtype)[x + 128]
        run.write(whole(self._column), y)
        run.blocks[self._op.name] = y.ravel()
        run.uses.append((self._table, x))
