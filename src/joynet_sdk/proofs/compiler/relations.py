"""Which relation states which op."""

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.compiler.addition import Addition
from joynet_sdk.proofs.compiler.attention import Product
from joynet_sdk.proofs.compiler.compile import Compiler, Make, Relation
from joynet_sdk.proofs.compiler.convolution import Convolution
from joynet_sdk.proofs.compiler.linear import Linear
from joynet_sdk.proofs.compiler.pooling import Average, Maximum
from joynet_sdk.proofs.compiler.softmax import Probabilities
from joynet_sdk.proofs.compiler.view import Viewed
from joynet_sdk.qmodel.ops import Add, AvgPool, Conv, Gemm, MatMul, MaxPool, Op, Softmax, View

_MAKE: dict[type[Op], Make] = {
    Gemm: Linear,
    Conv: Convolution,
    MaxPool: Maximum,
    AvgPool: Average,
    View: Viewed,
    Add: Addition,
    MatMul: Product,
    Softmax: Probabilities,
}


def relation_of(compiler: Compiler, op: Op) -> Relation:
    """The relation of an op.

    Raises:
        InvalidInputError: The op cannot be proved.
    """
    make = _MAKE.get(type(op))
    if make is None:
        raise InvalidInputError(f"{op.name} ({op.kind}) cannot be proved yet")
    return make(compiler, op)
