"""`joynet fuse check` on folders and on models of the store: exit codes, both formats, no torch."""

import json
import resource
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from joynet_sdk.client import JoyNet
from joynet_sdk.formats import Card, Engine, InputSpec, OutputSpec
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.library import Library

CONFIG = {"model_type": "bert", "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}


@pytest.fixture
def save(project):
    """`save("a", like=..., hidden=8, license="mit")`: a small encoder in the project's folder."""

    def write(name, *, like=None, hidden=8, license="mit", seed=0, tokens=50):
        rng = np.random.default_rng(seed)
        folder = project / name
        folder.mkdir()
        shapes = {"embeddings.weight": (50, hidden), "layer.weight": (hidden, hidden)}
        weights = {
            key: (rng.normal(size=shape) * 0.1 + (0 if like is None else like[key])).astype("f4")
            for key, shape in shapes.items()
        }
        save_file(weights, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({**CONFIG, "hidden_size": hidden}))
        vocab = {f"t{i}": (i + tokens) % 50 for i in range(50)}
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocab}}))
        (folder / "README.md").write_text(f"---\nlicense: {license}\n---\n")
        return {key: value * 10 for key, value in weights.items()}

    return write


def test_experts_of_one_base_fit_together(joynet, save):
    base = save("base", seed=1)
    save("a", like=base, seed=2)
    save("b", like=base, seed=3, license="apache-2.0")
    result = joynet("fuse", "check", "a", "b", "--json").value
    assert result["compatible"]
    assert (result["method"], result["licence"]["license"]) == ("slerp", "Apache-2.0")
    assert result["similarity"]["weight_cosine"] > 0.9
    assert result["fetched_bytes"] == 0
    assert result["read_bytes"] < result["total_bytes"]
    assert result["resources"]["seconds"] > 0
    human = joynet("fuse", "check", "a", "b", "--explain")
    assert human.exit_code == 0
    assert "recommended: slerp" in human.stdout
    assert "licence of the merge: Apache-2.0" in human.stdout
    assert "over the network" in human.stderr


def test_perceptrons_like_those_of_the_training_get_a_score(joynet, project):
    rng = np.random.default_rng(7)
    start = {"0.weight": (32, 64), "0.bias": (32,), "1.weight": (10, 32), "1.bias": (10,)}
    base = {name: rng.normal(size=shape).astype("f4") * 0.2 for name, shape in start.items()}
    for folder in ("a", "b"):
        moved = {
            name: (w + rng.normal(size=w.shape) * 0.02).astype("f4") for name, w in base.items()
        }
        (project / folder).mkdir()
        save_file(moved, project / folder / "model.safetensors")
    result = joynet("fuse", "check", "a", "b", "--json", "--explain").value
    assert [each["method"] for each in result["estimates"]] == ["linear", "slerp"]
    assert all(0.8 < each["kept"] < 1.1 for each in result["estimates"])
    assert result["score_figures"]["held_out"]["mae"] > 0
    human = joynet("fuse", "check", "a", "b", "--explain").stdout
    assert "of the parents' own accuracy" in human
    assert "the score is off by 0.09 on merges it has not seen" in human


@pytest.mark.parametrize(
    ("changes", "message", "fix"),
    [
        ({"hidden": 12}, "the hidden size differs: a has 8, b has 12", "joynet fuse compose"),
        ({"license": "gpl-3.0"}, "b under GPL-3.0-only", "permissive licence"),
        ({"tokens": 7}, "0% of these under the same id", "tokenizer_source: union"),
    ],
)
def test_pairs_that_do_not_fit_are_refused_with_the_fix(changes, message, fix, joynet, save):
    save("a", license="cc-by-nc-4.0")
    save("b", **{"license": "cc-by-nc-4.0", **changes})
    result = joynet("fuse", "check", "a", "b")
    assert result.exit_code == 10
    assert message in result.stdout
    assert message in result.stderr
    assert fix in result.stdout
    document = joynet("fuse", "check", "a", "b", "--json")
    assert document.exit_code == 10
    assert document.document["error"]["code"] == "verification_failed"
    assert document.document["result"]["compatible"] is False


def test_a_tokenizer_that_is_aligned_is_accepted(joynet, save):
    save("a", seed=1)
    save("b", seed=1, tokens=7)
    assert joynet("fuse", "check", "a", "b", "--tokenizer", "union").exit_code == 0


@pytest.mark.parametrize(
    ("argv", "exit_code", "message"),
    [
        (("a",), 2, "expected two or more"),
        (("a", "nowhere"), 5, "no such model: nowhere"),
        (("a", "./no.safetensors"), 5, "no such model file"),
        (("a", "b", "--method", "mix"), 5, "no such merge method: mix"),
        (("a", "b", "--tokenizer", "x"), 2, "expected same, union or base"),
        (("a", "b", "--method", "ties"), 10, "adds task vectors to a base"),
    ],
)
def test_what_cannot_be_checked(argv, exit_code, message, joynet, save):
    save("a")
    save("b")
    result = joynet("fuse", "check", *argv)
    assert (result.exit_code, message in result.stderr) == (exit_code, True)


@pytest.mark.parametrize("kind", ["pickle", "header", "config"])
def test_hostile_models_are_refused_at_once(kind, joynet, save, project):
    save("a")
    save("b")
    if kind == "pickle":
        (project / "b" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    elif kind == "header":
        (project / "b" / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    else:
        wide = {**CONFIG, "hidden_size": 1_000_000, "num_hidden_layers": 17}
        (project / "b" / "config.json").write_text(json.dumps(wide))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    result = joynet("fuse", "check", "a", "b")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 2
    assert result.exit_code == 2
    assert {"pickle": "pickle", "header": "4611686018427387904", "config": "asks for about"}[
        kind
    ] in result.stderr


def test_models_of_the_store_are_read_from_their_blocks(joynet, save, project, home):
    save("a")
    save("b", hidden=12)
    card = Card(
        title="a",
        license="MIT",
        architecture="bert",
        engine=Engine(name="transformers", profile="embed-mean-fp32/1"),
        verification="tolerant",
        input=InputSpec(kind="text", dtype="utf8", shape=[]),
        output=OutputSpec(kind="vector", dtype="float32", shape=[8]),
        tolerance=4,
    )
    with DiskBlockStore(home / "store") as store:
        manifest = Library(store).add(project / "a", card)
    ref = "0x" + manifest.model_id.hex()
    result = joynet("fuse", "check", ref, "b", "--json")
    assert result.exit_code == 10
    assert "hidden_size" in {each["code"] for each in result.document["result"]["findings"]}
    save("other", tokens=7)
    assert "0% of these under the same id" in joynet("fuse", "check", ref, "other").stderr
    twin = joynet("fuse", "check", ref, "a", "--json").value
    assert twin["compatible"]
    assert twin["similarity"] is None


def test_no_chain_no_torch_and_little_time(save, project, home):
    save("a")
    save("b", hidden=12)
    code = (
        "import sys, time\n"
        "from joynet_cli.main import run\n"
        f"code = run(['--home', {str(home)!r}, 'fuse', 'check', 'a', 'b'])\n"
        "heavy = {'torch', 'transformers', 'ape', 'web3', 'libp2p', 'sklearn'} & set(sys.modules)\n"
        "print(code, sorted(heavy), time.process_time() < 1)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "10 [] True"


def test_the_sdk_says_the_same(save, project, home):
    base = save("base", seed=1)
    save("a", like=base, seed=2)
    save("b", like=base, seed=3)
    with JoyNet.connect(home=home) as joynet:
        folders = [str(project / name) for name in "ab"]
        checked = joynet.check_fusion(folders, base=str(project / "base"), method="ties")
    assert checked.report.is_compatible
    assert checked.report.method == "ties"
    assert [each.code for each in checked.report.findings] == ["far_from_base"]
    assert checked.report.similarity.task_norm > 1
