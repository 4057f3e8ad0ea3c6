"""`joynet eval` and `joynet fuse test` on real files: parsing, both outputs, exit codes."""

import shutil
from pathlib import Path

import pytest

from joynet_cli.testing import run_cli
from joynet_sdk.evaluation import smoke

DEMO = Path(smoke.__file__).parents[1] / "demo" / "digits.safetensors"
TASK = ("--task", "sklearn:digits", "--limit", "120")


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A home with one key."""
    home = tmp_path_factory.mktemp("home")
    made = run_cli(["account", "new", "alice"], env=environment(home))
    assert made.exit_code == 0, made.stderr
    return home


def environment(home):
    return {"JOYNET_HOME": str(home), "JOYNET_PASSWORD": "correct horse battery"}


@pytest.fixture
def joynet(home, tmp_path):
    """Run the command line with that home, in an empty folder that has the demo model."""
    (tmp_path / "digits").mkdir()
    shutil.copy(DEMO, tmp_path / "digits" / "model.safetensors")

    def run(*argv, **options):
        return run_cli(argv, env=environment(home), cwd=tmp_path, **options)

    return run


def test_a_run_is_signed_verified_and_drawn(joynet, tmp_path):
    made = joynet("eval", "run", "digits", *TASK, "--out", "d.report", "--plot", "d.svg", "--json")
    assert made.value["metrics"][0]["name"] == "accuracy"
    assert float(made.value["metrics"][0]["value"]) > 0.95
    assert made.value["task"]["items"] == 120
    assert made.value["model"]["profile"] == "qmodel/2"
    assert "outcomes" not in made.value
    assert (tmp_path / "d.svg").read_bytes().startswith(b"<?xml")

    read = joynet("eval", "report", "d.report", "--json").value
    assert (read["verified"], read["evaluator"]) == (True, made.value["evaluator"])
    assert read["not_checked"]
    shown = joynet("eval", "report", "d.report")
    assert "the signature is good" in shown.stdout
    assert "accuracy" in shown.stdout

    again = joynet("eval", "run", "digits", *TASK, "--out", "e.report", "--json").value
    assert again["work"]["from_cache"] == again["work"]["answers"] == 120
    assert again["metrics"] == made.value["metrics"]

    same = joynet("eval", "compare", "d.report", "e.report", "--json").value["comparisons"]
    assert [(found["verdict"], found["difference"]) for found in same] == [("within the error", 0)]


def test_an_unsigned_report_says_so(joynet):
    assert joynet("eval", "run", "digits", *TASK, "--out", "u.report", "--unsigned").exit_code == 0
    read = joynet("eval", "report", "u.report", "--json")
    assert read.exit_code == 10
    assert read.document["error"]["message"] == "the report is not signed"
    assert read.document["result"]["verified"] is False


def test_a_changed_report_is_refused(joynet, tmp_path):
    joynet("eval", "run", "digits", *TASK, "--out", "d.report")
    path = tmp_path / "d.report"
    path.write_bytes(path.read_bytes().replace(b'"ref":"digits"', b'"ref":"better"'))
    assert joynet("eval", "report", "d.report").exit_code == 10
    assert joynet("eval", "compare", "d.report", "d.report").exit_code == 10


def test_other_settings_are_not_compared(joynet):
    joynet("eval", "run", "digits", *TASK, "--out", "a.report", "--unsigned")
    joynet("eval", "run", "digits", *TASK, "--seed", "1", "--out", "b.report", "--unsigned")
    refused = joynet("eval", "compare", "a.report", "b.report")
    assert refused.exit_code == 2
    assert "task.seed 0 and 1" in refused.stderr


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (["run", "digits", "--task", "nope", "--out", "x"], 5, "no such task or JSONL file: nope"),
        (["run", "./nope", *TASK, "--out", "x", "--local"], 5, "no such model folder"),
        (["run", "digits", *TASK, "--out", "x", "--dtype", "int4"], 2, "--dtype is 'int4'"),
        (["run", "digits", *TASK, "--out", "x", "--split", "half"], 2, "--split is 'half'"),
        (["run", "digits", *TASK, "--out", "x", "--plot", "p.pdf"], 2, "expected a file .png"),
        (["run", "digits", "--task", "sklearn:iris", "--out", "x"], 2, "asks with 4 numbers"),
        (["run", "digits", "--task", "python:topics", "--out", "x"], 2, "is for language models"),
        (["report", "nope"], 5, "no such report"),
        (["report", "digits/model.safetensors"], 10, "is no report"),
        (["compare", "nope"], 5, "no such report"),
    ],
)
def test_mistakes_are_named(joynet, argv, code, text):
    result = joynet("eval", *argv)
    assert (result.exit_code, text in result.stderr) == (code, True), result.stderr


def test_a_dry_run_measures_nothing(joynet, tmp_path):
    result = joynet("eval", "run", "digits", *TASK, "--out", "x", "--dry-run")
    assert (result.exit_code, (tmp_path / "x").exists()) == (0, False)
    assert "would measure digits on 120 items" in result.stdout


def test_tasks_are_listed(joynet):
    assert "sklearn:digits" in joynet("eval", "tasks").stdout
    names = [task["name"] for task in joynet("eval", "tasks", "--json").value]
    assert {"sklearn:wine", "python:topics", "gensim:simlex999"} <= set(names)


# --- fuse test


@pytest.fixture
def family(vision, tmp_path):
    """The parents and their merges, to be written beside."""
    for name in ("a", "a2", "b", "good", "bad"):
        shutil.copytree(vision / name, tmp_path / name)
    return tmp_path


def test_a_merge_beside_its_parents(joynet, family):
    parents = ("--parent", "a", "--parent", "a2")
    result = joynet(
        "fuse", "test", "good", *parents, *TASK, "--out", "reports", "--plot", "p.png", "--json"
    )
    found = result.value
    assert found["smoke"]["passed"]
    assert [report["model"]["ref"] for report in found["parents"]] == ["a", "a2"]
    assert found["verdict"].startswith(("no difference to", "better than", "worse than"))
    assert len(found["comparisons"]) == 2
    assert (family / "p.png").read_bytes().startswith(b"\x89PNG")
    assert len(found["reports"]) == 3
    for path in found["reports"]:
        assert joynet("eval", "report", path).exit_code == 0
    assert smoke.require_record(family / "good", [family / "a", family / "a2"]).is_passed


def test_garbage_is_refused_with_the_reason(joynet, family):
    result = joynet(
        "fuse", "test", "bad", "--parent", "a", "--parent", "b", *TASK, "--unsigned", "--json"
    )
    assert result.exit_code == 10
    assert "accuracy" in result.document["error"]["message"]
    assert result.document["result"]["smoke"]["passed"] is False


def test_a_spec_is_tried_out(joynet, family):
    (family / "mean.yaml").write_text(
        "merge_method: linear\nparameters: {weight: 0.5}\nmodels: [{model: a}, {model: a2}]\n"
    )
    argv = ("mean.yaml", "--parent", "a", "--parent", "a2", *TASK, "--unsigned", "--json")
    found = joynet("fuse", "test", *argv).value
    assert found["child"]["model"]["ref"] == "mean.yaml"
    assert found["smoke"]["passed"]
    derived = joynet("fuse", "test", "mean.yaml", *TASK, "--unsigned", "--json").value
    assert [report["model"]["ref"] for report in derived["parents"]] == ["a", "a2"]
    assert not list(family.glob("*.smoke.json"))


def test_parents_that_nobody_knows_are_asked_for(joynet, family):
    result = joynet("fuse", "test", "good", *TASK, "--unsigned")
    assert result.exit_code == 5
    assert "--parent FOLDER_OR_REF" in result.stderr
