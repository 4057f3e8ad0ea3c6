"""`CircuitLibrary.check` accepts exactly the descriptors that Python accepts."""

import random
import struct
from collections.abc import Callable, Iterator

import pytest

from joynet_sdk.chain.rpc import RpcError
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.codec import HEADER_BYTES, RECORD_BYTES, decode, encode
from joynet_sdk.proofs.rules import check
from joynet_sdk.proofs.transcript import keccak256

from .circuits import Builder
from .harness import ATTESTATION, Chain

RECIPES = 4  # where the header counts its records
REVERT = keccak256(b"Error(string)")[:4]
INTERESTING = (0, 1, 2, 3, 4, 8, 9, 16, 24, 25, 63, 64, 127, 128, 255)


def python_accepts(descriptor: bytes) -> bool:
    """What the Python side says."""
    try:
        check(decode(descriptor))
    except InvalidInputError:
        return False
    return True


def contract_accepts(chain: Chain, descriptor: bytes) -> bool:
    """What the contract says; it may refuse with a reason of its own only."""
    try:
        chain.library.call("check(bytes)", descriptor)
    except RpcError as error:
        if error.data[:4] != REVERT:
            raise
        return False
    return True


def mutants(descriptor: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """Descriptors with a byte, a field or a record changed."""
    records = (len(descriptor) - HEADER_BYTES) // RECORD_BYTES
    for _ in range(count):
        raw = bytearray(descriptor)
        record = HEADER_BYTES + RECORD_BYTES * rng.randrange(records)
        match rng.randrange(8):
            case 0:  # any byte of the header
                raw[rng.randrange(HEADER_BYTES)] = rng.choice(INTERESTING)
            case 1 | 2:  # a byte of a record, by a small step or to a value of interest
                at = record + rng.randrange(RECORD_BYTES)
                raw[at] = rng.choice(((raw[at] + rng.choice((1, -1))) % 256, *INTERESTING[:6]))
            case 3:  # its op
                raw[record] = rng.choice((*range(0x0F, 0x26), 0x01, 0x00))
            case 4:  # two records change places
                other = HEADER_BYTES + RECORD_BYTES * rng.randrange(records)
                a, b = raw[record : record + RECORD_BYTES], raw[other : other + RECORD_BYTES]
                raw[record : record + RECORD_BYTES], raw[other : other + RECORD_BYTES] = b, a
            case 5:  # one less, counted or not
                del raw[record : record + RECORD_BYTES]
                if rng.random() < 0.7:
                    recount(raw, rng, -1)
            case 6:  # one twice, counted or not
                raw[record:record] = raw[record : record + RECORD_BYTES]
                if rng.random() < 0.7:
                    recount(raw, rng, 1)
            case _:  # a field of 16 bits
                at = record + 1 + rng.randrange(RECORD_BYTES - 2)
                raw[at : at + 2] = rng.choice(INTERESTING).to_bytes(2)
        yield bytes(raw)


def recount(raw: bytearray, rng: random.Random, change: int) -> None:
    """One record more or less in one of the header's counts."""
    at = RECIPES + 2 * rng.randrange(3)
    (count,) = struct.unpack_from(">H", raw, at)
    struct.pack_into(">H", raw, at, max(0, count + change))


def compare(chain: Chain, seed: int, count: int) -> tuple[int, int]:
    """Mutants of one circuit: how many both accept, how many both refuse."""
    rng = random.Random(seed)
    descriptor = encode(Builder(rng, size=rng.choice((3, 12, 40))).build())
    assert python_accepts(descriptor)
    assert contract_accepts(chain, descriptor), seed
    verdicts = []
    for number, mutant in enumerate(mutants(descriptor, rng, count)):
        verdict = python_accepts(mutant)
        assert contract_accepts(chain, mutant) == verdict, (seed, number, mutant.hex())
        verdicts.append(verdict)
    return sum(verdicts), len(verdicts) - sum(verdicts)


def test_contract_and_python_agree_on_mutants(chain: Chain) -> None:
    results = [compare(chain, seed, 40) for seed in range(12)]
    accepted, refused = (sum(column) for column in zip(*results, strict=True))
    assert accepted > 20
    assert refused > 200


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_contract_and_python_agree_on_many_mutants(chain: Chain) -> None:
    results = [compare(chain, seed, 150) for seed in range(2_000, 2_060)]
    assert sum(map(sum, results)) == 9_000


def with_header(offset: int, *data: int) -> bytes:
    raw = bytearray(encode(ATTESTATION))
    raw[offset : offset + len(data)] = data
    return bytes(raw)


@pytest.mark.parametrize(
    ("descriptor", "reason"),
    [
        (b"", "circuit_rules: bad length"),
        (encode(ATTESTATION) + bytes(16), "circuit_rules: bad length"),
        (with_header(0, 2), "circuit_rules: bad header"),
        (with_header(1, 25), "circuit_rules: bad header"),
        (with_header(2, 3), "circuit_rules: bad header"),
        (with_header(3, 0), "circuit_rules: bad header"),
        (with_header(14, 3), "circuit_rules: bad dims"),
        (with_header(32, 0x10), "circuit_rules: missing RECIPE"),
        (with_header(33, 5), "circuit_rules: bad length of a point"),
        (with_header(13, 2), "circuit_rules: bad number of claims"),
        (with_header(64, 0x1D), "circuit_rules: unknown record"),
    ],
    ids=lambda value: value[15:].replace(" ", "-") if isinstance(value, str) else "",
)
def test_refusal_names_the_rule(
    chain: Chain, revert_reason: Callable[..., str], descriptor: bytes, reason: str
) -> None:
    assert revert_reason(chain.library, "check(bytes)", descriptor) == reason
