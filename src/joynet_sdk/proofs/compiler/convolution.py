"""ACC(o, y, x) - b(o) [y < Y][x < X] = sum_{q, c, k} W(o, c, k) a(c, q) wire_y wire_x.

Variables r: qx, qy, channel of the group, kx, ky, group, the last one by eq to the output's.

A side of stride 1 without padding is open: its rows beyond the output hold what the input's own
padding gives, so that neither the wiring nor the bias needs a bound. The wiring of such a side is
q = p + k alone, which the verifier evaluates bit by bit.
"""

from dataclasses import replace

import numpy as np

from joynet_sdk.proofs.circuit import Eq, Range, Term, Wire, r, rho, width
from joynet_sdk.proofs.compiler.builder import Builder
from joynet_sdk.proofs.compiler.context import Compiler, Run
from joynet_sdk.proofs.compiler.layout import Integers, pad, padded_shape, whole
from joynet_sdk.proofs.compiler.masks import inside, product
from joynet_sdk.proofs.compiler.weights import BIAS, INT8, MULTIPLIER
from joynet_sdk.proofs.compiler.widths import is_open
from joynet_sdk.qmodel.ops import AvgPool, Conv, MaxPool
from joynet_sdk.qmodel.reference import windows


class Convolution:
    """A conv of the model."""

    def __init__(self, compiler: Compiler, op: Conv) -> None:
        self._op = op = _expressible(op)
        self._in = compiler.shape(op.input)[-3:]
        self._out = compiler.made_shape(op.name)[-3:]
        self._weight = compiler.constant(f"{op.name}.weight", INT8, op.weight)
        self._bias = compiler.constant(f"{op.name}.bias", BIAS, op.bias)
        self._multiplier = compiler.constant(f"{op.name}.multiplier", MULTIPLIER, op.multiplier)
        self._area = sum(width(side) for side in self._out[1:])
        self._rows = compiler.rows(op.name, op.table, self._multiplier_terms)

    def _multiplier_terms(self, builder: Builder) -> list[Term]:
        point = r(self._area, self._multiplier.bits)
        return [Term(1, builder.claim(whole(self._multiplier), point))]

    def relate(self, compiler: Compiler) -> None:
        """One sum over input positions, channels, kernel and groups."""
        builder, op = compiler.builder, self._op
        _, height, across = self._in
        _, out_height, out_across = self._out
        outputs = self._bias.bits
        qx, qy = r(0, width(across)), r(width(across), width(height))
        channel = r(qy.start + qy.count, width(op.weight.shape[1]))
        kx = r(channel.start + channel.count, width(op.kernel[1]))
        ky = r(kx.start + kx.count, width(op.kernel[0]))
        px = rho(0, width(out_across))
        py = rho(px.count, width(out_height))
        output = rho(self._area, outputs)
        above = self._area + outputs
        batch = rho(above, self._rows.bits - above)
        group = r(ky.start + ky.count, width(op.groups))
        fixed_group = rho(above - group.count, group.count)
        acc = builder.claim(self._rows.place("ACC"), rho(0, self._rows.bits))
        bias = builder.claim(whole(self._bias), output)
        masks = [
            *([] if is_open(op, 0) else inside(builder, py, out_height)),
            *([] if is_open(op, 1) else inside(builder, px, out_across)),
        ]
        in_group = rho(self._area, outputs - group.count)
        weight = builder.claim(whole(self._weight), kx, ky, channel, in_group, group)
        given = compiler.read(op.input, qx, qy, channel, group, batch)
        wires = [
            builder.value(self._wire(1, px, kx, qx, (out_across, op.kernel[1], across))),
            builder.value(self._wire(0, py, ky, qy, (out_height, op.kernel[0], height))),
        ]
        if group.count:
            wires.append(builder.value(Eq(fixed_group, group)))
        wiring = builder.define([Term(1, *wires)])
        builder.sum(
            group.start + group.count,
            [Term(1, acc), product(builder, [bias, *masks], -1)],
            [Term(1, weight, given, wiring)],
        )

    def _wire(self, axis: int, p: Range, k: Range, q: Range, sizes: tuple[int, int, int]) -> Wire:
        """One side's wiring; an open one goes over every p, k and q that there is."""
        if is_open(self._op, axis):
            sizes = (1 << p.count, 1 << k.count, 1 << q.count)
        return Wire(p, k, q, self._op.strides[axis], self._op.pads[axis], *sizes)

    def fill(self, run: Run) -> None:
        """Padded inputs of a batch, and open sides, are convolved too; other padding is masked."""
        op = self._op
        full = run.padded(op.input)
        given = full.reshape(-1, *full.shape[-3:])[:, : self._in[0]]
        for axis in (0, 1):
            given = self._extended(given, axis)
        acc = accumulate(op, given)
        height, across = (
            1 << width(side) if is_open(op, axis) else side
            for axis, side in enumerate(self._out[1:])
        )
        acc = pad(acc[:, :, :height, :across])
        acc = acc.reshape(*full.shape[:-3], *padded_shape(self._out))
        multiplier = np.broadcast_to(pad(op.multiplier)[:, None, None], acc.shape)
        run.requantise(op.name, acc, multiplier, op.table)

    def _extended(self, given: Integers, axis: int) -> Integers:
        """The input along a side: cut to its shape, or with nothing behind an open one."""
        if not is_open(self._op, axis):
            return given.take(range(self._in[1 + axis]), axis=2 + axis)
        behind = [(0, 0)] * 4
        behind[2 + axis] = (0, self._op.kernel[axis] - 1)
        return np.pad(given, behind)


def _expressible(op: Conv) -> Conv:
    """The same op; with one group where groups are no powers of two, which no point can name."""
    outputs, per_group = op.weight.shape[0] // op.groups, op.weight.shape[1]
    if op.groups == 1 or not (outputs & outputs - 1 or per_group & per_group - 1):
        return op
    weight = np.zeros((op.weight.shape[0], per_group * op.groups, *op.kernel), np.int8)
    for group in range(op.groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        weight[rows, group * per_group : (group + 1) * per_group] = op.weight[rows]
    return replace(op, weight=weight, groups=1)


def accumulate(op: Conv, given: Integers) -> Integers:
    """The op's accumulators for (batch, c, h, w); float64 is exact below 2^53."""
    seen = windows(op, given, 0).astype(np.float64)
    batch, channels, height, across = seen.shape[:4]
    grouped = seen.reshape(batch, op.groups, channels // op.groups, height, across, -1)
    columns = grouped.transpose(0, 1, 2, 5, 3, 4).reshape(batch, op.groups, -1, height * across)
    weight = op.weight.astype(np.float64).reshape(op.groups, -1, columns.shape[2])
    acc: Integers = (weight @ columns).astype(np.int64).reshape(batch, -1, height, across)
    return acc + op.bias.astype(np.int64)[:, None, None]


def wires_at(
    builder: Builder,
    op: MaxPool | AvgPool,
    sizes: tuple[int, ...],
    k: tuple[Range, Range],
) -> int:
    """The product of both dimensions' wiring of a pooling window, p at rho, q at r from 0.

    Args:
        sizes: Height and width in, height and width out.
        k: Ranges of k, (y, x).
    """
    height, across, out_height, out_across = sizes
    qx, qy = r(0, width(across)), r(width(across), width(height))
    px = rho(0, width(out_across))
    py = rho(px.count, width(out_height))
    x = Wire(px, k[1], qx, op.strides[1], op.pads[1], out_across, op.kernel[1], across)
    y = Wire(py, k[0], qy, op.strides[0], op.pads[0], out_height, op.kernel[0], height)
    return builder.define([Term(1, builder.value(x), builder.value(y))])
