"""InferenceVerifier on a real node, under an SRS whose tau the tests know."""

import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi import encode

from joynet_sdk.chain import artifacts
from joynet_sdk.chain.rpc import Rpc
from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs import g2
from joynet_sdk.proofs.circuit import Circuit, Claim, Group, Io, IoShape, Output, Sum, Term, bits
from joynet_sdk.proofs.circuit import Input as InputRecord
from joynet_sdk.proofs.codec import encode as encode_circuit
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.statement import Statement, circuit_id
from joynet_sdk.proofs.transcript import keccak256
from joynet_sdk.proofs.verifier import verify

from .simulator import POWERS, SRS_DIGEST, VERIFIER, Simulator, point

ROOT = Path(__file__).resolve().parents[4]
SENDER = "0x" + "c0ffee" * 6 + "c0de"
CALL_GAS = 30_000_000
STATEMENT = "(bytes32,bytes32,uint256,address,bytes32,bytes,bytes,uint256[2],uint256[2])"


@cache
def _testing_bytecode(name: str) -> bytes:
    from vyper.compiler import CompilerData
    from vyper.compiler.input_bundle import FilesystemInputBundle

    bundle = FilesystemInputBundle([ROOT])
    return CompilerData(bundle.load_file(ROOT / f"contracts/testing/{name}.vy"), bundle).bytecode


@dataclass(frozen=True)
class Contract:
    """A contract on the node."""

    rpc: Rpc
    address: str

    def call(self, signature: str, *args: Any, gas: int = CALL_GAS) -> bytes:
        """The raw answer.

        Raises:
            RpcError: It reverted.
        """
        message = {"from": SENDER, "to": self.address, "gas": hex(gas)}
        message["data"] = "0x" + calldata(signature, *args).hex()
        return bytes.fromhex(self.rpc.call("eth_call", message, "latest")[2:])

    def send(self, signature: str, *args: Any) -> dict[str, Any]:
        """The receipt of a transaction that succeeded."""
        return transact(self.rpc, calldata(signature, *args), self.address)

    def number(self, signature: str, *args: Any) -> int:
        """The answer as one word."""
        return int.from_bytes(self.call(signature, *args))


def calldata(signature: str, *args: Any) -> bytes:
    """A call's bytes; the signature names the types."""
    rest = signature.partition("(")[2]
    return keccak256(signature.encode())[:4] + encode(_split(rest[:-1]), args)


def _split(types: str) -> list[str]:
    parts, depth, now = [], 0, ""
    for letter in types:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(now)
            now = ""
        else:
            now += letter
    return [*parts, now] if now else parts


def transact(rpc: Rpc, data: bytes, to: str | None = None) -> dict[str, Any]:
    """Send, mine, and require success."""
    message = {"from": SENDER, "data": "0x" + data.hex(), "gas": hex(CALL_GAS)}
    digest = rpc.call("eth_sendTransaction", message | ({"to": to} if to else {}))
    rpc.call("evm_mine")
    receipt: dict[str, Any] = rpc.call("eth_getTransactionReceipt", digest)
    assert receipt["status"] == "0x1", receipt
    return receipt


@dataclass(frozen=True)
class Case:
    """A registered circuit, a statement and its proof."""

    circuit: Circuit
    descriptor: bytes
    statement: Statement
    proof: bytes
    simulator: Simulator


class Chain:
    """The deployed verifier, and Python's for comparison."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc
        self.chain_id = int(rpc.call("eth_chainId"), 16)
        rpc.call("anvil_impersonateAccount", SENDER)
        rpc.call("anvil_setBalance", SENDER, hex(10**24))
        self.library = self._deploy(artifacts.load("CircuitLibrary").bytecode)
        self.market = self._deploy(_testing_bytecode("OpenMarketplace"))
        self.market.send("set_publisher(address)", SENDER)
        self.verifier = self._deploy(
            artifacts.load("InferenceVerifier").bytecode,
            ["address", "address", "uint256[4][13]"],
            [self.library.address, self.market.address, tau_powers()],
        )
        self._models = 0

    def _deploy(self, bytecode: bytes, types: Any = (), args: Any = ()) -> Contract:
        receipt = transact(self.rpc, bytecode + encode(types, args))
        return Contract(self.rpc, receipt["contractAddress"])

    def register(
        self, circuit: Circuit, weights: int, model_id: bytes, **changes: Any
    ) -> dict[str, Any]:
        """Register a circuit with an attestation of the same weights; the receipt."""
        return self.verifier.send(*self.registration(circuit, weights, model_id, **changes))

    def registration(
        self, circuit: Circuit, weights: int, model_id: bytes, **changes: Any
    ) -> tuple[Any, ...]:
        """Arguments of `register`."""
        descriptor, attestation = encode_circuit(circuit), encode_circuit(ATTESTATION)
        statement = self.statement(
            attestation,
            weights,
            model_id=model_id,
            payee=bytes.fromhex(SENDER[2:]),
            salt=keccak256(descriptor),
            input=b"\0",
            output=b"\0",
            **{k: v for k, v in changes.items() if k != "proof"},
        )
        simulator = Simulator(ATTESTATION, 0, {Group.W: weights}, random.Random(1))
        proof = changes.get("proof", lambda raw: raw)(simulator.prove(statement))
        signature = "register(bytes32,bytes,uint256[2],bytes,bytes)"
        return signature, model_id, descriptor, point(weights), attestation, proof

    def statement(self, descriptor: bytes, weights: int, **changes: Any) -> Statement:
        """A statement of this chain and verifier about a circuit."""
        commitment = point(weights)
        blank = Statement(
            chain_id=self.chain_id,
            verifier=bytes.fromhex(self.verifier.address[2:]),
            model_id=bytes(32),
            circuit_id=circuit_id(commitment, descriptor, SRS_DIGEST),
            weights=commitment,
            descriptor_hash=keccak256(descriptor),
            job_id=0,
            payee=bytes(20),
            salt=bytes(32),
            input=b"",
            output=b"",
        )
        return replace(blank, **changes)

    def case(self, circuit: Circuit, free: int, rng: random.Random, *, zero: bool = False) -> Case:
        """Register a random model with this circuit and prove a random statement about it."""
        self._models += 1
        model_id = keccak256(b"model %d" % self._models)
        logs = {Group.W: rng.randrange(1, FR)}
        public: dict[str, Any] = {}
        for name, group, shape in (
            ("input", Group.X, circuit.input),
            ("output", Group.Y, circuit.output),
        ):
            if shape.kind is Io.COMMITTED:
                logs[group] = rng.randrange(FR)
                public[f"{name}_commitment"] = point(logs[group])
            else:
                public[name] = _packed(shape, rng)
        self.register(circuit, logs[Group.W], model_id)
        statement = self.statement(
            encode_circuit(circuit),
            logs[Group.W],
            model_id=model_id,
            job_id=rng.randrange(1 << 64),
            payee=rng.randbytes(20),
            salt=rng.randbytes(32),
            **public,
        )
        simulator = Simulator(circuit, free, logs, rng, zero)
        return Case(
            circuit, encode_circuit(circuit), statement, simulator.prove(statement), simulator
        )

    def is_proved(self, statement: Statement, proof: bytes, *, gas: int = CALL_GAS) -> bool:
        """The contract's verdict.

        Raises:
            RpcError: It reverted.
        """
        answer = self.verifier.call(f"verify({STATEMENT},bytes)", fields(statement), proof, gas=gas)
        assert answer in (bytes(32), bytes(31) + b"\1")
        return answer[-1] == 1


def python_verdict(descriptor: bytes, statement: Statement, proof: bytes) -> bool:
    """What the Python verifier says."""
    try:
        verify(descriptor, statement, proof, VERIFIER)
    except VerificationError:
        return False
    return True


def fields(statement: Statement) -> tuple[Any, ...]:
    """A statement as the contract takes it."""
    return (
        statement.model_id,
        statement.circuit_id,
        statement.job_id,
        "0x" + statement.payee.hex(),
        statement.salt,
        statement.input,
        statement.output,
        statement.input_commitment,
        statement.output_commitment,
    )


def tau_powers() -> list[list[int]]:
    """The powers of tau as the constructor takes them."""
    raw = [g2.encode(power) for power in POWERS]
    return [[int.from_bytes(each[i : i + 32]) for i in range(0, 128, 32)] for each in raw]


def _packed(shape: IoShape, rng: random.Random) -> bytes:
    if shape.kind is Io.TOKENS:
        return b"".join(rng.randrange(64).to_bytes(2, "little") for _ in range(shape.values))
    return rng.randbytes(shape.values)


def _attestation() -> Circuit:
    """The least circuit over W: input equals output, and a claim of W that a simulator chooses."""
    one = IoShape(Io.PACKED, (1,))
    after = (Claim(Group.W, 0, 0), InputRecord(1), Output(1))
    tie = Sum(0, (), (Term(1, 4), Term(1, 5), Term(-1, 6)))
    return Circuit(1, 4, 1, one, one, ((bits(0, 4),), ()), (), after, (tie,))


ATTESTATION = _attestation()
