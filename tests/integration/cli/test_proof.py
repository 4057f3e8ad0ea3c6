"""`joynet proof` on files of this machine: no chain is there."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from joynet_cli.testing import Result, run_cli
from joynet_sdk import qmodel
from joynet_sdk.errors import ConfigError, VerificationError
from joynet_sdk.paths import Home
from joynet_sdk.progress import listening
from joynet_sdk.proofs.inference import InferenceProver
from joynet_sdk.proofs.prooffile import ProofFile
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.qmodel import Input, QModel
from joynet_sdk.qmodel.ops import Add, Embed, Gather, Gemm

from ...conftest import share_kernels

INPUT = [12, -77, 127, -128, 5]
BAD_INPUTS: list[object] = [
    *([], [1, 2, 3], INPUT * 2, [INPUT, INPUT], [[1, 2], [3]]),
    *([128, 0, 0, 0, 0], [0, 0, 0, 0, -129], [10**30] * 5),
    *([0.5] * 5, ["1"] * 5, [True] * 5, {"x": 1}, None),
]
PROOFS = ("seven.proof", "b.proof")


def gemm(name: str, given: str, inner: int, out: int) -> Gemm:
    rng = np.random.default_rng(inner)
    weight = rng.integers(-128, 128, (out, inner)).astype(np.int8)
    bias = rng.integers(-900, 900, out).astype(np.int32)
    return Gemm(name, given, weight, bias, np.full(out, 400_000 // inner, np.uint32), "clamp")


def dense(inner: int, out: int) -> QModel:
    return QModel(Input("x", (inner,), scale="0.5"), (gemm("y", "x", inner, out),), "1")


def tokens() -> QModel:
    """Ids above 255, whose bytes differ with their order."""
    rng = np.random.default_rng(3)
    constants = {
        "words": rng.integers(-128, 128, (300, 3)).astype(np.int8),
        "places": rng.integers(-128, 128, (4, 3)).astype(np.int8),
    }
    ops = (
        Embed("e", "ids", "words"),
        Add("a", "e", "places", 2**23, 2**23, "clamp"),
        Gather("first", "a", 0, np.array([0], np.uint32)),
        gemm("y", "first", 3, 2),
    )
    return QModel(Input("ids", (4,), "tokens", vocab=300), ops, "1", constants)


MODELS = {
    "m": dense(5, 3),
    "wide": dense(300, 258),
    "t": tokens(),
    "cube": QModel(Input("x", (3, 3, 3), scale="1"), (gemm("y", "x", 3, 2),), "1"),
}


@dataclass(frozen=True)
class Place:
    """A folder with models and inputs, and a home."""

    folder: Path
    home: Path

    def run(self, *argv: str) -> Result:
        """`joynet proof ARGV` in the folder."""
        env = {"JOYNET_HOME": str(self.home)}
        result = run_cli(["proof", *argv], env=env, cwd=self.folder)
        assert "Traceback" not in result.stdout + result.stderr
        return result

    def refused(self, code: int, *argv: str) -> tuple[str, str]:
        """Message and hint of a command that fails so; it writes nothing."""
        before = self.files()
        result = self.run(*argv, "--json")
        assert result.exit_code == code, result.stdout
        assert self.files() == before
        error = result.document["error"]
        return error["message"], error["hint"] or ""

    def files(self) -> dict[Path, bytes]:
        """What is in the folder."""
        return {path: path.read_bytes() for path in sorted(self.folder.iterdir())}

    def write(self, name: str, value: object) -> str:
        """Write a JSON file; returns its name."""
        (self.folder / name).write_text(json.dumps(value))
        return name


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Three models, and seven.proof, made from m.safetensors and seven.json."""
    root = tmp_path_factory.mktemp("proof")
    made = Place(root / "files", root / "home")
    made.folder.mkdir()
    share_kernels(made.home)
    for name, model in MODELS.items():
        qmodel.save(model, made.folder / f"{name}.safetensors")
    made.write("seven.json", INPUT)
    assert made.run("prove", "m.safetensors", "seven.json").exit_code == 0
    return made


def outputs(name: str, *rows: list[int]) -> bytes:
    """What the model gives, one row after the other."""
    model = MODELS[name]
    return bytes(qmodel.execute(model, np.array(rows, model.input.dtype)).tobytes())


# --- what works


def test_prove_verify_show(place: Place) -> None:
    value = place.run("prove", "m.safetensors", "seven.json", "--out", "a.proof", "--json").value
    assert bytes.fromhex(value["output"][2:]) == outputs("m", INPUT)
    assert value["file"] == "a.proof"
    assert value["bytes"] == (place.folder / "a.proof").stat().st_size
    assert (value["inputs"], value["job"], value["chain_id"]) == (1, "not bound to a job", "0")
    verified = place.run("verify", "a.proof", "--model", "m.safetensors", "--json").value
    assert verified["verified"] is True
    assert verified["onchain"] is None
    [unknown] = verified["not_checked"]
    assert "the development SRS" in unknown
    shown = place.run("show", "a.proof", "--json").value
    assert shown == {name: verified[name] for name in shown}
    assert shown["circuit_id"] == value["circuit_id"]


def test_two_proofs_of_one_input_differ(place: Place) -> None:
    """Their salts do."""
    place.run("prove", "m.safetensors", "seven.json", "--out", "b.proof")
    first, second = (ProofFile.decode((place.folder / f).read_bytes()) for f in PROOFS)
    assert first.statement.salt != second.statement.salt
    assert first.statement.circuit_id == second.statement.circuit_id


def test_screens(place: Place) -> None:
    values = str(np.frombuffer(outputs("m", INPUT), np.int8).tolist())
    proved = place.run("prove", "m.safetensors", "seven.json", "--out", "c.proof")
    assert proved.stdout.splitlines()[0] == f"output  {values}"
    assert "not zero-knowledge" in proved.stderr
    verified = place.run("verify", "c.proof")
    assert verified.stdout.startswith("verified: the circuit 0x")
    assert "not checked: that the circuit is the model's (--model REF)" in verified.stderr
    shown = place.run("show", "c.proof")
    assert values in shown.stdout
    assert "not checked" in shown.stderr


def test_estimate_says_the_exact_size(place: Place) -> None:
    value = place.run("estimate", "m.safetensors", "--json").value
    shown = place.run("show", "seven.proof", "--json").value
    assert value["proof_bytes"] == shown["proof_bytes"]
    assert 100_000 < value["gas"] < 5_000_000
    assert value["cpu_s"] > 0
    human = place.run("estimate", "m.safetensors").stdout
    assert f"{value['proof_bytes']:,} bytes" in human
    assert f"about {value['gas']:,} to check it on chain" in human


def test_input_and_output_that_are_committed_to(place: Place) -> None:
    """Above 256 values the statement has commitments; the file still has the values."""
    given = np.random.default_rng(5).integers(-128, 128, 300).tolist()
    place.write("wide.json", given)
    value = place.run("prove", "wide.safetensors", "wide.json", "--json").value
    assert bytes.fromhex(value["output"][2:]) == outputs("wide", given)
    assert place.run("verify", "wide.proof", "--model", "wide.safetensors").exit_code == 0
    file = ProofFile.decode((place.folder / "wide.proof").read_bytes())
    assert (file.statement.input, file.statement.output) == (b"", b"")
    other = bytes([file.output[0] ^ 1]) + file.output[1:]
    (place.folder / "lie.proof").write_bytes(replace(file, output=other).encode())
    message, _ = place.refused(10, "verify", "lie.proof")
    assert message == "the output is not the one that was committed to"


def test_token_ids(place: Place) -> None:
    ids = [299, 0, 7, 258]
    place.write("t.json", ids)
    value = place.run("prove", "t.safetensors", "t.json", "--json").value
    assert bytes.fromhex(value["output"][2:]) == outputs("t", ids)
    assert place.run("verify", "t.proof", "--model", "t.safetensors").exit_code == 0


def test_batch_in_one_proof(place: Place) -> None:
    rows = [INPUT, [0] * 5, [127, -128, 127, -128, 1]]
    place.write("many.json", rows)
    value = place.run("prove", "m.safetensors", "many.json", "--batch", "--json").value
    assert (value["inputs"], value["input_bytes"]) == (3, 15)
    assert bytes.fromhex(value["output"][2:]) == outputs("m", *rows)
    assert place.run("verify", "many.proof", "--model", "m.safetensors").exit_code == 0
    message, _ = place.refused(10, "verify", "many.proof", "--model", "wide.safetensors")
    assert "the proof is about circuit 0x" in message
    human = place.run("prove", "m.safetensors", "many.json", "--batch", "--out", "again.proof")
    assert human.stdout.count("output  [") == 3
    estimated = place.run("estimate", "m.safetensors", "--batch", "3", "--json").value
    assert estimated["proof_bytes"] == value["proof_bytes"]
    assert estimated["gas"] is None


def test_dry_run_writes_nothing(place: Place) -> None:
    before = place.files()
    result = place.run("prove", "m.safetensors", "seven.json", "--out", "dry.proof", "--dry-run")
    assert result.exit_code == 0
    assert "dry.proof" in result.stdout
    assert place.files() == before


def test_compiling_kernels_is_said(tmp_path: Path) -> None:
    stages: list[str] = []
    with listening(stages.append):
        for _ in range(2):
            runtime = Runtime.open(cache=tmp_path)
            runtime.program("bn254_field", "tables")
    assert stages == [f"compiling kernels for {runtime.device.kind} (once): tables"]


# --- what does not


def test_input_that_the_model_does_not_take(place: Place) -> None:
    expected = "expected JSON with 5 integers from -128 to 127, [5]"
    for value in BAD_INPUTS:
        name = place.write("bad.json", value)
        message, _ = place.refused(2, "prove", "m.safetensors", name)
        assert message.startswith("bad.json ")
        assert expected in message
    (place.folder / "bad.json").write_bytes(b"[" * 100_000)
    place.refused(2, "prove", "m.safetensors", "bad.json")
    (place.folder / "bad.json").write_bytes(b"\xff\x00")
    place.refused(2, "prove", "m.safetensors", "bad.json")
    place.write("bad.json", [0.5] * 5)
    _, hint = place.refused(2, "prove", "m.safetensors", "bad.json")
    assert hint == "an integer is the real value / 0.5"


def test_batch_that_is_none(place: Place) -> None:
    for value in (INPUT, [INPUT, [1]], [], 7):
        place.write("bad.json", value)
        message, _ = place.refused(2, "prove", "m.safetensors", "bad.json", "--batch")
        assert "lists of 5 integers" in message
    place.write("bad.json", [[1, 2, 3, 4]] * 2)
    _, hint = place.refused(2, "prove", "t.safetensors", "bad.json", "--batch")
    assert hint == "inputs of token ids are proved one by one"
    place.write("bad.json", [[1] * 27] * 2)
    message, hint = place.refused(2, "prove", "cube.safetensors", "bad.json", "--batch")
    assert "2 inputs of [3, 3, 3]" in message
    assert hint == "prove them one by one"


def test_token_id_outside_the_vocabulary(place: Place) -> None:
    place.write("bad.json", [300, 0, 0, 0])
    message, _ = place.refused(2, "prove", "t.safetensors", "bad.json")
    assert "spans 0 to 300" in message
    assert "integers from 0 to 299" in message


@pytest.mark.parametrize("verb", ["estimate", "prove", "verify", "check", "register"])
def test_model_that_is_not_there(place: Place, verb: str) -> None:
    rest = {"prove": ["seven.json"]}.get(verb, [])
    argv = ["seven.proof", "--model"] if verb == "verify" else []
    message, hint = place.refused(5, verb, *argv, "nowhere.safetensors", *rest)
    assert message == "no such model file: nowhere.safetensors"
    assert "joynet model quantize" in hint


def test_file_that_is_no_model(place: Place) -> None:
    (place.folder / "torn.safetensors").write_bytes(b"\x08" + bytes(30))
    for argv in (["estimate"], ["prove"], ["verify", "seven.proof", "--model"]):
        rest = ["seven.json"] if argv == ["prove"] else []
        place.refused(2, *argv, "torn.safetensors", *rest)


def test_files_that_are_not_there(place: Place) -> None:
    assert place.refused(5, "prove", "m.safetensors", "no.json")[0] == "no such input: no.json"
    for verb in ("verify", "show"):
        message, hint = place.refused(5, verb, "no.proof")
        assert message == "no such proof file: no.proof"
        assert hint == "joynet proof prove REF INPUT"


@pytest.mark.parametrize("verb", ["check", "register"])
def test_file_has_no_circuit_on_a_chain(place: Place, verb: str) -> None:
    message, hint = place.refused(2, verb, "m.safetensors")
    assert message == "m.safetensors is a file, expected a published model"
    assert "joynet model publish" in hint


def test_offline_proof_is_unknown_to_chains(place: Place) -> None:
    message, hint = place.refused(2, "verify", "seven.proof", "--onchain")
    assert message == "the proof is bound to no chain"
    assert "--verify zk" in hint


def test_another_models_proof(place: Place) -> None:
    message, _ = place.refused(10, "verify", "seven.proof", "--model", "t.safetensors")
    assert "the proof is about circuit 0x" in message


def test_truncated_proof_files(place: Place) -> None:
    raw = (place.folder / "seven.proof").read_bytes()
    for size in (0, 1, 100, len(raw) - 1):
        (place.folder / "cut.proof").write_bytes(raw[:size])
        for verb in ("verify", "show"):
            place.refused(10, verb, "cut.proof")


def test_changed_proof_files(place: Place) -> None:
    """A byte of every field, and one of every word of the proof."""
    raw = (place.folder / "seven.proof").read_bytes()
    prover = InferenceProver(Home(place.home))
    prover.check(ProofFile.decode(raw))
    words = range(raw.index(b'"proof":"') + 11, raw.index(b'","receipt"'), 64 * 2 + 1)
    fields = [raw.index(f'"{name}":'.encode()) + len(name) + 6 for name in json.loads(raw)]
    for at in [*words, *fields]:
        changed = bytearray(raw)
        changed[at] = ord("1") if raw[at] == ord("0") else ord("0")
        with pytest.raises((VerificationError, ConfigError)):
            prover.check(ProofFile.decode(bytes(changed)))
        if at in words[:2]:
            (place.folder / "changed.proof").write_bytes(changed)
            place.refused(10, "verify", "changed.proof")
