"""What a merge will do, tensor by tensor: made by `fusion.planning`, carried out by `compute`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.formats import canonical_json
from joynet_sdk.merges import Value

# Bytes of one element, by the names that safetensors uses.
ITEM_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2,
    "U16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_SEED_DOMAIN = b"joynet/merge-seed/1"


class TensorInfo(NamedTuple):
    """A tensor without its values.

    Attributes:
        dtype: As safetensors names it, e.g. "BF16".
        shape: Sides.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]


class Checkpoint(Protocol):
    """The files of a parent, opened; `compute.merging.reader` in use."""

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by name."""

    @property
    def fingerprint(self) -> str:
        """Changes when a weights file does."""

    def text(self, name: str) -> bytes | None:
        """A small file of the folder, or None."""


class Source(NamedTuple):
    """One parent's part of an output tensor.

    Attributes:
        parent: Which one: index into `Plan.parents`.
        name: Its tensor.
        parameters: weight, density...: what the method has for each model.
    """

    parent: int
    name: str
    parameters: Mapping[str, Value]


class Row(NamedTuple):
    """A token's row in one parent."""

    parent: int
    row: int


@dataclass(frozen=True)
class Alignment:
    """Where the rows of each parent's embeddings go in the result's vocabulary.

    Attributes:
        rows: Rows of the result, padding included.
        tokens: Rows that are tokens; those after them become the mean of these.
        own: By parent, the row that each token has there, or -1; (tokens,) int64.
        defaults: What stands in where a parent has no row for a token: the mean of these rows,
            zeros if there are none.
    """

    rows: int
    tokens: int
    own: Mapping[int, NDArray[np.int64]]
    defaults: Mapping[int, tuple[Row, ...]]

    @property
    def digest(self) -> bytes:
        """SHA-256 over all of it."""
        hasher = hashlib.sha256(repr((self.rows, self.tokens, self.defaults)).encode())
        for parent, own in self.own.items():
            hasher.update(parent.to_bytes(4, "big") + own.tobytes())
        return hasher.digest()

    def is_identity(self, parent: int, rows: int) -> bool:
        """Whether a parent's `rows` rows stay as they are."""
        own = self.own[parent]
        return rows == self.rows == self.tokens and bool((own == np.arange(len(own))).all())


@dataclass(frozen=True)
class TensorPlan:
    """How one output tensor is made.

    Attributes:
        name: Of the output.
        info: Its dtype and shape.
        method: As `merges.METHODS` names it.
        sources: The models, without the base.
        base: The base, where the method has one.
        settings: t, lambda...: what the method has for the tensor.
        seed: Of this tensor, 0 to 2^64 - 1.
        alignment: Where its rows go, when they are tokens and the parents' vocabularies differ.
        need: Bytes of memory while it is made: what is read of the parents, and the result.
    """

    name: str
    info: TensorInfo
    method: str
    sources: tuple[Source, ...]
    base: Source | None
    settings: Mapping[str, Value]
    seed: int
    need: int
    alignment: Alignment | None = field(default=None, repr=False, compare=False)

    @property
    def everything(self) -> tuple[Source, ...]:
        """All parents: the base first, then the models."""
        return self.sources if self.base is None else (self.base, *self.sources)


class Shard(NamedTuple):
    """One file of the result.

    Attributes:
        name: File name.
        header: Everything before the data.
        tensors: Indices into `Plan.tensors`, in the order of their bytes.
        offsets: Where each begins in the file.
        size: Bytes of the file.
    """

    name: str
    header: bytes
    tensors: tuple[int, ...]
    offsets: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Plan:
    """A whole merge.

    Attributes:
        parents: What the spec calls them.
        tensors: Outputs, in the order of the model.
        shards: Files that hold them.
        files: The other files: config, index, tokenizer.
        notes: What a reader of the plan should know.
        digest: SHA-256 over all of it and the parents' fingerprints: a half-made result is taken
            up only by the same plan.
    """

    parents: tuple[str, ...]
    tensors: tuple[TensorPlan, ...]
    shards: tuple[Shard, ...]
    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()
    digest: bytes = field(default=b"", compare=False)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(shard.size for shard in self.shards) + sum(map(len, self.files.values()))

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return sum(prod(tensor.info.shape) for tensor in self.tensors)

    @property
    def largest(self) -> int:
        """Bytes of the largest tensor."""
        return max(tensor.info.size for tensor in self.tensors)

    @property
    def peak(self) -> int:
        """Bytes that the tensors under work take at most, beside the program itself."""
        return max(tensor.need for tensor in self.tensors)


class Difference(NamedTuple):
    """How far a tensor of one model is from that of another.

    Attributes:
        name: The tensor.
        shapes: In the one and in the other; None where it is missing.
        cosine: Of the two as vectors, -1 to 1; None when shapes differ or one is all zeros.
        l2: Norm of the difference; None when shapes differ.
        relative: `l2` divided by the norm of the first; None likewise.
        largest: Largest difference of an element; None when shapes differ.
    """

    name: str
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]
    cosine: float | None = None
    l2: float | None = None
    relative: float | None = None
    largest: float | None = None


def tensor_seed(seed: int, name: str) -> int:
    """The seed of one tensor, the same whatever the parents are called.

    Args:
        seed: Of the spec, 0 to 2^53 - 1.
        name: Output tensor.

    Returns:
        0 to 2^64 - 1.
    """
    data = _SEED_DOMAIN + seed.to_bytes(8, "big") + name.encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def lay_out(tensors: tuple[TensorPlan, ...], shard_bytes: int) -> tuple[Shard, ...]:
    """Spread tensors over files in their order, and write the files' headers.

    Within a file wide elements come first, so that each tensor is aligned; the header is padded to
    8 bytes. A tensor that is larger than a shard has one of its own.
    """
    groups: list[list[int]] = []
    used = shard_bytes
    for index, tensor in enumerate(tensors):
        if not groups or used + tensor.info.size > shard_bytes:
            groups.append([])
            used = 0
        groups[-1].append(index)
        used += tensor.info.size
    return tuple(
        _shard(tensors, group, _shard_name(number, len(groups)))
        for number, group in enumerate(groups, 1)
    )


def _shard_name(number: int, count: int) -> str:
    return WEIGHTS if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"


def _shard(tensors: tuple[TensorPlan, ...], group: list[int], name: str) -> Shard:
    group = sorted(group, key=lambda index: -ITEM_BYTES[tensors[index].info.dtype])  # stable
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    starts, at = [], 0
    for index in group:
        info = tensors[index].info
        entries[tensors[index].name] = {
            "dtype": info.dtype,
            "shape": list(info.shape),
            "data_offsets": [at, at + info.size],
        }
        starts.append(at)
        at += info.size
    text = canonical_json(entries)
    text += b" " * (-len(text) % 8)
    header = len(text).to_bytes(8, "little") + text
    offsets = tuple(len(header) + start for start in starts)
    return Shard(name, header, tuple(group), offsets, len(header) + at)


def index_file(tensors: tuple[TensorPlan, ...], shards: tuple[Shard, ...]) -> bytes:
    """`model.safetensors.index.json` of several shards."""
    places = {tensors[index].name: shard.name for shard in shards for index in shard.tensors}
    size = sum(tensor.info.size for tensor in tensors)
    return canonical_json({"metadata": {"total_size": size}, "weight_map": places})


def plan_digest(plan: Plan, fingerprints: tuple[str, ...]) -> bytes:
    """32 bytes that identify a plan on these files."""
    hasher = hashlib.sha256()
    for part in (plan.parents, fingerprints, plan.tensors):
        hasher.update(repr(part).encode() + b"\0")
    for tensor in plan.tensors:
        if tensor.alignment is not None:
            hasher.update(tensor.alignment.digest)
    for name, data in sorted(plan.files.items()):
        hasher.update(f"{name} {hashlib.sha256(data).hexdigest()}\0".encode())
    for shard in plan.shards:
        hasher.update(hashlib.sha256(shard.header).digest())
    return hasher.digest()
