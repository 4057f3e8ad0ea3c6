"""The smallest models of every family of ops; no side is a power of two where that is possible."""

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel.model import Input, QModel
from joynet_sdk.qmodel.ops import (
    Add,
    AvgPool,
    Conv,
    Embed,
    Gather,
    Gemm,
    LayerNorm,
    Lookup,
    MatMul,
    MaxPool,
    Op,
    Pads,
    Pair,
    Softmax,
    View,
)

EXP = np.maximum(np.round(4095 * np.exp(-np.arange(256) / 24)), 1).astype(np.uint16)
NO_PADS = (0, 0, 0, 0)


class _Maker:
    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)

    def int8(self, *shape: int) -> NDArray[np.int8]:
        return self.rng.integers(-128, 128, shape).astype(np.int8)

    def channels(self, weight: NDArray[np.int8]) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
        """Biases, and multipliers that leave q within 10 bits."""
        worst = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1).max() * 128
        most = int(400 * 2**24 / (worst + 3000))
        bias = self.rng.integers(-3000, 3000, len(weight)).astype(np.int32)
        return bias, self.rng.integers(most // 2, most, len(weight)).astype(np.uint32)

    def gemm(self, name: str, given: str, inner: int, out: int, table: str = "clamp") -> Gemm:
        weight = self.int8(out, inner)
        return Gemm(name, given, weight, *self.channels(weight), table)

    def conv(
        self, name: str, given: str, shape: tuple[int, int, int, int], strides: Pair, pads: Pads,
        groups: int = 1,
    ) -> Conv:  # fmt: skip
        weight = self.int8(*shape)
        bias, multiplier = self.channels(weight)
        return Conv(name, given, weight, bias, multiplier, strides, pads, groups, "relu-clamp")

    def norm(self, name: str, given: str, side: int) -> LayerNorm:
        scales = self.rng.integers(-(2**15), 2**15, side).astype(np.int32)
        bias = self.rng.integers(-(2**17), 2**17, side).astype(np.int32)
        return LayerNorm(name, given, scales, bias, 100, "clamp")


def _tensor(shape: tuple[int, ...], *ops: Op, **constants: NDArray[np.int8]) -> QModel:
    return QModel(Input("x", shape, scale="1"), ops, "1", constants)


def _heads() -> QModel:
    make, (rows, heads, side) = _Maker(), (3, 2, 3)
    size = heads * side
    split = [View(f"{n}h", n, (rows, heads, side), (1, 0, 2), (heads, rows, side)) for n in "qkv"]
    mixed = 500 * 2**24 // (side * 128 * 128)
    return _tensor(
        (rows, size),
        *(make.gemm(name, "x", size, size) for name in "qkv"),
        *split,
        MatMul("scores", "qh", "kh", True, mixed, "clamp"),
        Softmax("p", "scores", EXP),
        MatMul("mixed", "p", "vh", False, 2**18, "clamp"),
        View("joined", "mixed", (heads, rows, side), (1, 0, 2), (rows, size)),
        make.gemm("out", "joined", size, size),
        Add("y", "out", "x", 2**23, 2**23, "clamp"),
    )


def _tokens() -> QModel:
    make = _Maker()
    constants = {"words": make.int8(11, 3), "positions": make.int8(5, 3)}
    ops = (
        Embed("e", "ids", "words"),
        Add("a", "e", "positions", 2**23, 2**23, "clamp"),
        Gather("picked", "a", 0, np.array([4, 0, 0], np.uint32)),
    )
    return QModel(Input("ids", (5,), "tokens", vocab=11), ops, "1", constants)


def small_models() -> dict[str, QModel]:
    """By family."""
    make = _Maker()
    return {
        "gemm": _tensor((3,), make.gemm("a", "x", 3, 5, "relu-clamp"), make.gemm("b", "a", 5, 3)),
        "conv": _tensor((2, 5, 3), make.conv("c", "x", (3, 2, 3, 2), (2, 1), (1, 0, 1, 1))),
        "groups": _tensor((3, 3, 3), make.conv("c", "x", (6, 1, 2, 2), (1, 1), NO_PADS, groups=3)),
        "odd-groups": _tensor(
            (6, 3, 3), make.conv("c", "x", (2, 3, 2, 2), (1, 1), NO_PADS, groups=2)
        ),
        "pools": _tensor(
            (3, 5, 6),
            MaxPool("m", "x", (2, 3), (1, 2), (1, 0, 0, 1)),
            AvgPool("a", "m", (2, 2), (2, 1), (0, 1, 1, 0), 2**22, "clamp"),
            make.conv("c", "a", (1, 3, 1, 1), (1, 1), NO_PADS),
        ),
        "halves": _tensor(
            (1, 6, 8),
            make.conv("c", "x", (3, 1, 1, 1), (1, 1), NO_PADS),
            MaxPool("m", "c", (2, 2), (2, 2), NO_PADS),
            View("flat", "m", (36,), (0,), (36,)),
            make.gemm("g", "flat", 36, 3),
        ),
        "heads": _heads(),
        "norm": _tensor((3, 5), make.norm("n", "x", 5), Lookup("t", "n", make.int8(256))),
        "tokens": _tokens(),
    }
