"""Models that are nothing but headers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest


class Tensor(NamedTuple):
    dtype: str
    shape: list[int]


BERT: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 20,
    "hidden_act": "gelu",
}
TENSORS = {
    "embeddings.weight": Tensor("F32", [20, 8]),
    "layer.0.weight": Tensor("F32", [16, 8]),
    "layer.0.bias": Tensor("F32", [16]),
    "classifier.weight": Tensor("F32", [3, 8]),
}
VOCABULARY = {f"t{i}": i for i in range(20)}


@dataclass(frozen=True)
class Model:
    """What `storage.headers.Headers` says of a small encoder, unless told otherwise."""

    name: str = "a"
    format: str = "safetensors"
    architecture: str | None = "bert"
    config: Mapping[str, Any] = field(default_factory=lambda: BERT)
    tensors: Mapping[str, Tensor] = field(default_factory=lambda: TENSORS)
    total_bytes: int = 10_000
    read_bytes: int = 500
    tokenizer: str | None = "0x11"
    template: str | None = None
    license: str | None = "apache-2.0"
    manifest: Any = None
    tokens: Mapping[str, int] | None = field(default_factory=lambda: VOCABULARY)
    ends: Any = None

    def vocabulary(self) -> Mapping[str, int] | None:
        return self.tokens

    def io(self) -> Any:
        return self.ends


@pytest.fixture
def model() -> Callable[..., Model]:
    """`model("b", config={"hidden_size": 9}, tensors={...: None})`: a changed small encoder."""

    def make(name: str = "a", **changes: Any) -> Model:
        for key, whole in (("config", BERT), ("tensors", TENSORS)):
            if key in changes:
                merged = {**whole, **changes[key]}
                changes[key] = {k: v for k, v in merged.items() if v is not None}
        return Model(name, **changes)

    return make


@pytest.fixture
def tensor() -> type[Tensor]:
    return Tensor
