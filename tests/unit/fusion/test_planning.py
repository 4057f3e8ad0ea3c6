"""What a spec makes of its parents: layers, parameters, shapes, files."""

import json

import pytest
import torch

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.fusion.planning import make_plan
from joynet_sdk.fusion.spec import WeightsSpec, decode_spec

STACK = """
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: b, layer_range: [1, 4]}]
"""


def test_stacked_layers_are_renumbered(bench):
    bench.model("a", 1, config={"layer_types": ["w", "x", "y", "z"]})
    bench.model("b", 2, config={"layer_types": ["W", "X", "Y", "Z"]})
    out = bench.build(STACK)
    a, b, made = bench.load("a"), bench.load("b"), bench.load("out")
    name = "model.layers.{}.mlp.up_proj.weight"
    for layer, (parent, own) in enumerate([(a, 0), (a, 1), (a, 2), (b, 1), (b, 2), (b, 3)]):
        assert torch.equal(made[name.format(layer)], parent[name.format(own)])
    assert name.format(6) not in made
    assert torch.equal(made["model.embed_tokens.weight"], a["model.embed_tokens.weight"])
    assert torch.equal(made["lm_head.weight"], b["lm_head.weight"])  # after the last slice
    config = json.loads((out / "config.json").read_text())
    assert config["num_hidden_layers"] == 6
    assert config["layer_types"] == ["w", "x", "y", "X", "Y", "Z"]
    assert "_name_or_path" not in config


def test_gradients_run_over_layers_and_filters_choose_tensors(bench):
    bench.model("a", 1)
    bench.model("b", 2)
    plan = bench.plan(
        """
merge_method: slerp
base_model: a
models: [{model: a}, {model: b}]
parameters:
  t: [{filter: q_proj, value: [0, 1]}, {filter: mlp, value: [1, 0.5, 1]}, {value: 0.25}]
"""
    )
    found = {tensor.name: tensor.settings["t"] for tensor in plan.tensors}
    q = [found[f"model.layers.{layer}.self_attn.q_proj.weight"] for layer in range(4)]
    assert q == pytest.approx([0, 1 / 3, 2 / 3, 1])
    mlp = [found[f"model.layers.{layer}.mlp.up_proj.weight"] for layer in range(4)]
    assert mlp == pytest.approx([1, 2 / 3, 2 / 3, 1])
    assert found["model.embed_tokens.weight"] == found["lm_head.weight"] == 0.25


def test_nearest_scope_wins_and_base_takes_no_parameters(bench):
    for seed, name in enumerate("abc"):
        bench.model(name, seed)
    plan = bench.plan(
        """
merge_method: ties
base_model: a
models: [{model: b, parameters: {density: 0.3, weight: 1e-1}}, {model: c}]
parameters: {density: 0.9, weight: 0.5}
"""
    )
    tensor = plan.tensors[0]
    assert tensor.base is not None
    assert plan.parents[tensor.base.parent] == "a"
    assert [dict(source.parameters) for source in tensor.sources] == [
        {"density": 0.3, "weight": 0.1},
        {"density": 0.9, "weight": 0.5},
    ]


def test_seeds_differ_by_tensor_and_not_by_the_names_of_parents(bench):
    bench.model("a", 1)
    bench.model("b", 2)
    bench.model("c", 3)
    yaml = "merge_method: dare_linear\nbase_model: {}\nmodels: [{{model: {}}}]\nseed: {}"
    first, second, other = (
        {tensor.name: tensor.seed for tensor in bench.plan(yaml.format(*names)).tensors}
        for names in (("a", "b", 7), ("b", "c", 7), ("a", "b", 8))
    )
    assert first == second
    assert len(set(first.values())) == len(first)
    assert not set(first.values()) & set(other.values())


def test_result_dtype_is_promoted_or_chosen(bench):
    bench.model("a", 1, dtype=torch.bfloat16)
    bench.model("b", 2, dtype=torch.float16)
    yaml = "merge_method: linear\nmodels: [{model: a}, {model: b}]\n"
    assert {tensor.info.dtype for tensor in bench.plan(yaml).tensors} == {"F32"}
    out = bench.build(yaml + "dtype: float32\nout_dtype: bfloat16")
    assert {tensor.dtype for tensor in bench.load("out").values()} == {torch.bfloat16}
    assert json.loads((out / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_head_that_one_parent_ties_to_its_embeddings(bench):
    bench.model("a", 1, without="lm_head", config={"tie_word_embeddings": True})
    bench.model("b", 2, config={"tie_word_embeddings": False})
    out = bench.build("merge_method: linear\nmodels: [{model: a}, {model: b}]")
    a, b, made = bench.load("a"), bench.load("b"), bench.load("out")
    mean = (a["model.embed_tokens.weight"] + b["lm_head.weight"]) / 2
    torch.testing.assert_close(made["lm_head.weight"], mean)
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False


def test_tensor_that_one_parent_alone_has_is_kept_and_told(bench):
    bench.model("a", 1)
    bench.model("b", 2, more={"model.extra.weight": torch.ones(3)})
    yaml = "merge_method: linear\nmodels: [{model: a}, {model: b}]"
    assert any("model.extra.weight is only in b" in note for note in bench.plan(yaml).notes)
    bench.build(yaml)
    assert torch.equal(bench.load("out")["model.extra.weight"], torch.ones(3))


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("merge_method: linear\nmodels: [{model: a}, {model: wide}]", "[12, 8] in wide"),
        ("merge_method: linear\nmodels: [{model: a}, {model: deep}]", "a 4, deep 5"),
        ("merge_method: ties\nmodels: [{model: a}]", "no base model"),
        ("merge_method: slerp\nbase_model: a\nmodels: [{model: b}, {model: c}]", "expected 1"),
        ("merge_method: passthrough\nmodels: [{model: a}, {model: b}]", "expected 1"),
        ("merge_method: linear\nmodels: [{model: a}, {model: a}]", "listed twice"),
        ("merge_method: linear\nbase_model: a\nmodels: [{model: b}]", "without a weight"),
        (
            "merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 9]}]}]",
            "layers 0 to 9 of a, which has 4",
        ),
        (
            "merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 2]}, "
            "{model: b, layer_range: [0, 3]}]}]",
            "different lengths",
        ),
        (
            "merge_method: ties\nbase_model: a\nslices: [{sources: [{model: b, "
            "layer_range: [0, 2]}]}]",
            "the base a is not among the sources",
        ),
        (
            "merge_method: ties\nbase_model: half\nmodels: [{model: a}, {model: b}]",
            "q_proj.weight is missing in half, ties needs it",
        ),
    ],
)
def test_parents_that_do_not_fit_are_refused_by_name(bench, yaml, told):
    for seed, name in enumerate("abc"):
        bench.model(name, seed)
    bench.model("wide", 4, rows=12)
    bench.model("deep", 5, layers=5)
    bench.model("half", 6, without="q_proj")
    with pytest.raises(InvalidInputError) as caught:
        bench.plan(yaml)
    assert told in str(caught.value)


def test_two_stacks_need_modules(bench):
    more = {f"vision.layers.{n}.w.weight": torch.full((2, 2), float(n)) for n in range(3)}
    bench.model("a", 1, more=more)
    bench.model("b", 2, more=more)
    with pytest.raises(InvalidInputError, match=r"model\.layers, vision\.layers"):
        bench.plan(STACK)
    plan = bench.plan(
        """
merge_method: passthrough
modules:
  vision.layers: {slices: [{sources: [{model: a, layer_range: [1, 3]}]}]}
  model.layers: {models: [{model: b}]}
"""
    )
    names = {tensor.name: tensor.sources[0].name for tensor in plan.tensors}
    assert names["vision.layers.0.w.weight"] == "vision.layers.1.w.weight"
    assert names["model.layers.3.mlp.up_proj.weight"] == "model.layers.3.mlp.up_proj.weight"
    assert "vision.layers.2.w.weight" not in names


def test_canonical_form_plans_the_same_bytes(bench, tokens):
    """Canonical JSON sorts keys: nothing of the result may depend on how they were ordered."""
    more = {f"vision.layers.{n}.w.weight": torch.full((2, 2), float(n)) for n in range(3)}
    for seed, name in enumerate("zya"):
        held = tokens(["s", "t", *name, "u", "v", "w", "1", "2", "3", "4"])
        bench.model(name, seed, more=more, tokens=held)
    spec = bench.spec(
        """
merge_method: linear
modules:
  vision.layers: {slices: [{sources: [{model: z, layer_range: [0, 2]}]}]}
  model.layers: {models: [{model: y, parameters: {weight: 0.3}}, {model: a}]}
tokenizer: {source: union, tokens: {q: {source: {kind: zero}}, b: {source: {kind: zero}}}}
chat_template: "{{ x }}"
"""
    )
    ids = {name: f"0x{ord(name):064x}" for name in spec.references}
    published = decode_spec(spec.renamed(ids).encode())
    assert isinstance(published, WeightsSpec)
    folders = {ids[name]: bench.root / name for name in ids}
    with bench.engine.open(folders) as opened:
        plan = make_plan(published, opened)
    mine = bench.plan(spec)
    assert plan.tensors == mine.tensors
    assert plan.shards == mine.shards
    assert plan.files == mine.files
    assert {ids[name] for name in mine.parents} == set(plan.parents)


def test_one_stack_may_be_called_anything(bench):
    bench.model("a", 1)
    plan = bench.plan("merge_method: linear\nmodules: {text: {models: [{model: a}]}}")
    assert len(plan.tensors) == len(bench.load("a"))


def test_integer_buffers_must_agree(bench):
    bench.model("a", 1, more={"model.ids": torch.arange(4)})
    bench.model("b", 2, more={"model.ids": torch.arange(4)})
    bench.model("c", 3, more={"model.ids": torch.arange(4) + 1})
    yaml = "merge_method: linear\nmodels: [{{model: a}}, {{model: {}}}]"
    bench.build(yaml.format("b"))
    assert torch.equal(bench.load("out")["model.ids"], torch.arange(4))
    with pytest.raises(InvalidInputError, match=r"model\.ids"):
        bench.build(yaml.format("c"), "other")
