"""ProvenInference beside the market of ProofOfInference's tests, and a verifier that is told."""

from dataclasses import dataclass
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import boa
import pytest
from eth_utils import keccak

from ...conftest import UNBONDING_DELAY
from ..poi.conftest import (
    DRAW_BOND,
    FEE_BPS,
    GAS_ALLOWANCE,
    JOY,
    LINK_DELAY,
    OUTFLOW_BPS,
    OUTFLOW_FLOOR,
    PRICE,
    WINDOWS,
    Network,
)

MIN_BOND = 5 * JOY
VERIFY_GAS = 2_000_000
CIRCUIT_AGE = 600  # seconds
FEE = 2 * JOY
SECONDS = 120
COOLDOWN = 3_600
DISPUTE = 2**255
PACKED, COMMITTED, TOKENS = 0, 1, 2
OPEN, PROVEN, FAILED, EXPIRED, REFUSED = 1, 2, 3, 4, 5
INPUT = bytes(range(64))
OUTPUT = b"\x07" * 10
LONG_INPUT = bytes(range(256)) * 4
C_X, C_Y = (11, 22), (33, 44)
NO_POINT = (0, 0)
SALT = keccak(text="the client's salt")


@dataclass
class Order:
    id: int
    node: SimpleNamespace
    data: bytes


class Prover:
    """Drives proven jobs the way clients and nodes do; every step is one transaction."""

    FEE, PRICE, SECONDS, MIN_BOND, COOLDOWN = FEE, PRICE, SECONDS, MIN_BOND, COOLDOWN
    CIRCUIT_AGE, VERIFY_GAS, DISPUTE = CIRCUIT_AGE, VERIFY_GAS, DISPUTE
    PACKED, COMMITTED, TOKENS = PACKED, COMMITTED, TOKENS
    OPEN, PROVEN, FAILED, EXPIRED, REFUSED = OPEN, PROVEN, FAILED, EXPIRED, REFUSED
    INPUT, OUTPUT, LONG_INPUT, C_X, C_Y = INPUT, OUTPUT, LONG_INPUT, C_X, C_Y
    NO_POINT, SALT = NO_POINT, SALT
    PLATFORM = FEE * FEE_BPS // 10_000

    def __init__(self, network, proven, verifier, licenses) -> None:
        self.network, self.proven, self.verifier = network, proven, verifier
        self.licenses = licenses
        self.joy, self.client = network.joy, network.client
        self.orders: list[Order] = []

    def mine(self, blocks: int = 1, seconds: int = 0) -> None:
        """Make blocks, each with a hash of its own that it keeps."""
        self.network.mine(blocks, seconds)
        number = boa.env.evm.patch.block_number
        boa.env.evm.patch.prev_hashes = [
            keccak(text=f"block {number - depth}") for depth in range(1, 257)
        ]

    def circuit(self, model_id: bytes, name: str = "circuit") -> bytes:
        """Register a circuit of a model."""
        circuit_id = keccak(model_id + name.encode())
        self.verifier.register(model_id, circuit_id, sender=self.network.publisher)
        return circuit_id

    def terms(self, model_id: bytes, **changed: Any) -> tuple[Any, ...]:
        terms = {
            "circuit_id": self.verifier.circuit_of(model_id).circuit_id,
            "fee": FEE,
            "seconds": SECONDS,
            "max_open": 3,
            "input_kind": PACKED,
            "input_size": len(INPUT),
            "output_size": len(OUTPUT),
        }
        assert changed.keys() <= terms.keys()
        return tuple((terms | changed).values())

    def offer(self, node, model_id: bytes, **changed: Any) -> None:
        self.proven.set_terms(
            node.id, model_id, self.terms(model_id, **changed), sender=node.operator
        )

    def offer_long(self, node, model_id: bytes, **changed: Any) -> None:
        """Terms for a committed input."""
        long = {"input_kind": COMMITTED, "input_size": len(LONG_INPUT)}
        self.offer(node, model_id, **long | changed)

    # a job
    def request(self, model_id, node, data=INPUT, **changed: Any) -> Order:
        arguments = {
            "max_fee": FEE,
            "salt": SALT,
            "input": data,
            "digest": sha256(data).digest(),
            "cid": "",
            "commitment": NO_POINT,
        }
        client = changed.pop("client", self.client)
        assert changed.keys() <= arguments.keys()
        arguments |= changed
        amount = FEE + self.network.models[model_id]
        self.joy.transfer(client, amount, sender=self.network.treasury)
        self.joy.approve(self.proven, amount, sender=client)
        job_id = self.proven.request(model_id, node.id, *arguments.values(), sender=client)
        self.orders.append(Order(job_id, node, data))
        return self.orders[-1]

    def started(self, model_id, node, data=INPUT, **changed: Any) -> Order:
        """Requested, and a block later."""
        order = self.request(model_id, node, data, **changed)
        self.mine(1, 1)
        return order

    def statement(self, order: Order, output=OUTPUT, **changed: Any) -> tuple[Any, ...]:
        """What an honest node proves."""
        job = self.proven.job(order.id)
        is_committed = job.input_kind == COMMITTED
        fields = {
            "model_id": job.model_id,
            "circuit_id": job.circuit_id,
            "job_id": order.id,
            "payee": job.payee,
            "salt": self.proven.salt_of(order.id),
            "input": b"" if is_committed else order.data,
            "output": output if len(output) <= 256 else b"",
            "input_commitment": tuple(job.input_commitment),
            "output_commitment": NO_POINT if len(output) <= 256 else C_Y,
        }
        assert changed.keys() <= fields.keys()
        return tuple((fields | changed).values())

    def prove(self, order: Order, output=OUTPUT, **changed: Any) -> bytes:
        return self.verifier.proof_of(self.statement(order, output, **changed))

    def submit(self, order: Order, output=OUTPUT, proof=None, **changed: Any) -> bool:
        """By default an honest submission."""
        job = self.proven.job(order.id)
        arguments = {
            "salt": self.proven.salt_of(order.id),
            "input": b"" if job.input_kind == COMMITTED else order.data,
            "output": output,
            "commitment": C_Y,
            "proof": self.prove(order, output) if proof is None else proof,
        }
        sender = changed.pop("sender", order.node.operator)
        assert changed.keys() <= arguments.keys()
        return self.proven.submit(order.id, *(arguments | changed).values(), sender=sender)

    # a committee's dispute
    def dispute_statement(self, job, output, prover, payload=b"\x01\x02", **changed: Any):
        model_id = self.network.job(job).model_id
        fields = {
            "model_id": model_id,
            "circuit_id": self.verifier.circuit_of(model_id).circuit_id,
            "job_id": DISPUTE + job.id,
            "payee": prover,
            "salt": self.proven.dispute_salt(job.id),
            "input": payload,
            "output": output,
            "input_commitment": NO_POINT,
            "output_commitment": NO_POINT,
        }
        assert changed.keys() <= fields.keys()
        return tuple((fields | changed).values())

    def prove_dispute(self, job, output, prover, payload=b"\x01\x02", **changed: Any) -> None:
        statement = self.dispute_statement(job, output, prover, payload, **changed)
        self.proven.prove_dispute(
            job.id,
            self.proven.dispute_salt(job.id),
            payload,
            output,
            self.verifier.proof_of(statement),
            sender=prover,
        )

    # views
    def job(self, order: Order) -> Any:
        return self.proven.job(order.id)

    def status(self, order: Order) -> int:
        return self.job(order).status

    def locked(self, node) -> int:
        return self.network.coordinator.locked_bond(node.vault)

    def check(self) -> None:
        """The money held is the money owed, and the bonds of open jobs are the ones locked."""
        network = self.network
        accounts = {self.client, network.publisher, *(o.node.payout for o in self.orders)}
        accounts |= {self.job(order).client for order in self.orders}
        owed = self.proven.fees() + sum(map(self.proven.claimable, accounts))
        owed += sum(map(self.proven.held_royalty, network.models))
        locked = dict.fromkeys((node.vault for node in network.nodes.values()), 0)
        ended = {node.id: [0, 0, 0, 0] for node in network.nodes.values()}
        for order in self.orders:
            job = self.job(order)
            if job.status == OPEN:
                owed += job.fee + job.price
                locked[order.node.vault] += job.bond
            place = {OPEN: 0, PROVEN: 1, FAILED: 2, EXPIRED: 2, REFUSED: 3}[job.status]
            ended[order.node.id][place] += 1
        assert self.joy.balanceOf(self.proven) == owed
        for vault, amount in locked.items():
            assert network.coordinator.locked_bond(vault) == amount
        for node_id, counts in ended.items():
            assert list(self.proven.record_of(node_id)) == counts


@pytest.fixture(scope="session", autouse=True)
def actors(treasury, guardian, client, publisher, stranger):
    """Accounts of the session come before the contracts of a file."""


# The contracts are deployed once a file; what a test does to them ends with it.
@pytest.fixture(scope="module")
def joy(deploy, owner, treasury):
    with boa.env.prank(owner):
        return deploy("token/JoyToken.vy", treasury, UNBONDING_DELAY)


@pytest.fixture(scope="module")
def guards(guardian):
    return LINK_DELAY, guardian, OUTFLOW_BPS, OUTFLOW_FLOOR


@pytest.fixture(scope="module")
def market(deploy, joy, owner, guards):
    with boa.env.prank(owner):
        return deploy("models/ModelMarketplace.vy", joy, *guards)


@pytest.fixture(scope="module")
def licenses(deploy, joy, owner, guards):
    with boa.env.prank(owner):
        return deploy("models/ModelLicenses.vy", joy, 60, 60, FEE_BPS, *guards)


@pytest.fixture(scope="module")
def coordinator(deploy, joy, market, owner, guards):
    with boa.env.prank(owner):
        contract = deploy("inference/NodeCoordinator.vy", joy, 3_600, FEE_BPS, *guards)
    contract.set_link("ModelMarketplace", market, sender=owner)
    joy.admit_service(contract, True, sender=owner)
    return contract


@pytest.fixture(scope="module")
def poi(deploy, joy, coordinator, market, owner, guards):
    terms = (DRAW_BOND, MIN_BOND, GAS_ALLOWANCE, FEE_BPS)
    with boa.env.prank(owner):
        contract = deploy(
            "inference/ProofOfInference.vy", joy, tuple(WINDOWS.values()), terms, *guards
        )
    contract.set_link("NodeCoordinator", coordinator, sender=owner)
    contract.set_link("ModelMarketplace", market, sender=owner)
    coordinator.set_link("ProofOfInference", contract, sender=owner)
    return contract


@pytest.fixture(scope="module")
def deploy_proven(deploy, joy, owner, guardian):
    """Return a function that deploys an unlinked ProvenInference, some arguments changed."""

    def _deploy(outflow_floor=OUTFLOW_FLOOR, **changed):
        rules = {
            "min_bond": MIN_BOND,
            "verify_gas": VERIFY_GAS,
            "circuit_age": CIRCUIT_AGE,
            "fee_bps": FEE_BPS,
        }
        assert changed.keys() <= rules.keys()
        with boa.env.prank(owner):
            return deploy(
                "inference/ProvenInference.vy",
                joy,
                tuple((rules | changed).values()),
                LINK_DELAY,
                guardian,
                OUTFLOW_BPS,
                outflow_floor,
            )

    return _deploy


@pytest.fixture(scope="module")
def verifier(deploy):
    return deploy("testing/EchoVerifier.vy")


@pytest.fixture(scope="module")
def link_proven(coordinator, market, verifier, poi, owner):
    """Return a function that gives a ProvenInference its links."""

    def _link(contract):
        contract.set_link("NodeCoordinator", coordinator, sender=owner)
        contract.set_link("ModelMarketplace", market, sender=owner)
        contract.set_link("InferenceVerifier", verifier, sender=owner)
        contract.set_link("ProofOfInference", poi, sender=owner)
        return contract

    return _link


@pytest.fixture(scope="module")
def proven(deploy_proven, link_proven, coordinator, poi, owner):
    contract = link_proven(deploy_proven())
    coordinator.set_link("ProvenInference", contract, sender=owner)
    poi.set_link("ProvenInference", contract, sender=owner)
    return contract


@pytest.fixture
def network(joy, market, coordinator, poi, treasury, publisher, client):
    return Network(joy, market, coordinator, poi, treasury, publisher, client)


@pytest.fixture
def prover(network, proven, verifier, licenses):
    return Prover(network, proven, verifier, licenses)


@pytest.fixture
def model(prover):
    """A model with a circuit and a listed price."""
    model_id = prover.network.list_model()
    prover.circuit(model_id)
    return model_id


@pytest.fixture
def node(prover, model):
    """A node that proves the model with packed inputs."""
    node = prover.network.add_node(model)
    prover.offer(node, model)
    return node


@pytest.fixture
def long_node(prover, model):
    """A node that proves the model with committed inputs."""
    node = prover.network.add_node(model)
    prover.offer_long(node, model)
    return node
