"""The document: mergekit's forms, the canonical one, and what is refused."""

import time

import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.fusion.mergekit_yaml import parse_spec
from joynet_sdk.fusion.spec import WeightsSpec, decode_spec
from joynet_sdk.merges import METHODS

SLERP = b"""
slices:
  - sources:
      - model: psmathur/orca_mini_v3_13b
        layer_range: [0, 40]
      - model: {model: {path: garage-bAInd/Platypus2-13B}}
        layer_range: [0, 40]
merge_method: slerp
base_model: psmathur/orca_mini_v3_13b
parameters:
  t:
    - filter: self_attn
      value: [0, 0.5, 0.3, 0.7, 1]
    - filter: mlp
      value: [1, 0.5, 0.7, 0.3, 0]
    - value: 0.5 # fallback for rest of tensors
dtype: float16
tokenizer_source: union
"""
TIES = b"""
models:
  - model: base
  - model: a
    parameters: {density: [1, 0.7, 0.1], weight: 1.0}
  - model: b
    parameters:
      density: 0.33
      weight: [{filter: mlp, value: 0.5}, {value: 0}]
merge_method: ties
base_model: base
parameters: {normalize: true, int8_mask: true, lambda: 1e-1}
out_dtype: bfloat16
tokenizer: {source: base, pad_to_multiple_of: 64, tokens: {"<x>": {source: a, force: true}}}
chat_template: auto
"""


def ids(spec: WeightsSpec) -> dict[str, str]:
    return {name: f"0x{place:064x}" for place, name in enumerate(spec.references, 1)}


@pytest.mark.parametrize("yaml", [SLERP, TIES])
def test_mergekit_yaml_round_trips_through_canonical_json(yaml):
    spec = parse_spec(yaml)
    assert isinstance(spec, WeightsSpec)
    published = spec.renamed(ids(spec))
    again = decode_spec(published.encode())
    assert again == published
    assert again.digest == published.digest
    assert published.references == tuple(ids(spec).values())


def test_forms_that_say_the_same_have_one_digest():
    long = b"""
merge_method: linear
models:
  - {model: a, parameters: {weight: [{filter: "*", value: 0.5}]}}
  - {model: {model: {path: b, revision: null}}, parameters: {weight: {value: [0.5]}}}
tokenizer: {source: base}
base_model: null
"""
    short = b"""
merge_method: linear
tokenizer_source: base
models: [{model: a, parameters: {weight: 0.5}}, {model: b, parameters: {weight: 5e-1}}]
"""
    assert parse_spec(long).digest == parse_spec(short).digest


def test_anchors_and_merge_keys_are_read():
    yaml = b"""
merge_method: linear
models:
  - &one {model: a, parameters: &half {weight: 0.5}}
  - {<<: *one, model: b}
  - {model: c, parameters: *half}
"""
    spec = parse_spec(yaml)
    assert isinstance(spec, WeightsSpec)
    assert [entry.model for entry in spec.models or ()] == ["a", "b", "c"]
    assert {repr(entry.parameters) for entry in spec.models or ()} == {
        repr((spec.models or [])[0].parameters)
    }


def test_every_method_is_accepted():
    for method in METHODS.values():
        yaml = f"merge_method: {method.name}\nbase_model: z\nmodels: [{{model: a}}, {{model: b}}]"
        assert parse_spec(yaml.encode()).kind == "weights"


def test_parameter_of_another_method_is_noted():
    spec = parse_spec(b"merge_method: linear\nmodels: [{model: a, parameters: {density: 0.5}}]")
    assert isinstance(spec, WeightsSpec)
    assert spec.notes == ("density has no meaning in linear",)


ONE = b"merge_method: linear\nmodels: [{model: a}]\n"


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        (b"merge_method: sleerp\nmodels: [{model: a}]", "did you mean 'slerp'"),
        (b"merge_metod: linear\nmodels: [{model: a}]", "did you mean 'merge_method'"),
        (b"merge_method: linear\nmodels: [{model: a, paramters: {}}]", "did you mean 'parameters'"),
        (
            b"merge_method: linear\nmodels: [{model: a, parameters: {wieght: 1}}]",
            "unknown parameter 'wieght' of linear: did you mean 'weight'",
        ),
        (ONE + b"slices: [{sources: [{model: a, layer_range: [0, 1]}]}]", "models and slices"),
        (b"merge_method: linear", "found none of them"),
        (
            b"merge_method: linear\nslices: [{sources: [{model: a, layer_range: [3, 1]}]}]",
            "layers 3 to 1",
        ),
        (
            b"merge_method: linear\nmodels: [{model: a, parameters: {weight: .nan}}]",
            "nan is not finite",
        ),
        (
            b"merge_method: ties\nmodels: [{model: a, parameters: {density: 1.5}}]",
            "density is 1.5, expected a number from 0 to 1",
        ),
        (
            b"merge_method: linear\nmodels: [{model: {model: {path: a}, lora: {path: b}}}]",
            "lora of a model is not supported",
        ),
        (ONE + b"tokenizer: {source: base}\ntokenizer_source: base", "expected one of them"),
        (ONE + b"dtype: int4", "dtype"),
        (ONE + b"seed: -1", "seed"),
        (b"kind: compositon", "compositon"),
        (b"merge_method: linear\nmodels: 5", "models"),
        (b"- 1", "holds list"),
        (b"", "holds NoneType"),
        (b"merge_method: linear\nmodels: [{model: 2001-01-01}]", "models.0.model"),
        (b"merge_method: linear\nmodels: [{model: a}]\nmerge_method: ties", "is there twice"),
        (b"a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        (b"a: &a [*a]", "*a holds itself"),
        (b"? [1]\n: 2", "a key is a list"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x: " + b"1" * 5000, "not YAML"),
    ],
)
def test_wrong_documents_are_refused_by_name(yaml, told):
    with pytest.raises(InvalidInputError) as caught:
        parse_spec(yaml, "f.yaml")
    assert told in str(caught.value)


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (65 + place, 65 + place, b",".join([b"*" + previous] * 10))
    for place, previous in enumerate([b"a", *(bytes([65 + n]) for n in range(8))])
)


@pytest.mark.parametrize(
    "yaml",
    [
        b"[" * 200_000, b"{a: " * 60_000, b"- " * 100_000, BOMB, b"x" * 300_000,
        b"[" + b"1," * 99_999,
    ],
    ids=["lists", "mappings", "dashes", "aliases", "large", "long"],
)  # fmt: skip
def test_bombs_are_refused_quickly(yaml):
    started = time.process_time()
    with pytest.raises(InvalidInputError):
        parse_spec(yaml)
    assert time.process_time() - started < 10  # a bound on work, far above what it takes


def test_published_spec_names_parents_by_id_only():
    spec = parse_spec(b"merge_method: linear\nmodels: [{model: ./secret/path}]")
    with pytest.raises(InvalidInputError, match="parent"):
        decode_spec(spec.encode())


def test_published_spec_must_be_canonical():
    spec = parse_spec(ONE)
    assert isinstance(spec, WeightsSpec)
    data = spec.renamed(ids(spec)).encode()
    for wrong in (data + b" ", data.replace(b'"seed":0', b'"seed":0,"parameters":{}')):
        with pytest.raises(InvalidInputError):
            decode_spec(wrong)
