"""A whole market: token, marketplace, coordinator, nodes with stake, and ProofOfInference."""

from dataclasses import dataclass, field
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import boa
import pytest
from eth_abi import encode
from eth_account import Account
from eth_keys import keys
from eth_utils import keccak

JOY = 10**18
DAY = 86_400
LINK_DELAY = DAY
OUTFLOW_BPS = 1_000
OUTFLOW_FLOOR = 10**24  # JOY wei: out of the way unless a test wants it

WINDOWS = {"commit": 30, "reveal": 30, "propose": 20, "challenge": 3_600, "escalation": DAY}
DRAW_BOND = 2 * JOY
MIN_BOND = 5 * JOY
GAS_ALLOWANCE = JOY // 20
FEE_BPS = 200
MAX_FEE = JOY
PRICE = JOY // 2
PROVISION = 1_000 * JOY

EXACT, TOLERANT = 0, 1
REQUESTED, COMMIT, REVEAL, PROPOSE, READY = 1, 2, 3, 4, 5
DISPUTED, SETTLED, REFUNDED, LAPSED = 6, 7, 8, 9
REVEALED = 2
UNAVAILABLE = keccak(text="joynet.unavailable")
NO_SALT = bytes(32)


def digest_of(output: bytes | None) -> bytes:
    """What a member commits to; None means that it cannot compute the output."""
    return UNAVAILABLE if output is None else sha256(output).digest()


@dataclass
class Job:
    id: int
    n: int
    salt: bytes
    candidates: list[tuple[int, str, str, int]]
    work: dict[int, tuple[bytes | None, bytes]] = field(default_factory=dict)
    seats: Any = None  # see Network._seats


class Network:
    """Drives jobs the way clients and nodes do; every step is one transaction."""

    WINDOWS, DRAW_BOND, MIN_BOND, GAS_ALLOWANCE = WINDOWS, DRAW_BOND, MIN_BOND, GAS_ALLOWANCE
    MAX_FEE, PRICE, PROVISION = MAX_FEE, PRICE, PROVISION
    FEE = MAX_FEE * FEE_BPS // 10_000  # of one member's pay
    EXACT, TOLERANT = EXACT, TOLERANT
    REQUESTED, COMMIT, REVEAL, PROPOSE, READY = REQUESTED, COMMIT, REVEAL, PROPOSE, READY
    DISPUTED, SETTLED, REFUNDED, LAPSED = DISPUTED, SETTLED, REFUNDED, LAPSED
    DRAWN, COMMITTED, REVEALED, ABSTAINED, SLASHED = range(5)
    UNAVAILABLE = UNAVAILABLE

    def __init__(self, joy, market, coordinator, poi, treasury, publisher, client) -> None:
        self.joy, self.market, self.coordinator, self.poi = joy, market, coordinator, poi
        self.treasury, self.publisher, self.client = treasury, publisher, client
        self.nodes: dict[int, SimpleNamespace] = {}
        self.jobs: dict[int, Job] = {}
        self.models: dict[bytes, int] = {}
        self.shake(b"")

    # the world
    def shake(self, seed: bytes) -> None:
        """Give the blocks behind us hashes that depend on `seed`; boa's own are mostly zero."""
        boa.env.evm.patch.prev_hashes = [keccak(seed + bytes([i])) for i in range(256)]

    def mine(self, blocks: int = 1, seconds: int = 0) -> None:
        boa.env.evm.patch.block_number += blocks
        boa.env.evm.patch.timestamp += seconds

    def blockhash(self, number: int) -> bytes:
        return boa.env.evm.patch.prev_hashes[boa.env.evm.patch.block_number - number - 1]

    def list_model(self, n=1, price=PRICE, verification=EXACT, tolerance=0) -> bytes:
        model_id = n.to_bytes(32, "big")
        self.market.list_model(
            model_id, price, 0, verification, tolerance, [], sender=self.publisher
        )
        self.models[model_id] = price
        return model_id

    def add_nodes(self, count, model_id, provision=PROVISION, price=MAX_FEE) -> None:
        for _ in range(count):
            self.add_node(model_id, provision, price)

    def add_node(self, model_id, provision=PROVISION, price=MAX_FEE) -> SimpleNamespace:
        name = f"node {len(self.nodes) + 1}"
        vault, operator, payout = (boa.env.generate_address(f"{name} {r}") for r in "vop")
        key = keccak(text=name)
        node_id = self.coordinator.register(
            operator,
            payout,
            keys.PrivateKey(key).public_key.to_bytes(),
            *self._prove_peer(key, vault, operator),
            "/ip4/127.0.0.1/tcp/4001",
            "",
            1,
            sender=vault,
        )
        self.joy.transfer(vault, provision, sender=self.treasury)
        self.joy.stake(provision, sender=vault)
        self.joy.provision(self.coordinator, provision, sender=vault)
        self.coordinator.set_offer(node_id, model_id, price, 0, sender=vault)
        node = SimpleNamespace(id=node_id, vault=vault, operator=operator, payout=payout, key=key)
        self.nodes[node_id] = node
        return node

    def register_for(self, vault: str) -> int:
        """Register one more node of a vault, without an offer."""
        name = f"node {self.coordinator.node_count() + 1} of {vault}"
        operator, key = boa.env.generate_address(name), keccak(text=name)
        return self.coordinator.register(
            operator,
            vault,
            keys.PrivateKey(key).public_key.to_bytes(),
            *self._prove_peer(key, vault, operator),
            "/ip4/127.0.0.1/tcp/4001",
            "",
            1,
            sender=vault,
        )

    def rotate_operator(self, node, operator: str) -> None:
        proof = self._prove_peer(node.key, node.vault, operator)
        self.coordinator.rotate_operator(node.id, operator, *proof, sender=node.vault)

    def _prove_peer(self, key: bytes, vault: str, operator: str) -> tuple[int, bytes, bytes]:
        signed = Account.unsafe_sign_hash(self.coordinator.peer_key_digest(vault, operator), key)
        return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")

    def give(self, account: str, amount: int) -> None:
        """Fund an account and let ProofOfInference pull that much."""
        self.joy.transfer(account, amount, sender=self.treasury)
        self.joy.approve(self.poi, amount, sender=account)

    # a job
    def request(self, model_id, n=3, max_fee=MAX_FEE, payload=b"\x01\x02", cid="", salt=None):
        price = self.models[model_id]
        salt = salt or keccak(b"salt" + bytes([len(self.jobs) % 256]))
        self.give(self.client, n * max_fee + price + DRAW_BOND)
        candidates = self.coordinator.candidates(
            model_id, max_fee, self.poi.bond_of(n, max_fee, price)
        )
        job_id = self.poi.request(
            model_id,
            b"" if cid else payload,
            sha256(payload).digest(),
            cid,
            n,
            max_fee,
            keccak(salt),
            sender=self.client,
        )
        return self._add(job_id, n, salt, candidates)

    def _add(self, job_id, n, salt, candidates) -> Job:
        listed = [(c.node_id, c.vault, c.operator, c.weight) for c in candidates]
        self.jobs[job_id] = Job(job_id, n, salt, listed)
        return self.jobs[job_id]

    def draw(self, job: Job) -> None:
        ready = self.job(job).request_block + 3
        self.mine(max(0, ready - boa.env.evm.patch.block_number), 3)
        self.poi.draw(job.id, job.salt, job.candidates)
        job.seats = None

    def started(self, model_id, n=3, **options) -> Job:
        job = self.request(model_id, n, **options)
        self.draw(job)
        return job

    def operator(self, job: Job, seat: int) -> str:
        return self._seats(job)[seat].operator

    def node_at(self, job: Job, seat: int) -> SimpleNamespace:
        return self.nodes[self._seats(job)[seat].node_id]

    def _seats(self, job: Job) -> Any:
        """Members as they were when first asked for: who sits where never changes after a draw."""
        if job.seats is None:
            job.seats = self.members(job)
        return job.seats

    def commitment(self, job: Job, operator: str, digest: bytes, salt: bytes) -> bytes:
        return keccak(
            encode(
                ["address", "uint256", "bytes32", "bytes32", "bytes32", "uint256", "address"],
                [
                    operator,
                    job.id,
                    self.job(job).model_id,
                    digest,
                    salt,
                    boa.env.evm.patch.chain_id,
                    self.poi.address,
                ],
            )
        )

    def commit(self, job: Job, seat: int, output: bytes | None) -> None:
        salt = keccak(b"seat" + bytes([seat]))
        operator = self.operator(job, seat)
        commitment = self.commitment(job, operator, digest_of(output), salt)
        self.poi.commit(job.id, commitment, sender=operator)
        job.work[seat] = (output, salt)

    def reveal(self, job: Job, seat: int) -> None:
        output, salt = job.work[seat]
        operator = self.operator(job, seat)
        if output is None:
            self.poi.reveal_unavailable(job.id, salt, sender=operator)
        else:
            self.poi.reveal(job.id, output, salt, sender=operator)

    def answer(self, job: Job, outputs: dict[int, bytes | None]) -> None:
        """Commit and reveal; seats that are not named stay silent."""
        for seat, output in outputs.items():
            self.commit(job, seat, output)
        if len(outputs) < job.n:
            self.mine(1, WINDOWS["commit"] + 4)
        for seat in outputs:
            self.reveal(job, seat)

    def run(self, job: Job, outputs: dict[int, bytes | None]) -> None:
        """Answer, wait for the reveals of silent members, and finalise."""
        self.answer(job, outputs)
        self.poi.finalise(job.id)

    def vote(self, model_id, *outputs: bytes | None, **options) -> Job:
        """A whole job whose seats answer `outputs`."""
        job = self.started(model_id, len(outputs), **options)
        self.run(job, dict(enumerate(outputs)))
        return job

    def outputs(self, job: Job) -> list[bytes]:
        """What `propose` takes: revealed outputs in seat order."""
        states = [m.state for m in self.members(job)]
        return [job.work[i][0] if state == REVEALED else b"" for i, state in enumerate(states)]

    # disputes
    def escalate(self, job: Job, seat: int, of: Job | None = None) -> Job | None:
        """The member on `seat` of `of` (or of `job`) asks for a fresh committee on `job`."""
        vault = self.members(of or job)[seat].vault
        self.give(vault, self.job(job).bond)
        candidates = self._fresh_candidates(job)
        escalation = self.poi.escalate(job.id, sender=vault)
        return self._add(escalation, 2 * job.n + 1, NO_SALT, candidates) if escalation else None

    def convene(self, job: Job) -> Job:
        candidates = self._fresh_candidates(job)
        return self._add(self.poi.convene(job.id), 2 * job.n + 1, NO_SALT, candidates)

    def _fresh_candidates(self, job: Job):
        record = self.job(job)
        bond = self.poi.bond_of(2 * job.n + 1, record.max_fee, 0)
        listed = self.coordinator.candidates(record.model_id, record.max_fee, bond)
        seated = {m.vault for level in self.chain(job) for m in self.poi.members(level)}
        return [c for c in listed if c.vault not in seated]

    def chain(self, job: Job) -> list[int]:
        """The job, the one that it judges, and so on."""
        levels = [job.id]
        while parent := self.poi.job(levels[-1]).parent:
            levels.append(parent)
        return levels

    def wait(self, window: str) -> None:
        self.mine(1, WINDOWS[window] + 1)

    # views
    def job(self, job: Job) -> Any:
        return self.poi.job(job.id)

    def status(self, job: Job) -> int:
        return self.job(job).status

    def members(self, job: Job) -> Any:
        return self.poi.members(job.id)

    def free(self, node) -> int:
        return self.coordinator.free_provision(node.vault)

    def check(self) -> None:
        """The money held is the money owed, and the bonds locked are the ones still at stake."""
        accounts = {self.client, self.publisher}
        locked: dict[str, int] = {}
        for node in self.nodes.values():
            accounts |= {node.vault, node.payout}
            locked[node.vault] = 0
        owed = self.poi.fees() + sum(self.poi.claimable(account) for account in accounts)
        for job_id in range(1, self.poi.job_count() + 1):
            job = self.poi.job(job_id)
            if job.status <= READY:
                owed += job.n * job.max_fee + job.price
            if job.status == REQUESTED and job.parent == 0:
                owed += DRAW_BOND
            owed += self.poi.dispute(job_id).escrow
            for member in self.poi.members(job_id):
                if is_at_stake(job, member):
                    locked[member.vault] += job.bond
        assert self.joy.balanceOf(self.poi) == owed
        for vault, amount in locked.items():
            assert self.coordinator.locked_bond(vault) == amount


def is_at_stake(job: Any, member: Any) -> bool:
    """Whether a member's bond should still be locked."""
    if job.status <= READY:
        return True
    if member.state != REVEALED:
        return False
    if job.status == DISPUTED:
        return True
    return job.status == SETTLED and job.verification == EXACT and member.digest != job.winner


@pytest.fixture
def deploy_poi(deploy, joy, owner, guardian):
    """Return a function that deploys an unlinked ProofOfInference, some arguments changed."""

    def _deploy(outflow_floor=OUTFLOW_FLOOR, **changed):
        windows = {key: changed.get(key, value) for key, value in WINDOWS.items()}
        terms = {
            "draw_bond": DRAW_BOND,
            "min_bond": MIN_BOND,
            "gas_allowance": GAS_ALLOWANCE,
            "fee_bps": FEE_BPS,
        }
        terms = {key: changed.get(key, value) for key, value in terms.items()}
        with boa.env.prank(owner):
            return deploy(
                "inference/ProofOfInference.vy",
                joy,
                tuple(windows.values()),
                tuple(terms.values()),
                LINK_DELAY,
                guardian,
                OUTFLOW_BPS,
                outflow_floor,
            )

    return _deploy


@pytest.fixture
def market(deploy, joy, owner, guardian):
    with boa.env.prank(owner):
        return deploy(
            "models/ModelMarketplace.vy", joy, LINK_DELAY, guardian, OUTFLOW_BPS, OUTFLOW_FLOOR
        )


@pytest.fixture
def coordinator(deploy, joy, market, owner, guardian):
    with boa.env.prank(owner):
        contract = deploy(
            "inference/NodeCoordinator.vy",
            joy,
            3_600,
            FEE_BPS,
            LINK_DELAY,
            guardian,
            OUTFLOW_BPS,
            OUTFLOW_FLOOR,
        )
    contract.set_link("ModelMarketplace", market, sender=owner)
    joy.admit_service(contract, True, sender=owner)
    return contract


@pytest.fixture
def poi(deploy_poi, coordinator, market, owner):
    contract = deploy_poi()
    contract.set_link("NodeCoordinator", coordinator, sender=owner)
    contract.set_link("ModelMarketplace", market, sender=owner)
    coordinator.set_link("ProofOfInference", contract, sender=owner)
    return contract


@pytest.fixture
def network(joy, market, coordinator, poi, treasury, publisher, client):
    return Network(joy, market, coordinator, poi, treasury, publisher, client)


@pytest.fixture
def exact(network):
    """An exact model and three nodes that serve it."""
    model_id = network.list_model()
    network.add_nodes(3, model_id)
    return model_id


@pytest.fixture
def court(network, exact):
    """Nodes for two escalations of a committee of three: 3 + 7 + 15."""
    network.add_nodes(22, exact)
    return exact
