"""How wide the tables of quotients must be.

Rows beyond a tensor's shape satisfy every relation too. What they read is padding, which need not
lie in the interval of the model's own values: it is -128 around a maxpool, 0 behind an embed.
"""

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel.bounds import MAX_Q_BITS, MIN_Q_BITS, Bounds, reach
from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import (
    AvgPool,
    Conv,
    Embed,
    Gather,
    Gemm,
    MatMul,
    MaxPool,
    Op,
    Shape,
    View,
    inputs_of,
)


def q_bits_of(model: QModel) -> int:
    """Bits of q that hold every quotient of the model and of its padding.

    Raises:
        InvalidInputError: Padding needs more bits than a table has; names the op.
    """
    most = MIN_Q_BITS
    known = {name: _widened(bounds, 0) for name, bounds in model.bounds.items()}
    for op in model.ops:
        known[op.name] = _padded(op, model, known)
        bounds = model.bounds[op.name]
        if any(side & side - 1 for side in _unmasked(op, model.shapes[op.name])):
            bounds = reach(op, model.shapes, known)
        if bounds.q_bits > MAX_Q_BITS:
            raise InvalidInputError(
                f"{op.name} ({op.kind}) needs {bounds.q_bits} bits of q for its padding, expected "
                f"at most {MAX_Q_BITS}",
                hint="sides that are powers of two have no padding",
            )
        most = max(most, bounds.q_bits)
    return most


def is_open(op: Conv, axis: int) -> bool:
    """Whether a side's rows beyond the shape are convolved too, see convolution.py; 0 is y."""
    return op.strides[axis] == 1 and op.pads[axis] == 0 and op.pads[axis + 2] == 0


def _padded(op: Op, model: QModel, known: dict[str, Bounds]) -> Bounds:
    """What the op's tensor and its padding hold; what is requantised stays in its table."""
    match op:
        case View() | Gather() | Embed():
            return _widened(known[inputs_of(op)[-1]], 0)
        case MaxPool():
            return _widened(known[op.input], -128)
        case _:  # rows of a softmax add up as they should, padded ones too
            return model.bounds[op.name]


def _widened(bounds: Bounds, low: int) -> Bounds:
    return Bounds((min(bounds.out[0], low), max(bounds.out[1], 0)))


def _unmasked(op: Op, made: Shape) -> Shape:
    """Sides of the output beyond which the op reads padding, and its q depends on it."""
    match op:
        case Gemm():
            return made[:-1]
        case AvgPool():
            return made[:1]
        case Conv():
            return tuple(side for axis, side in enumerate(made[-2:]) if is_open(op, axis))
        case MatMul():
            return made
        case _:  # in an add q stays within 9 bits for any int8
            return ()
