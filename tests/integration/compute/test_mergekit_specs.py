"""mergekit 0.1.5 as a peer, whole files: the same YAML and parents give the same models.

Slices, gradients, filters, scopes, bases and vocabularies; test_mergekit compares the arithmetic of
each method. mergekit orders the new tokens of a union by a set: rows are compared by token.
"""

import json
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from joynet_sdk.compute.merging.engine import MergeEngine
from joynet_sdk.fusion.mergekit_yaml import read_spec
from joynet_sdk.fusion.planning import make_plan
from joynet_sdk.fusion.spec import WeightsSpec

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

NEEDS = ("mergekit==0.1.5", "immutables", "peft")
HIDDEN, INNER = 16, 24
WORDS = ["<s>", "</s>", "a", "b", "c", "d"]
VOCABULARIES = {
    "b": ["<s>", "</s>", "a", "b", "e", "f", "<x>"],
    "c": ["<s>", "</s>", "c", "d", "e", "g"],
}
LAYERS = {"long": 6}
SPECS = {
    "slerp with gradients": """
slices:
  - sources: [{model: a, layer_range: [0, 4]}, {model: d, layer_range: [0, 4]}]
merge_method: slerp
base_model: a
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}
    - {filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}
    - value: 0.5
dtype: float32
""",
    "ties with its base among the models": """
models:
  - model: a
  - model: d
    parameters: {density: [1, 0.7, 0.1], weight: 1.0}
  - model: e
    parameters: {density: 0.5, weight: [0, 0.3, 0.7, 1]}
merge_method: ties
base_model: a
parameters: {normalize: true, int8_mask: true}
""",
    "ties with its base beside them": """
models:
  - model: d
    parameters: {density: 0.33, weight: [{filter: mlp, value: 0.5}, {value: 0.2}]}
  - {model: e, parameters: {density: 0.5, weight: 1e-1}}
merge_method: ties
base_model: a
parameters: {normalize: false, lambda: 0.8}
""",
    "stacked layers": """
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources:
      - model: long
        layer_range: [2, 6]
        parameters:
          scale: [{filter: o_proj, value: 0.5}, {filter: down_proj, value: [0, 1]}, {value: 1.0}]
merge_method: passthrough
""",
    "slices of other layers": """
slices:
  - sources:
      - {model: a, layer_range: [0, 2], parameters: {weight: [0.1, 0.9]}}
      - {model: long, layer_range: [4, 6], parameters: {weight: 0.4}}
  - sources:
      - {model: d, layer_range: [3, 4], parameters: {weight: [0.2, 0.6]}}
      - {model: e, layer_range: [0, 1], parameters: {weight: 0.5}}
merge_method: linear
parameters: {normalize: false}
""",
    "a base that linear averages in": """
models: [{model: d, parameters: {weight: 0.3}}, {model: e}]
base_model: a
merge_method: linear
parameters: {weight: 0.5}
""",
    "union": """
models: [{model: a, parameters: {weight: 0.5}}, {model: b, parameters: {weight: 0.3}},
         {model: c, parameters: {weight: 0.2}}]
merge_method: linear
base_model: a
tokenizer_source: union
""",
    "union with rules for tokens": """
models: [{model: b, parameters: {weight: 0.3}}, {model: c, parameters: {weight: 0.2}}]
merge_method: task_arithmetic
base_model: a
tokenizer:
  source: union
  pad_to_multiple_of: 16
  tokens:
    e: {source: c, force: true}
    new: {source: {kind: model_token, model: b, token: f}}
    g: {source: {kind: zero}}
    a: {source: {kind: model_token, model: a, token_id: 3}, force: true}
""",
    "base vocabulary": """
models: [{model: b, parameters: {weight: 0.3}}, {model: c, parameters: {weight: 0.2}}]
merge_method: task_arithmetic
base_model: a
tokenizer: {source: base}
""",
}
PEER = """
import sys, yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
for path in sys.argv[1:]:
    config = MergeConfiguration.model_validate(yaml.safe_load(open(path)))
    options = MergeOptions(quiet=True, write_model_card=False)  # a card asks the hub
    run_merge(config, path.replace(".yaml", ".theirs"), options)
"""


def write_model(folder: Path, seed: int) -> None:
    """A Llama with random weights and a tokenizer of words."""
    words, layers = VOCABULARIES.get(folder.name, WORDS), LAYERS.get(folder.name, 4)
    shapes = {f"{name}.weight": (len(words), HIDDEN) for name in ("model.embed_tokens", "lm_head")}
    shapes["model.norm.weight"] = (HIDDEN,)
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        shapes |= {f"{prefix}self_attn.{x}_proj.weight": (HIDDEN, HIDDEN) for x in "qkvo"}
        shapes |= {f"{prefix}mlp.{x}_proj.weight": (INNER, HIDDEN) for x in ("gate", "up")}
        shapes[f"{prefix}mlp.down_proj.weight"] = (HIDDEN, INNER)
        shapes |= {f"{prefix}{x}_layernorm.weight": (HIDDEN,) for x in ("input", "post_attention")}
    random = torch.Generator().manual_seed(seed)
    folder.mkdir()
    save_file(
        {name: torch.randn(shape, generator=random) for name, shape in shapes.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_attention_heads": 2, "num_key_value_heads": 2,
        "num_hidden_layers": layers, "vocab_size": len(words), "tie_word_embeddings": False,
        "torch_dtype": "float32", "bos_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([word for word in words if word.startswith("<")])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.fixture(scope="module")
def merged(tmp_path_factory) -> Path:
    """A folder with the parents, the specs, and what mergekit made of them."""
    root = tmp_path_factory.mktemp("specs")
    for seed, name in enumerate(["a", "b", "c", "d", "e", "long"]):
        write_model(root / name, seed)
    for place, text in enumerate(SPECS.values()):
        (root / f"{place}.yaml").write_text(text)
    venv.create(root / "venv", with_pip=True)
    python = root / "venv" / "bin" / "python"
    theirs = sysconfig.get_path("purelib", vars={"base": str(root / "venv")})
    Path(theirs, "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", *NEEDS]
    subprocess.run(install, check=True, timeout=600)
    specs = [f"{place}.yaml" for place in range(len(SPECS))]
    subprocess.run([python, "-c", PEER, *specs], check=True, cwd=root, timeout=600)
    return root


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = {}
    for path in folder.glob("*.safetensors"):
        loaded |= load_file(path)
    return loaded


@pytest.mark.parametrize("place", range(len(SPECS)), ids=list(SPECS))
def test_same_yaml_gives_the_same_model(merged, place):
    spec = read_spec(merged / f"{place}.yaml")
    assert isinstance(spec, WeightsSpec)
    folders = {name: merged / name for name in spec.references}
    engine = MergeEngine()
    with engine.open(folders) as opened:
        plan = make_plan(spec, opened)
    out, theirs = merged / f"{place}.ours", merged / f"{place}.theirs"
    engine.build(plan, folders, out)
    ours, expected = tensors(out), tensors(theirs)
    assert set(ours) == set(expected)
    mine, peers = (
        Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab() for folder in (out, theirs)
    )
    assert set(mine) == set(peers)
    order = sorted(mine)
    for name, tensor in ours.items():
        other = expected[name]
        assert tensor.shape == other.shape
        if name in ("model.embed_tokens.weight", "lm_head.weight"):
            tensor = torch.cat([tensor[[mine[word] for word in order]], tensor[len(order) :]])
            other = torch.cat([other[[peers[word] for word in order]], other[len(order) :]])
        assert float((tensor - other).abs().max()) <= 1e-6, name
    configs = [json.loads((folder / "config.json").read_text()) for folder in (out, theirs)]
    for key in ("num_hidden_layers", "vocab_size"):
        assert configs[0][key] == configs[1][key]
