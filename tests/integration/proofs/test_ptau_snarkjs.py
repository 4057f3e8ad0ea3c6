"""`.ptau` files made by npm's snarkjs are imported; what it says about them is what we read."""

import json
from pathlib import Path

import pytest

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.proofs import srs_powers
from joynet_sdk.proofs.engines import DeviceEngine
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.pcs import TwoTierProver
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.srs import SrsStore
from joynet_sdk.proofs.transcript import Transcript
from joynet_sdk.proofs.vectors import FrVector

from ..npm import installed, run

JS = Path(__file__).parent / "js"
BUILD = Path(__file__).resolve().parents[3] / ".build"
POWER = 5


@pytest.fixture(scope="module")
def snarkjs(pytestconfig: pytest.Config) -> Path:
    """The folder of snarkjs."""
    return installed(JS, pytestconfig.cache)


def powersoftau(snarkjs: Path, *words: str, folder: Path) -> None:
    """snarkjs powersoftau WORDS."""
    cli = snarkjs / "node_modules" / "snarkjs" / "build" / "cli.cjs"
    run(["node", str(cli), "powersoftau", *words], folder)


@pytest.fixture(scope="module")
def ceremony(snarkjs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new ceremony, a contribution to it, that prepared, and another curve's."""
    folder = tmp_path_factory.mktemp("ceremony")
    for words in (
        ["new", "bn128", str(POWER), "new.ptau"],
        ["contribute", "new.ptau", "one.ptau", "--name=one", "-e=entropy"],
        ["prepare", "phase2", "one.ptau", "prepared.ptau"],
        ["new", "bls12-381", "2", "bls.ptau"],
    ):
        powersoftau(snarkjs, *words, folder=folder)
    return folder


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime.open(cache=BUILD / "kernels")


@pytest.mark.parametrize("name", ["one.ptau", "prepared.ptau"])
def test_a_ceremony_is_imported(
    ceremony: Path, snarkjs: Path, runtime: Runtime, tmp_path: Path, name: str
) -> None:
    srs = SrsStore(tmp_path).import_ptau(runtime, ceremony / name)
    assert (srs.size, srs.origin, srs.file.header.source) == (2**POWER, "ceremony", name)
    expected = json.loads(run(["node", str(snarkjs / "points.cjs"), name], ceremony))
    points = srs_powers.from_points(srs.points(2**POWER))
    assert points == [(int(x), int(y)) for x, y, _ in expected["g1"][: 2**POWER]]
    for j, tau_power in enumerate(srs.tau_powers):
        x, y, _ = expected["g2"][2**j]
        assert tau_power == ((int(x[0]), int(x[1])), (int(y[0]), int(y[1])))


def test_an_imported_ceremony_opens(ceremony: Path, runtime: Runtime, tmp_path: Path) -> None:
    srs = SrsStore(tmp_path).import_ptau(runtime, ceremony / "one.ptau")
    vector = FrVector.from_ints(runtime, list(range(7, 39)))
    engine = DeviceEngine(Msm(runtime, srs.points(32)))
    point = [3, 1, 4, 1, 5]
    proof = TwoTierProver(engine).open(vector, point, Transcript(b"x"))
    commitment = [(1, engine.commit(vector))]
    srs.verifier().verify(commitment, point, vector.evaluate(point), proof, Transcript(b"x"))


def test_a_ceremony_without_contribution_is_refused(
    ceremony: Path, runtime: Runtime, tmp_path: Path
) -> None:
    with pytest.raises(VerificationError, match="nobody has contributed"):
        SrsStore(tmp_path).import_ptau(runtime, ceremony / "new.ptau")


def test_another_curve_is_refused(ceremony: Path, runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="of another curve: a field of 384 bits"):
        SrsStore(tmp_path).import_ptau(runtime, ceremony / "bls.ptau")
