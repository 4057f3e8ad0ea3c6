"""Each rule: what it finds, with the values of both models and a fix."""

import pytest

from joynet_sdk.fusion.compatibility import Plan, check
from joynet_sdk.fusion.compatibility.rules import RULES, check_formats
from joynet_sdk.fusion.compatibility.tokenizers import check_tokenizers, overlap

ANY = Plan()


def found(models, plan=ANY):
    """Findings of all rules, by code."""
    rules = (check_formats, *RULES, check_tokenizers)
    return {finding.code: finding for rule in rules for finding in rule(models, plan)}


def one(models, plan=ANY):
    """The only finding."""
    (finding,) = found(models, plan).values()
    return finding


def test_twins_have_no_findings(model):
    assert not found([model("a"), model("b")])


@pytest.mark.parametrize(
    ("key", "value", "code", "shown"),
    [
        ("hidden_size", 12, "hidden_size", "the hidden size differs: a has 8, b has 12"),
        ("num_attention_heads", 4, "heads", "a has 2, b has 4"),
        ("intermediate_size", 32, "inner_size", "a has 16, b has 32"),
        ("num_hidden_layers", 2, "layers", "a has 1, b has 2"),
        ("hidden_act", "relu", "activation", "a has gelu, b has relu"),
    ],
)
def test_configs_that_differ(key, value, code, shown, model):
    finding = one([model("a"), model("b", config={key: value})])
    assert (finding.code, finding.severity) == (code, "error")
    assert shown in finding.message
    assert "joynet fuse compose" in finding.fix


def test_other_spellings_of_the_same_size(model):
    gpt = {"hidden_size": None, "n_embd": 8, "num_hidden_layers": None, "n_layer": 1}
    assert not found([model("a"), model("b", config=gpt)])


def test_another_architecture_is_said_once(model):
    finding = one([model("a"), model("b", architecture="gpt2", config={"hidden_act": "relu"})])
    assert finding.code == "architecture"
    assert "a has bert, b has gpt2" in finding.message


def test_layers_may_differ_when_they_are_stacked(model):
    deep = model("b", config={"num_hidden_layers": 2})
    assert not found([model("a"), deep], Plan("passthrough"))


@pytest.mark.parametrize("format_", ["gguf", "onnx", "composition"])
def test_other_formats_are_refused(format_, model):
    finding = found([model("a"), model("b", format=format_, tensors={})])["format"]
    assert finding.message == f"b is in {format_}, expected safetensors"


def test_integer_models_are_fused_before_they_are_quantised(model, tensor):
    whole = dict.fromkeys(model().tensors, tensor("I8", [4]))
    finding = found([model("a"), model("b", architecture="qmodel/2", tensors=whole)])["quantised"]
    assert finding.severity == "error"
    assert "joynet model quantize" in finding.fix


def test_an_integer_buffer_is_only_a_note(model, tensor):
    buffer = {"embeddings.position_ids": tensor("I64", [1, 20])}
    finding = one([model("a", tensors=buffer), model("b")])
    assert (finding.code, finding.severity) == ("integer_tensors", "note")


@pytest.mark.parametrize(
    ("name", "shape", "code"),
    [("layer.0.weight", [24, 8], "shape"), ("classifier.weight", [5, 8], "head")],
)
def test_shapes_that_differ(name, shape, code, model, tensor):
    finding = one([model("a"), model("b", tensors={name: tensor("F32", shape)})])
    assert (finding.code, finding.severity) == (code, "error")
    assert f"b has {shape}" in finding.message


@pytest.mark.parametrize(
    ("name", "code", "severity"),
    [
        ("layer.0.weight", "tensors", "error"),
        ("classifier.weight", "head", "error"),
        ("lm_head.weight", "tied_head", "warning"),
    ],
)
def test_tensors_that_one_model_lacks(name, code, severity, model, tensor):
    whole = {"lm_head.weight": tensor("F32", [20, 8])}
    finding = one([model("a", tensors=whole), model("b", tensors={**whole, name: None})])
    assert (finding.code, finding.severity) == (code, severity)
    assert f"b lacks 1 tensors that others have ({name})" in finding.message


def test_strangers_share_no_tensor(model, tensor):
    other = {**dict.fromkeys(model().tensors), "w": tensor("F32", [2])}
    assert one([model("a"), model("b", tensors=other)]).code == "tensors"


def test_coarser_numbers_are_a_warning(model, tensor):
    half = {name: tensor("BF16", each.shape) for name, each in model().tensors.items()}
    finding = one([model("a"), model("b", tensors=half)])
    assert (finding.code, finding.severity) == ("dtype", "warning")
    assert "a has F32, b has BF16" in finding.message


def test_labels_in_another_order(model):
    first = model("a", config={"id2label": {"0": "cat", "1": "dog", "2": "cow"}})
    second = model("b", config={"id2label": {"0": "cat", "1": "cow", "2": "dog"}})
    finding = one([first, second])
    assert finding.message == "output 1 means something else in each: a has 'dog', b has 'cow'"
    plain = model("b", config={"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}})
    assert not found([first, plain])


def test_chat_templates_that_differ(model):
    finding = one([model("a", template="0x1"), model("b", template="0x2"), model("c")])
    assert (finding.code, finding.severity) == ("template", "warning")


# --- methods


@pytest.mark.parametrize(
    ("method", "has_base", "count", "codes"),
    [
        ("slerp", False, 2, {}),
        ("slerp", False, 3, {"count": "error"}),
        ("ties", False, 2, {"base": "error"}),
        ("ties", True, 3, {}),
        ("linear", True, 3, {"base": "warning"}),
        ("nuslerp", False, 3, {"count": "error"}),
        (None, False, 1, {"count": "error"}),
    ],
)
def test_methods_take_their_number_of_models(method, has_base, count, codes, model):
    models = [model(name) for name in "abcd"[:count]]
    findings = found(models, Plan(method, has_base))
    assert {code: each.severity for code, each in findings.items()} == codes
    assert all(finding.fix for finding in findings.values())


# --- tokenizers


def test_one_digest_is_one_tokenizer(model):
    def unread():
        raise AssertionError("the vocabulary was read")

    twins = [model("a"), model("b")]
    for each in twins:
        object.__setattr__(each, "vocabulary", unread)
    assert not found(twins)


def test_a_clash_is_refused_unless_it_is_aligned(model):
    tokens = {f"t{i}": (i + 1) % 20 for i in range(20)}
    models = [model("a"), model("b", tokenizer="0x22", tokens=tokens)]
    finding = one(models)
    assert (finding.code, finding.severity) == ("tokenizer", "error")
    assert "100% of the tokens are in both, 0% of these under the same id" in finding.message
    assert "tokenizer_source: union" in finding.fix
    assert one(models, Plan(tokenizer="union")).severity == "warning"


def test_strange_vocabularies_are_refused_even_aligned(model):
    tokens = {f"u{i}": i for i in range(20)}
    models = [model("a"), model("b", tokenizer="0x22", tokens=tokens)]
    finding = one(models, Plan(tokenizer="union"))
    assert (finding.severity, "0% of the tokens" in finding.message) == ("error", True)


def test_another_file_with_the_same_tokens_is_a_note(model):
    assert one([model("a"), model("b", tokenizer="0x22")]).severity == "note"


def test_padded_embeddings(model, tensor):
    padded = {"embeddings.weight": tensor("F32", [24, 8])}
    models = [model("a"), model("b", config={"vocab_size": 24}, tensors=padded)]
    finding = one(models)
    assert (finding.code, finding.severity) == ("vocabulary", "error")
    assert one(models, Plan(tokenizer="base")).severity == "note"


@pytest.mark.parametrize(
    ("changes", "severity"),
    [({"tokenizer": None}, "warning"), ({"tokenizer": "0x22", "tokens": None}, "error")],
)
def test_tokenizers_that_cannot_be_compared(changes, severity, model):
    assert one([model("a"), model("b", **changes)]).severity == severity


def test_overlap():
    assert overlap({"a": 0, "b": 1}, {"b": 1, "c": 2}) == (1 / 3, 1.0)
    assert overlap({"a": 0}, {"b": 0}) == (0.0, 0.0)


def test_headers_alone_give_a_verdict_and_what_it_takes(model):
    report = check([model("a"), model("b"), model("c")], Plan("ties", has_base=True))
    assert report.is_compatible
    assert report.method == "ties"
    assert report.resources.output_bytes == 4 * (20 * 8 + 16 * 8 + 16 + 3 * 8)
    assert report.resources.read_bytes == 3 * report.resources.output_bytes
    assert report.resources.peak_bytes == 4 * 4 * 20 * 8
    assert report.resources.seconds is None
    assert (report.similarity, report.estimates) == (None, ())
