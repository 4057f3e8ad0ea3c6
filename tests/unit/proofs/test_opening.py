"""Openings: complete for every shape, equal to the frozen vectors."""

import importlib.util
import json
import random
from pathlib import Path

import pytest

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.proofs import g1, g2
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.pcs import TwoTierProver, TwoTierVerifier
from joynet_sdk.proofs.srs import development_tau, digest_of
from joynet_sdk.proofs.transcript import Transcript

from .openings import DOMAIN, PROVER, VERIFIER, KnownTau, case, forge

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docs" / "spec" / "vectors" / "proof_opening.json"
VECTORS = json.loads(FILE.read_text())


def some(count: int, seed: int = 0) -> list[int]:
    rng = random.Random(1000 * count + seed)
    return [rng.randrange(FR) for _ in range(count)]


def number(text: str) -> int:
    return int(text, 16)


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


@pytest.mark.parametrize("variables", range(1, 13))
def test_honest_proofs_verify(variables):
    made = case(some(2**variables), some(variables, 1))
    assert len(made.proof) == PROVER.proof_bytes == 448
    made.verify()


@pytest.mark.parametrize(
    "vector", [[0] * 16, [1] * 16, [FR - 1] * 16, [0] * 15 + [1], [5] + [0] * 15]
)
@pytest.mark.parametrize("point", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, FR - 1, 2]])
def test_extreme_polynomials_and_corners_have_proofs(vector, point):
    case(vector, point).verify()


@pytest.mark.parametrize("bit", [0, 1])
def test_one_variable_at_its_corners(bit):
    made = case([3, 8], [bit])
    assert made.value == (3, 8)[bit]
    made.verify()


def test_commitments_are_combined():
    parts = [some(32, seed) for seed in (1, 2, 3)]
    factors = some(3, 9)
    total = [
        sum(f * x for f, x in zip(factors, row, strict=True)) % FR
        for row in zip(*parts, strict=True)
    ]
    made = case(total, some(5, 4))
    made.verify(commitment=[(f, PROVER.commit(p)) for f, p in zip(factors, parts, strict=True)])


def test_the_forger_without_a_lie_is_the_prover():
    made = case(some(32), some(5))
    assert forge(made.vector, made.point, made.value) == made.proof


@pytest.mark.parametrize("variables", [0, 29])
def test_numbers_of_variables_out_of_range(variables):
    with pytest.raises(InvalidInputError, match=f"{variables} variables"):
        VERIFIER.verify([], [1] * variables, 0, bytes(448), Transcript(DOMAIN))


def test_too_few_powers_of_tau_is_said():
    with pytest.raises(InvalidInputError, match="the SRS has"):
        TwoTierVerifier([g2.GENERATOR]).verify([], [1, 2], 0, bytes(448), Transcript(DOMAIN))


def test_a_pole_is_reported(monkeypatch):
    monkeypatch.setattr("joynet_sdk.proofs.pcs.absorb_split", lambda *a: (0, 1))
    with pytest.raises(VerificationError, match="pole"):
        TwoTierProver(KnownTau()).open([1, 2], [3], Transcript(DOMAIN))


# --- the frozen vectors


def test_the_file_is_what_its_script_writes():
    path = ROOT / "scripts" / "make_opening_vectors.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.text() == FILE.read_text()


def test_vectors_of_the_srs():
    powers = [raw(text) for text in VECTORS["tau_powers_g2"]]
    assert digest_of(powers[0]).hex() == VECTORS["srs_digest"][2:]
    assert all(g2.encode(g2.decode(power)) == power for power in powers)


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: vector["name"])
def test_vectors(vector):
    engine = KnownTau(development_tau(VECTORS["seed"]))
    point = [number(text) for text in vector["point"]]
    values = [number(text) for text in vector["vector"]]
    transcript = Transcript.at(raw(vector["state_before"]))
    proof = TwoTierProver(engine).open(values, point, transcript)
    assert proof.hex() == vector["proof"][2:]
    assert transcript.state.hex() == vector["state_after"][2:]
    verifier = TwoTierVerifier([g2.decode(raw(text)) for text in VECTORS["tau_powers_g2"]])
    commitment = g1.decode(raw(vector["commitment"]))
    transcript = Transcript.at(raw(vector["state_before"]))
    verifier.verify([(1, commitment)], point, number(vector["value"]), proof, transcript)
