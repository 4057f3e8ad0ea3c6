"""What the rules ask of a model: its config and headers, wherever they were read from."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from joynet_sdk.formats import InputSpec, Manifest, OutputSpec

# dtype of a safetensors header -> bytes of an element; only these can be merged.
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}

HIDDEN = ("hidden_size", "d_model", "n_embd", "dim", "hidden_dim")
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
KV_HEADS = ("num_key_value_heads",)
INNER = ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "ffn_hidden_size")
VOCABULARY = ("vocab_size",)


class Tensor(Protocol):
    """One row of a header."""

    @property
    def dtype(self) -> str:
        """As safetensors writes it, e.g. "BF16"."""

    @property
    def shape(self) -> Sequence[int]:
        """Sizes, outermost first."""


class Model(Protocol):
    """A model without its weights; `storage.headers.Headers` in use."""

    @property
    def name(self) -> str:
        """What the user called it."""

    @property
    def format(self) -> str:
        """ "safetensors", "gguf", "onnx" or "composition"."""

    @property
    def architecture(self) -> str | None:
        """`model_type`, or what the weights say."""

    @property
    def config(self) -> Mapping[str, Any]:
        """config.json, {} without one."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Name -> dtype and shape."""

    @property
    def total_bytes(self) -> int:
        """Of all files."""

    @property
    def read_bytes(self) -> int:
        """That were read to know this."""

    @property
    def tokenizer(self) -> str | None:
        """SHA-256 of its tokenizer, or None."""

    @property
    def template(self) -> str | None:
        """SHA-256 of its chat template, or None."""

    @property
    def license(self) -> str | None:
        """SPDX or Hugging Face id, or None."""

    @property
    def manifest(self) -> Manifest | None:
        """Of a published model."""

    @property
    def vocabulary(self) -> Callable[[], Mapping[str, int] | None]:
        """Reads token -> id."""

    @property
    def io(self) -> Callable[[], tuple[InputSpec, OutputSpec] | None]:
        """Says what it takes and gives."""


def number(model: Model, keys: Sequence[str]) -> int | None:
    """The first of these config fields that holds a number above 0, or None."""
    values = (model.config.get(key) for key in keys)
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v), None)


def elements(tensor: Tensor) -> int:
    """Elements of a tensor."""
    return math.prod(tensor.shape)


def parameters(model: Model) -> int:
    """Elements of all tensors."""
    return sum(map(elements, model.tensors.values()))


def dtypes(model: Model) -> tuple[str, ...]:
    """dtypes of a model's tensors, those of most elements first."""
    counts: Counter[str] = Counter()
    for tensor in model.tensors.values():
        counts[tensor.dtype] += elements(tensor)
    return tuple(dtype for dtype, _ in counts.most_common())


def values(models: Sequence[Model], shown: Sequence[object]) -> str:
    """Values of the models for a message: "a has 1, b has 2"."""
    return ", ".join(f"{m.name} has {v}" for m, v in zip(models, shown, strict=True))
