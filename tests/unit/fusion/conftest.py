"""Small models in folders, and what the tests do with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from joynet_sdk.compute.merging.engine import MergeEngine
from joynet_sdk.fusion.mergekit_yaml import parse_spec
from joynet_sdk.fusion.planning import make_plan
from joynet_sdk.fusion.spec import WeightsSpec
from joynet_sdk.mergeplans import Plan

HIDDEN = 8


def tokenizer(tokens: list[str], added: tuple[str, ...] = ()) -> dict[str, Any]:
    """A tokenizer.json; `added` are special tokens among `tokens`."""
    entries = [
        {
            "id": tokens.index(token), "content": token, "special": True, "normalized": False,
            "single_word": False, "lstrip": False, "rstrip": False,
        }
        for token in added
    ]  # fmt: skip
    vocab = {token: place for place, token in enumerate(tokens)}
    return {"added_tokens": entries, "model": {"type": "BPE", "vocab": vocab, "merges": []}}


class Bench:
    """A folder of models; specs name them by their folder names."""

    def __init__(self, root: Path) -> None:
        self.root, self.engine = root, MergeEngine()

    def model(
        self,
        name: str,
        seed: int,
        *,
        layers: int = 4,
        rows: int = 10,
        dtype: torch.dtype = torch.float32,
        tokens: dict[str, Any] | None = None,
        without: str = "",
        config: dict[str, Any] | None = None,
        more: dict[str, torch.Tensor] | None = None,
    ) -> Path:
        """Write a model with the tensors of a decoder; `without` leaves some out."""
        random = torch.Generator().manual_seed(seed)
        shapes = {"model.embed_tokens.weight": (rows, HIDDEN)}
        for layer in range(layers):
            shapes[f"model.layers.{layer}.self_attn.q_proj.weight"] = (HIDDEN, HIDDEN)
            shapes[f"model.layers.{layer}.mlp.up_proj.weight"] = (2 * HIDDEN, HIDDEN)
        shapes |= {"model.norm.weight": (HIDDEN,), "lm_head.weight": (rows, HIDDEN)}
        tensors = {
            key: torch.randn(shape, generator=random).to(dtype)
            for key, shape in shapes.items()
            if not without or without not in key
        }
        folder = self.root / name
        folder.mkdir(parents=True)
        save_file({**tensors, **(more or {})}, folder / "model.safetensors", {"format": "pt"})
        settings = {"model_type": "llama", "hidden_size": HIDDEN, "vocab_size": rows}
        settings |= {"num_hidden_layers": layers, "_name_or_path": str(folder), **(config or {})}
        (folder / "config.json").write_text(json.dumps(settings))
        if tokens is not None:
            (folder / "tokenizer.json").write_text(json.dumps(tokens))
        return folder

    def spec(self, yaml: str) -> WeightsSpec:
        spec = parse_spec(yaml.encode())
        assert isinstance(spec, WeightsSpec)
        return spec

    def folders(self, spec: WeightsSpec) -> dict[str, Path]:
        return {name: self.root / name for name in spec.references}

    def plan(self, spec: WeightsSpec | str) -> Plan:
        spec = self.spec(spec) if isinstance(spec, str) else spec
        with self.engine.open(self.folders(spec)) as opened:
            return make_plan(spec, opened)

    def build(self, spec: WeightsSpec | str, out: str = "out", **options: Any) -> Path:
        spec = self.spec(spec) if isinstance(spec, str) else spec
        self.engine.build(self.plan(spec), self.folders(spec), self.root / out, **options)
        return self.root / out

    def load(self, name: str) -> dict[str, torch.Tensor]:
        """All tensors of a model, of all its files."""
        loaded: dict[str, torch.Tensor] = {}
        for file in sorted((self.root / name).glob("*.safetensors")):
            loaded |= load_file(file)
        return loaded


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "models")


@pytest.fixture
def tokens() -> Callable[..., dict[str, Any]]:
    return tokenizer
