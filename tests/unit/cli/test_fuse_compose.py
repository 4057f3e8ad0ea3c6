"""`joynet fuse compose`: what the words say, refused before anything is looked up."""

import json
import re

import pytest

from joynet_cli.commands._fuse_compose import Kind, _components, _document_of, _relabel, _rule
from joynet_cli.testing import run_cli
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.fusion.recipes import read_recipe


@pytest.fixture
def compose(tmp_path):
    def run(*argv):
        words = ("fuse", "compose", *argv, "--out", str(tmp_path / "out"), "--json")
        return run_cli(words, env={"JOYNET_HOME": str(tmp_path / "home")}, cwd=tmp_path)

    return run


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (("pipeline", "a=a.joy", "b=b.joy", "--mean", "logits"), "takes no mean"),
        (("pipeline", "a=a.joy", "a=b.joy"), "two components are named 'a'"),
        (("pipeline", *(f"x{n}=x.joy" for n in range(9))), "at most 8"),
        (("pipeline", "../x=a.joy"), "match pattern"),
        (("ensemble", "a=a.joy", "b=b.joy", "--mean", "median"), "mean"),
        (("ensemble", "a=a.joy", "b=b.joy", "--weight", "a"), "two parts with ="),
        (("ensemble", "a=a.joy", "b=b.joy", "--weight", "a=1.5"), "expected an integer"),
        (("ensemble", "a=a.joy", "b=b.joy", "--weight", "c=1"), "weights.*'c'|named 'c'"),
        (("ensemble", "a=a.joy", "b=b.joy", "--relabel", "x=y"), "expected NAME:LABEL"),
        (("cascade", "a=a.joy", "b=b.joy", "--threshold", "x"), "thresholds"),
        (("file", "none.yaml"), "expected one YAML file"),
    ],
)
def test_words_that_make_no_recipe(compose, argv, problem):
    done = compose(*argv)
    assert done.exit_code != 0
    error = done.document["error"]
    assert re.search(problem, error["message"]), error


def test_a_broken_file_is_named_with_its_place(compose, tmp_path):
    (tmp_path / "recipe.yaml").write_text("kind: ensemble\ncomponents: {a: a.joy, a: b.joy}\n")
    done = compose("file", "recipe.yaml")
    assert done.exit_code == 2
    assert "recipe.yaml: line 2: the key 'a' is there twice" in done.document["error"]["message"]
    (tmp_path / "recipe.yaml").write_text(json.dumps({"kind": "pipeline", "components": {}}))
    assert "at least 1" in compose("file", "recipe.yaml").document["error"]["message"]


def test_an_unknown_kind(compose):
    assert compose("chain", "a.joy").exit_code == 2


def test_names_of_components():
    assert _components(["minilm.joy", "head=0x12", "0x34", "BIG.joy"]) == {
        "minilm": "minilm.joy",
        "head": "0x12",
        "part3": "0x34",
        "part4": "BIG.joy",
    }
    with pytest.raises(InvalidInputError, match="two components are named 'a'") as caught:
        _components(["a.joy", "a.tld"])
    assert caught.value.hint == "name them: first=a.joy ..."


def test_rules_and_labels():
    assert _rule("match,goal", "sport") == {"contains": ["match", "goal"], "use": "sport"}
    assert _relabel(["a:x=y", "a:p=q", "b:x=z"]) == {"a": {"x": "y", "p": "q"}, "b": {"x": "z"}}


def test_a_routers_first_model_is_its_classifier_unless_rules_decide():
    said = {"mean": None, "routes": {"x": "a"}, "rules": [], "otherwise": None}
    by_label = _document_of(Kind.ROUTER, ["judge=j.joy", "a=a.joy"], **said)
    assert by_label == {
        "kind": "router",
        "components": {"judge": "j.joy", "a": "a.joy"},
        "classifier": "judge",
        "routes": {"x": "a"},
    }
    said = {"routes": {}, "rules": [_rule("x", "a")], "otherwise": "b"}
    by_rule = _document_of(Kind.ROUTER, ["a=a.joy", "b=b.joy"], **said)
    assert "classifier" not in by_rule
    assert read_recipe(by_rule).rule(None).otherwise == "b"
