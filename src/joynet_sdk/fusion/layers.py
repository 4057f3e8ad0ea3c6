"""Tensor names: which stack of layers a tensor belongs to, and what its rows mean.

The general rule: the first number that stands alone between two dots counts layers
(`model.layers.7.mlp.up_proj.weight`, `encoder.layer.0.output.dense.bias`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from joynet_sdk.mergeplans import TensorInfo

_LAYER = re.compile(r"\.(\d{1,5})\.")
_EMBEDDING = re.compile(
    r"(^|\.)(embed_tokens|wte|word_embeddings|embed_in|tok_embeddings|shared)\.weight$"
)
_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|predictions\.decoder|output)\.(weight|bias)$")
_HEAD_BIAS = re.compile(r"(^|\.)(lm_head|predictions)\.bias$")
_BEFORE = re.compile(
    r"(^|[._])(embed\w*|wte|wpe|shared|tok_embeddings|patch_\w+|cls_token)([._]|$)"
)
_AFTER = re.compile(r"(^|\.)embed_out\.")


class Place(NamedTuple):
    """A layered tensor's name, taken apart: `stack.layer.rest`."""

    stack: str
    layer: int
    rest: str


def place_of(name: str) -> Place | None:
    """Where a tensor is among layers, or None for a loose one."""
    found = _LAYER.search(name)
    if found is None:
        return None
    return Place(name[: found.start()], int(found[1]), name[found.end() :])


def name_at(place: Place) -> str:
    """The tensor's name."""
    return f"{place.stack}.{place.layer}.{place.rest}"


def comes_before(name: str) -> bool:
    """Whether a loose tensor is used before the layers (embeddings), not after them."""
    return bool(_BEFORE.search(name)) and not _AFTER.search(name)


def is_vocabulary(name: str, info: TensorInfo, vocabulary: int | None) -> bool:
    """Whether the first axis counts tokens."""
    named = _EMBEDDING.search(name) or _HEAD.search(name) or _HEAD_BIAS.search(name)
    return bool(named) and bool(info.shape) and info.shape[0] == vocabulary


def tied_to(name: str, tensors: Mapping[str, TensorInfo]) -> str | None:
    """The embedding that stands in for an output head that a checkpoint leaves out."""
    if not _HEAD.search(name) or name.endswith(".bias"):
        return None
    found = [other for other in tensors if _EMBEDDING.search(other)]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Stacks:
    """A checkpoint's tensors by where they are.

    Attributes:
        layers: Stack -> layer -> rest of the name -> full name.
        loose: Names of the others.
    """

    layers: Mapping[str, Mapping[int, Mapping[str, str]]]
    loose: tuple[str, ...]

    def count(self, stack: str) -> int:
        """Layers of a stack, 0 for one that is not there."""
        return max(self.layers.get(stack, {}), default=-1) + 1


def stacks_of(names: Iterable[str]) -> Stacks:
    """Sort tensors into stacks and loose ones."""
    layers: dict[str, dict[int, dict[str, str]]] = {}
    loose = []
    for name in sorted(names):
        place = place_of(name)
        if place is None:
            loose.append(name)
        else:
            layers.setdefault(place.stack, {}).setdefault(place.layer, {})[place.rest] = name
    return Stacks(layers, tuple(loose))
