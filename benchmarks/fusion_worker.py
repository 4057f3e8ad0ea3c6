"""The processes that `benchmarks.fusion` measures, and those that make and compare its models.

python -m benchmarks.fusion_worker make FOLDER SEED DTYPE LAYERS VOCABULARY
python -m benchmarks.fusion_worker merge SPEC.yaml OUT SHARD_BYTES
python -m benchmarks.fusion_worker compare OURS THEIRS
"""

import json
import sys
from pathlib import Path

HIDDEN, INTERMEDIATE, HEADS = 1024, 2816, 16
SHARD_BYTES = 200_000_000


def make(folder: Path, seed: int, dtype: str, layers: int, vocabulary: int) -> None:
    """A model with the tensors of a Llama and random weights; seed 0 is everyone's base."""
    import torch
    from safetensors.torch import save_file

    kind = getattr(torch, dtype)
    shards: list[dict[str, torch.Tensor]] = [{}]
    room = SHARD_BYTES
    for place, (name, shape) in enumerate(_shapes(layers, vocabulary).items()):
        tensor = torch.empty(shape).normal_(0, 0.02, generator=torch.Generator().manual_seed(place))
        if seed:
            random = torch.Generator().manual_seed(1000 * seed + place)
            tensor += torch.empty(shape).normal_(0, 0.004, generator=random)
        stored = tensor.to(kind)
        if stored.nbytes > room:
            shards.append({})
            room = SHARD_BYTES
        shards[-1][name] = stored
        room -= stored.nbytes
    folder.mkdir()
    index = {}
    for number, shard in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(shard, file)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": index})
    )
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "num_hidden_layers": layers,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
        "dtype": dtype,
    }
    (folder / "config.json").write_text(json.dumps(config))


def _shapes(layers: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, HIDDEN)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        shapes |= {f"{prefix}self_attn.{x}_proj.weight": (HIDDEN, HIDDEN) for x in "qkvo"}
        shapes |= {f"{prefix}mlp.{x}_proj.weight": (INTERMEDIATE, HIDDEN) for x in ("gate", "up")}
        shapes[f"{prefix}mlp.down_proj.weight"] = (HIDDEN, INTERMEDIATE)
        shapes |= {f"{prefix}{x}_layernorm.weight": (HIDDEN,) for x in ("input", "post_attention")}
    return shapes | {"model.norm.weight": (HIDDEN,), "lm_head.weight": (vocabulary, HIDDEN)}


def merge(spec_path: Path, out: Path, shard_bytes: int) -> None:
    """Read a spec, plan, merge."""
    from joynet_sdk.compute.merging.engine import MergeEngine
    from joynet_sdk.fusion.mergekit_yaml import read_spec
    from joynet_sdk.fusion.planning import make_plan
    from joynet_sdk.fusion.spec import WeightsSpec

    spec = read_spec(spec_path)
    assert isinstance(spec, WeightsSpec)
    folders = {name: Path(name) for name in spec.references}
    engine = MergeEngine()
    with engine.open(folders) as checkpoints:
        plan = make_plan(spec.with_shards(shard_bytes), checkpoints)
    engine.build(plan, folders, out)


def compare(ours: Path, theirs: Path) -> None:
    """Print the largest difference of two results, and the largest weight."""
    from joynet_sdk.compute.merging.reader import FolderCheckpoint

    largest = weight = 0.0
    with FolderCheckpoint(ours) as left, FolderCheckpoint(theirs) as right:
        assert left.tensors == right.tensors, "the results have other tensors"
        for name in left.tensors:
            with left.tensor(name) as one, right.tensor(name) as other:
                largest = max(largest, float((one.float() - other.float()).abs().max()))
                weight = max(weight, float(other.float().abs().max()))
    print(json.dumps({"difference": largest, "weight": weight}))


def main() -> None:
    """One of the three."""
    verb, *words = sys.argv[1:]
    if verb == "make":
        make(Path(words[0]), int(words[1]), words[2], int(words[3]), int(words[4]))
    elif verb == "merge":
        merge(Path(words[0]), Path(words[1]), int(words[2]))
    else:
        compare(Path(words[0]), Path(words[1]))


if __name__ == "__main__":
    main()
