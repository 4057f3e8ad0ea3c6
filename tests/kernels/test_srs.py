"""SRS: powers on the device, the file, the store, `.ptau` files that are wrong in every way."""

import struct
from pathlib import Path

import numpy as np
import pytest

from joynet_cli.testing import run_cli
from joynet_sdk.errors import ConfigError, InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.proofs import g1, g2, srs_powers
from joynet_sdk.proofs.engines import DeviceEngine, ReferenceEngine
from joynet_sdk.proofs.extensions import eq_table
from joynet_sdk.proofs.field import FQ, FR, to_limbs, to_montgomery
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.pcs import TwoTierProver
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.srs import (
    DEVELOPMENT_SEED,
    SrsStore,
    development_digest,
    development_tau,
)
from joynet_sdk.proofs.srs_file import SrsFile
from joynet_sdk.proofs.transcript import Transcript
from joynet_sdk.proofs.vectors import FrVector

from ..conftest import share_kernels


@pytest.fixture
def store(tmp_path: Path) -> SrsStore:
    return SrsStore(tmp_path / "srs")


def power(tau: int, i: int) -> g1.G1:
    return g1.multiply(g1.GENERATOR, pow(tau, i, FR))


# --- powers


@pytest.mark.parametrize("tau", [1, 2, FR - 1, 2**128, development_tau("x")])
@pytest.mark.parametrize("first", [0, 1000])
def test_powers_of_any_tau(runtime, tau, first):
    """Small powers of 2 have digits that are zero and sums that are the identity till the end."""
    count = 150
    points = np.concatenate(list(srs_powers.powers(runtime, tau, first, count)))
    found = srs_powers.from_points(points)
    for i in (*range(70), 127, 128, count - 1):
        assert found[i] == power(tau, first + i)


def test_wide_digits_give_the_same_points(runtime, monkeypatch):
    tau = development_tau("y")
    expected = np.concatenate(list(srs_powers.powers(runtime, tau, 3, 70)))
    for bits in (4, 7, 9):
        monkeypatch.setattr(srs_powers, "_digit_bits", lambda count, bits=bits: bits)
        found = np.concatenate(list(srs_powers.powers(runtime, tau, 3, 70)))
        assert np.array_equal(found, expected)


def test_points_off_the_curve_are_found(runtime):
    good = montgomery([power(5, i) for i in range(100)])
    assert srs_powers.from_points(srs_powers.checked(runtime, good))[99] == power(5, 99)
    for index, row in ((0, [0] * 8), (64, good[64] ^ np.uint64(1)), (99, _unreduced(good[99]))):
        bad = good.copy()
        bad[index] = row
        with pytest.raises(VerificationError, match=rf"\[tau\^{index}\]_1 is not a point"):
            srs_powers.checked(runtime, bad)


def montgomery(points: list[g1.G1]) -> np.ndarray:
    return to_limbs([to_montgomery(c, FQ) for point in points for c in point]).reshape(-1, 8)


def _unreduced(row: np.ndarray) -> np.ndarray:
    x = int.from_bytes(row[:4].tobytes(), "little") + FQ
    return np.concatenate([to_limbs([x])[0], row[4:]])


# --- store


def test_a_development_srs_grows_and_stays_itself(runtime, store):
    small = store.development(runtime, 4)
    first = np.array(small.points(16))
    grown = store.development(runtime, 15)
    assert grown.digest == small.digest == store.find(small.digest).digest
    assert (small.size, grown.size) == (16, 2**15)
    assert np.array_equal(grown.points(16), first)
    assert np.array_equal(small.points(16), first)  # the old file stays readable
    again = store.development(runtime, 16)
    assert np.array_equal(again.points(2**15), grown.points(2**15))
    assert store.development(runtime, 3).size == 2**16
    tau = development_tau(DEVELOPMENT_SEED)
    assert srs_powers.from_points(again.points(2**16)[-1:]) == [power(tau, 2**16 - 1)]
    assert again.tau_powers[3] == g2.multiply(g2.GENERATOR, pow(tau, 8, FR))


def test_another_seed_is_another_srs(runtime, store):
    digests = {store.development(runtime, 2, seed).digest for seed in ("a", "b", DEVELOPMENT_SEED)}
    assert len(digests) == 3
    assert [srs.digest for srs in store.all()] == sorted(digests)
    with pytest.raises(NotFoundError, match="no such SRS: 0x00"):
        store.find(bytes(32))


def test_a_development_srs_is_refused_outside_development_chains(runtime, store):
    srs = store.development(runtime, 2)
    srs.require_chain(412_346_001)
    for chain_id in (0, 1, 31337, 412_345_999, 412_347_000):
        with pytest.raises(ConfigError, match=f"chain {chain_id} is not a development chain"):
            srs.require_chain(chain_id)


def test_sizes_out_of_range(runtime, store):
    for wrong in (1, 25):
        with pytest.raises(InvalidInputError, match="expected 2\\^2 to 2\\^24"):
            store.development(runtime, wrong)
    with pytest.raises(ConfigError, match="5 points of .*, which has 4"):
        store.development(runtime, 2).points(5)


def test_damage_is_noticed(runtime, store):
    srs = store.development(runtime, 15)
    path = srs.file.path
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    with pytest.raises(ConfigError, match="is damaged: expected"):
        SrsFile(path)
    flipped = bytearray(good)
    flipped[4096 + 64 * 2**14 + 5] ^= 1  # in the second run
    path.write_bytes(bytes(flipped))
    damaged = store.find(srs.digest)
    assert len(damaged.points(2**14)) == 2**14
    with pytest.raises(ConfigError, match="points from 16384 on have another digest"):
        damaged.points(2**14 + 1)
    flipped = bytearray(good)
    flipped[-3] ^= 1
    path.write_bytes(bytes(flipped))
    with pytest.raises(ConfigError, match="header has another digest"):
        store.all()
    path.write_bytes(b"joynet")
    with pytest.raises(ConfigError, match="is no SRS file"):
        store.all()
    with pytest.raises(NotFoundError, match="no such SRS"):
        SrsFile(path.with_name("missing.srs"))


def test_a_circuit_gets_its_srs(runtime, store, tmp_path, good_ptau):
    """By digest: the common development SRS is made, another one grown, a ceremony must be here."""
    common = store.obtain(runtime, development_digest(), 3)
    assert common.digest == development_digest()
    assert (common.size, common.file.header.source) == (8, DEVELOPMENT_SEED)
    own = store.development(runtime, 2, "own")
    assert store.obtain(runtime, own.digest, 4).size == 16
    ceremony = imported(runtime, store, tmp_path, good_ptau, 3)
    assert store.obtain(runtime, ceremony.digest, 2).size == 8
    with pytest.raises(ConfigError, match="2\\^4 points are needed, the SRS 0x.* here has 8"):
        store.obtain(runtime, ceremony.digest, 4)
    with pytest.raises(NotFoundError):
        store.obtain(runtime, bytes(32), 2)


def test_a_verifier_needs_no_file_of_the_common_srs(runtime, store, tmp_path):
    made = SrsStore(tmp_path / "other").development(runtime, 2)
    prover = TwoTierProver(DeviceEngine(Msm(runtime, made.points(4))))
    vector = FrVector.from_ints(runtime, [5, 6, 7, 8])
    proof = prover.open(vector, [2, 3], Transcript(b"x"))
    commitment = [(1, prover.commit(vector))]
    value = vector.evaluate([2, 3])
    for verifier in (
        store.verifier(made.digest),
        SrsStore(tmp_path / "other").verifier(made.digest),
    ):
        verifier.verify(commitment, [2, 3], value, proof, Transcript(b"x"))
    with pytest.raises(NotFoundError):
        store.verifier(bytes(32))


# --- openings


def test_the_device_makes_the_reference_proof(runtime, store):
    srs = store.development(runtime, 11)
    reference = TwoTierProver(ReferenceEngine(srs_powers.from_points(srs.points(64))))
    device = TwoTierProver(DeviceEngine(Msm(runtime, srs.points(2**11))))
    rng = np.random.default_rng(1)
    for variables in (1, 2, 3, 6, 11):
        vector = [int(x) ** 9 % FR for x in rng.integers(0, 2**62, 2**variables)]
        point = [int(x) ** 7 % FR for x in rng.integers(0, 2**62, variables)]
        on_device = FrVector.from_ints(runtime, vector)
        proof = device.open(on_device, point, Transcript(b"x"))
        if variables < 7:
            assert proof == reference.open(vector, point, Transcript(b"x"))
            assert device.commit(on_device) == reference.commit(vector)
        value = sum(c * e for c, e in zip(vector, eq_table(point), strict=True)) % FR
        commitment = [(1, device.commit(on_device))]
        srs.verifier().verify(commitment, point, value, proof, Transcript(b"x"))
        with pytest.raises(VerificationError):
            srs.verifier().verify(commitment, point, value + 1, proof, Transcript(b"x"))


# --- .ptau files

POWER = 4
TAU = 0xC0FFEE_1234567
Q_BYTES = FQ.to_bytes(32, "little")


def ptau(
    taus_g1: list[int] | None = None,
    taus_g2: list[int] | None = None,
    header: bytes | None = None,
    points_g2: bytes | None = None,
) -> bytes:
    """A file of 2^4 powers, as snarkjs lays it out; arguments replace what is right."""
    taus_g1 = taus_g1 or [pow(TAU, i, FR) for i in range(2 * 2**POWER - 1)]
    taus_g2 = taus_g2 or [pow(TAU, i, FR) for i in range(2**POWER)]
    header = header or struct.pack("<I", 32) + Q_BYTES + struct.pack("<II", POWER, POWER)
    section2 = montgomery([g1.multiply(g1.GENERATOR, t) for t in taus_g1]).tobytes()
    section3 = points_g2 or b"".join(_g2(t) for t in taus_g2)
    out = b"ptau" + struct.pack("<II", 1, 3)
    for kind, content in ((1, header), (2, section2), (3, section3)):
        out += struct.pack("<IQ", kind, len(content)) + content
    return out


def _g2(scalar: int) -> bytes:
    point = g2.multiply(g2.GENERATOR, scalar)
    assert point is not None
    return to_limbs([to_montgomery(c, FQ) for pair in point for c in pair]).tobytes()


@pytest.fixture(scope="module")
def good_ptau() -> bytes:
    return ptau()


def imported(runtime: Runtime, store: SrsStore, folder: Path, raw: bytes, power: int | None = None):
    path = folder / "file.ptau"
    path.write_bytes(raw)
    return store.import_ptau(runtime, path, power)


def test_a_ptau_file_is_imported(runtime, store, tmp_path, good_ptau):
    part = imported(runtime, store, tmp_path, good_ptau, 3)
    whole = imported(runtime, store, tmp_path, good_ptau)
    assert (part.size, whole.size, len(whole.tau_powers)) == (8, 16, 4)
    assert part.digest == whole.digest
    assert whole.origin == "ceremony"
    assert not whole.is_development
    whole.require_chain(1)
    assert srs_powers.from_points(whole.points(16)) == [power(TAU, i) for i in range(16)]
    assert whole.tau_powers == tuple(
        g2.multiply(g2.GENERATOR, pow(TAU, 2**j, FR)) for j in range(4)
    )
    assert imported(runtime, store, tmp_path, good_ptau, 2).size == 16  # what is here stays


def test_truncated_files_are_refused(runtime, store, tmp_path, good_ptau):
    for length in (0, 3, 11, 20, 60, 100, 1000, len(good_ptau) - 1):
        with pytest.raises(InvalidInputError, match=r"truncated|no \.ptau file"):
            imported(runtime, store, tmp_path, good_ptau[:length])
    assert store.all() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"header": struct.pack("<I", 48) + bytes(48) + struct.pack("<II", 4, 4)}, "another curve"),
        ({"header": struct.pack("<I", 32) + bytes(32) + bytes(8)}, "another curve"),
        ({"header": struct.pack("<I", 32) + Q_BYTES + struct.pack("<II", 40, 40)}, "2\\^40"),
        ({"header": struct.pack("<I", 32) + Q_BYTES + struct.pack("<II", 5, 5)}, "section 2"),
        ({"header": struct.pack("<I", 32) + Q_BYTES}, "section 1"),
        ({"taus_g2": [1, TAU]}, "section 3"),
    ],
)
def test_malformed_files_are_refused(runtime, store, tmp_path, change, message):
    with pytest.raises(InvalidInputError, match=message):
        imported(runtime, store, tmp_path, ptau(**change))


def off_by(index: int, count: int) -> list[int]:
    taus = [pow(TAU, i, FR) for i in range(count)]
    taus[index] += 1
    return taus


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taus_g1": off_by(0, 31)}, "generator of G1"),
        ({"taus_g1": off_by(1, 31)}, "not the powers of tau"),
        ({"taus_g1": off_by(15, 31)}, "not the powers of tau"),
        ({"taus_g1": [pow(TAU, 2 * i, FR) for i in range(31)]}, "not the powers of tau"),
        ({"taus_g2": off_by(1, 16)}, "not the powers of tau"),
        ({"taus_g2": off_by(8, 16)}, r"\[tau\^8\]_2 is not the power"),
        ({"taus_g1": [1] * 31, "taus_g2": [1] * 16}, "nobody has contributed"),
        ({"points_g2": bytes(128 * 16)}, r"\[tau\^1\]_2 is not a point"),
        ({"points_g2": b"\xff" * 128 * 16}, "coordinate >= q"),
        ({"points_g2": bytes(range(1, 32)) * 66 + b"12"}, "is not a point|coordinate"),
    ],
)
def test_wrong_powers_are_refused(runtime, store, tmp_path, change, message):
    with pytest.raises(VerificationError, match=message):
        imported(runtime, store, tmp_path, ptau(**change))
    assert store.all() == []


def test_a_point_off_the_curve_is_refused(runtime, store, tmp_path, good_ptau):
    raw = bytearray(good_ptau)
    raw[12 + 12 + 44 + 12 + 5 * 64] ^= 1
    with pytest.raises(VerificationError, match=r"\[tau\^5\]_1 is not a point"):
        imported(runtime, store, tmp_path, bytes(raw))


def test_more_powers_than_the_file_has(runtime, store, tmp_path, good_ptau):
    with pytest.raises(InvalidInputError, match="2\\^5 points wanted, file.ptau has 2\\^4"):
        imported(runtime, store, tmp_path, good_ptau, 5)


# --- commands


def test_commands(tmp_path, good_ptau):
    share_kernels(tmp_path / "home")
    env = {"JOYNET_HOME": str(tmp_path / "home")}
    assert run_cli(["proof", "srs", "show", "--json"], env=env).value == []
    made = run_cli(["proof", "srs", "new", "--power", "4", "--json"], env=env)
    assert made.value["origin"] == "development"
    assert made.value["points"] == 16
    assert "can forge proofs" in made.stderr
    file = tmp_path / "pot.ptau"
    file.write_bytes(good_ptau)
    took = run_cli(["proof", "srs", "import", str(file), "--json"], env=env).value
    assert (took["origin"], took["source"], took["points"]) == ("ceremony", "pot.ptau", 16)
    shown = run_cli(["proof", "srs", "show", "--json"], env=env).value
    assert sorted(each["digest"] for each in shown) == sorted(
        [took["digest"], made.value["digest"]]
    )
    assert "development" in run_cli(["proof", "srs", "show"], env=env).stdout
    file.write_bytes(good_ptau[:500])
    assert run_cli(["proof", "srs", "import", str(file)], env=env).exit_code == 2
    dry = run_cli(["proof", "srs", "new", "--seed", "z", "--dry-run"], env=env)
    assert dry.exit_code == 0
    assert len(run_cli(["proof", "srs", "show", "--json"], env=env).value) == 2
