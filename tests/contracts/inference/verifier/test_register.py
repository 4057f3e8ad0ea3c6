"""Registration: who, what, once; and what is there afterwards."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_abi import encode as encode_abi

from joynet_sdk.chain import artifacts
from joynet_sdk.chain.rpc import RpcError
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import Circuit, Sum
from joynet_sdk.proofs.codec import encode
from joynet_sdk.proofs.statement import circuit_id
from joynet_sdk.proofs.transcript import keccak256

from .circuits import Builder
from .harness import ATTESTATION, SENDER, Chain, tau_powers
from .simulator import SRS_DIGEST, point

MODEL = keccak256(b"a model")
WEIGHTS = 123_456_789
CIRCUIT = Builder(random.Random(5)).build()
Reason = Callable[..., str]


def test_registered_circuit_is_there(chain: Chain) -> None:
    assert chain.verifier.number("is_registered(bytes32)", MODEL) == 0
    assert chain.verifier.call("circuit_of(bytes32)", MODEL) == bytes(7 * 32)
    receipt = chain.register(CIRCUIT, WEIGHTS, MODEL)
    descriptor, commitment = encode(CIRCUIT), point(WEIGHTS)
    expected = circuit_id(commitment, descriptor, SRS_DIGEST)
    assert chain.verifier.number("is_registered(bytes32)", MODEL) == 1
    words = chain.verifier.call("circuit_of(bytes32)", MODEL)
    assert words[:32] == expected
    assert words[32:64][12:].hex() == SENDER[2:]
    assert words[64:128] == g1.encode(commitment)
    assert words[128:160] == keccak256(descriptor)
    block = chain.rpc.call("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert int.from_bytes(words[192:]) == int(block["timestamp"], 16)
    (log,) = receipt["logs"]
    assert log["topics"][1:3] == ["0x" + MODEL.hex(), "0x" + expected.hex()]
    data = bytes.fromhex(log["data"][2:])
    assert data == g1.encode(commitment) + keccak256(descriptor) + keccak256(encode(ATTESTATION))


def test_stored_code_holds_the_descriptor(chain: Chain) -> None:
    chain.register(CIRCUIT, WEIGHTS, MODEL)
    at = "0x" + chain.verifier.call("circuit_of(bytes32)", MODEL)[160 + 12 : 192].hex()
    code = bytes.fromhex(chain.rpc.call("eth_getCode", at, "latest")[2:])
    descriptor = encode(CIRCUIT)
    facts = g1.encode(point(WEIGHTS)) + circuit_id(point(WEIGHTS), descriptor, SRS_DIGEST)
    assert code[:161] == b"\0" + facts + keccak256(descriptor) + descriptor[:32]
    words = [code[i + 16 : i + 32] for i in range(161, len(code), 32)]
    records = [descriptor[i : i + 16] for i in range(32, len(descriptor), 16)]
    assert words == records + [bytes(16)] * (-len(records) % 64)


def test_constants_are_public(chain: Chain) -> None:
    assert chain.verifier.call("srs_digest()") == SRS_DIGEST
    assert chain.verifier.number("protocol_version()") == 1
    for j, power in enumerate(tau_powers()):
        answer = chain.verifier.call("srs_power(uint256)", j)
        assert answer == b"".join(word.to_bytes(32) for word in power)


def test_the_longest_descriptor_can_be_stored(chain: Chain) -> None:
    whole = with_terms(CIRCUIT, 704 - (len(encode(CIRCUIT)) - 32) // 16)
    assert len(encode(whole)) == 11_296
    chain.register(whole, WEIGHTS, MODEL)


def with_terms(circuit: Circuit, count: int) -> Circuit:
    """The circuit with more terms in its first sum."""
    tie, *others = circuit.instances
    assert isinstance(tie, Sum)
    terms = (*tie.terms, *[replace(tie.terms[1], coefficient=3)] * count)
    return replace(circuit, instances=(replace(tie, terms=terms), *others))


def test_only_the_publisher_registers(chain: Chain, revert_reason: Reason) -> None:
    arguments = chain.registration(CIRCUIT, WEIGHTS, MODEL)
    chain.market.send("set_publisher(address)", "0x" + "22" * 20)
    reason = revert_reason(chain.verifier, *arguments)
    assert reason == "InferenceVerifier: caller is not the publisher"


def test_a_model_has_one_circuit_for_good(chain: Chain, revert_reason: Reason) -> None:
    chain.register(CIRCUIT, WEIGHTS, MODEL)
    other = chain.registration(ATTESTATION, WEIGHTS + 1, MODEL)
    assert revert_reason(chain.verifier, *other) == "InferenceVerifier: model has a circuit"


@pytest.mark.parametrize(
    ("commitment", "reason"),
    [
        ((0, 0), "InferenceVerifier: commitment is zero"),
        ((1, 3), "InferenceVerifier: commitment is off the curve"),
        ((1 + 2**255, 2), "InferenceVerifier: commitment is off the curve"),
    ],
)
def test_bad_commitment_is_refused(
    chain: Chain, revert_reason: Reason, commitment: tuple[int, int], reason: str
) -> None:
    signature, model, descriptor, _, attestation, proof = chain.registration(
        CIRCUIT, WEIGHTS, MODEL
    )
    arguments = (signature, model, descriptor, commitment, attestation, proof)
    assert revert_reason(chain.verifier, *arguments) == reason


def test_malformed_descriptors_are_refused(chain: Chain, revert_reason: Reason) -> None:
    signature, model, descriptor, commitment, attestation, proof = chain.registration(
        CIRCUIT, WEIGHTS, MODEL
    )
    bad = b"\2" + descriptor[1:]
    arguments = (signature, model, bad, commitment, attestation, proof)
    # the attestation is about another descriptor, which is noticed first
    assert revert_reason(chain.verifier, *arguments).startswith("InferenceVerifier: attestation")
    arguments = (signature, model, descriptor, commitment, bad, proof)
    assert revert_reason(chain.verifier, *arguments) == "circuit_rules: bad header"


def test_an_attestation_is_bound_to_its_registration(chain: Chain, revert_reason: Reason) -> None:
    reason = "InferenceVerifier: attestation does not hold"
    honest = chain.registration(CIRCUIT, WEIGHTS, MODEL)
    signature, model, descriptor, commitment, attestation, proof = honest
    changes = {
        "another model": (keccak256(b"another"), descriptor, commitment, attestation, proof),
        "another circuit": (model, attestation, commitment, attestation, proof),
        "other weights": (model, descriptor, point(7), attestation, proof),
        "another proof": (model, descriptor, commitment, attestation, proof[:-1] + b"\0"),
        "no proof": (model, descriptor, commitment, attestation, b""),
    }
    for name, arguments in changes.items():
        assert revert_reason(chain.verifier, signature, *arguments) == reason, name
    chain.verifier.send(*honest)


def test_a_failed_registration_leaves_nothing(chain: Chain) -> None:
    signature, *arguments, _ = chain.registration(CIRCUIT, WEIGHTS, MODEL)
    with pytest.raises(AssertionError):
        chain.verifier.send(signature, *arguments, b"")
    assert chain.verifier.number("is_registered(bytes32)", MODEL) == 0
    chain.register(CIRCUIT, WEIGHTS, MODEL)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ([0, 0, 0, 0], "proof_opening: power is the identity"),
        ([1, 2, 3, 4], "proof_opening: power is not in G2"),
    ],
)
def test_powers_of_tau_must_be_points(chain: Chain, change: list[int], reason: str) -> None:
    powers = [*tau_powers()[:5], change, *tau_powers()[6:]]
    types = ["address", "address", "uint256[4][13]"]
    args = encode_abi(types, [chain.library.address, chain.market.address, powers])
    data = artifacts.load("InferenceVerifier").bytecode + args
    message = {"from": SENDER, "data": "0x" + data.hex(), "gas": hex(30_000_000)}
    with pytest.raises(RpcError) as caught:
        chain.rpc.call("eth_call", message, "latest")
    assert reason.encode() in caught.value.data
