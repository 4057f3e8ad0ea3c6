"""A node's prover and a client's flow against the real contracts: no step of them is simulated."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from hashlib import sha256

import boa
import pytest

from joynet_sdk.chain.accounts import Account
from joynet_sdk.errors import InvalidInputError, NotFoundError, UnavailableError, VerificationError
from joynet_sdk.formats import Engine, InputSpec, Manifest, ManifestFile, OutputSpec
from joynet_sdk.inference import proven as jobs
from joynet_sdk.inference.routing import rank, routes
from joynet_sdk.node import proving
from joynet_sdk.node.circuits import Circuits, ProofOffers, ProvingTerms, withdraw_terms
from joynet_sdk.node.disputes import DisputeProofs
from joynet_sdk.node.ledger import Ledger
from joynet_sdk.node.proving import ProofMaker
from joynet_sdk.node.serving import Identity, InferenceServer, Served
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.translate import core_receipt
from joynet_sdk.receipts import Domain, recover, salted_digest
from joynet_sdk.types import CircuitInfo, ProofAnswer

from .chain import Chain, Contract, Flow, World

WAIT_S = 20.0
OPERATOR = Account.from_key(bytes.fromhex("31" * 32))
_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
SMALL = Manifest(
    title="ten scores",
    architecture="qmodel/2",
    engine=Engine(name="qmodel", profile="qmodel/2"),
    verification="exact",
    root=_CID,
    files=[ManifestFile(path="model.safetensors", size=1, sha256="0x" + "00" * 32, cid=_CID)],
    input=InputSpec(kind="tensor", dtype="int8", shape=[64]),
    output=OutputSpec(kind="logits", dtype="int8", shape=[10], scale="0.5"),
    license="Apache-2.0",
)


def point_of(data):
    """Stands for a commitment: what depends on every byte."""
    return int.from_bytes(sha256(data).digest()), len(data)


class EchoProver:
    """Answers with the first bytes of the input, proves what the test's verifier takes."""

    def __init__(self, verifier, circuit, lock):
        self.verifier, self.info, self._lock = verifier, circuit, lock
        self.proofs, self.problem, self.gate = [], None, None

    def circuit(self, model):
        return self.info

    def commit(self, shape, data):
        return point_of(data)

    def prove(self, model, request):
        self.proofs.append(request.job_id)
        if self.gate is not None:
            self.gate.wait(WAIT_S)
        if self.problem is not None:
            raise self.problem
        output = request.input[: self.info.output_size]
        is_committed = self.info.input_kind == jobs.COMMITTED
        is_long = len(output) > jobs.MAX_PACKED_BYTES
        statement = (
            request.model_id,
            request.circuit_id,
            request.job_id,
            request.payee,
            request.salt,
            b"" if is_committed else request.input,
            b"" if is_long else output,
            point_of(request.input) if is_committed else (0, 0),
            point_of(output) if is_long else (0, 0),
        )
        commitment = point_of(output) if is_long else (0, 0)
        with self._lock:
            return ProofAnswer(output, commitment, self.verifier.proof_of(statement))


class Shelf:
    """One model, ready."""

    def __init__(self, model_id, manifest, folder):
        self.model_id, self.manifest, self.folder = model_id, manifest, folder

    def folders(self):
        return {self.model_id: self.folder}

    async def served(self, model_id):
        return Served(self.manifest, 1) if model_id == self.model_id else None


class Setting:
    """A node that proves one model, a client, and what is between them."""

    def __init__(self, prover, model, tmp_path, *, input_size=64, output_size=10, kind=0):
        self.prover, self.model, network = prover, model, prover.network
        self.world = World(
            {
                "JoyToken": prover.joy,
                "ModelMarketplace": network.market,
                "ModelLicenses": prover.licenses,
                "NodeCoordinator": network.coordinator,
                "InferenceVerifier": prover.verifier,
                "ProvenInference": prover.proven,
            },
            prover.mine,
        )
        self.node = network.add_node(model)
        network.rotate_operator(self.node, OPERATOR.address)
        self.node.operator = OPERATOR.address
        circuit_id = prover.verifier.circuit_of(model).circuit_id
        self.circuit = CircuitInfo(circuit_id, kind, input_size, output_size)
        self.echo = EchoProver(prover.verifier, self.circuit, self.world.lock)
        self.manifest = Manifest(
            **{
                name: getattr(SMALL, name)
                for name in ("title", "architecture", "engine", "verification", "root", "files")
            },
            input=InputSpec(kind="tensor", dtype="int8", shape=[input_size]),
            output=OutputSpec(kind="logits", dtype="int8", shape=[output_size], scale="0.5"),
            license="Apache-2.0",
        )
        self.shelf = Shelf(model, self.manifest, tmp_path)
        self.path = tmp_path / "ledger.db"
        self.fetched = {}
        self.client = Chain(self.world, prover.client)
        self.chain = Chain(self.world, OPERATOR.address)
        self.domain = Domain(self.chain.chain_id, str(network.coordinator.address))

    def maker(self, ledger, fault=None):
        identity = Identity(self.domain, OPERATOR.address, "16Uiu2HAm", OPERATOR)
        self.circuits = Circuits(self.chain, self.echo)
        return ProofMaker(
            identity,
            self.node.id,
            self.chain,
            ledger,
            self.shelf,
            self.circuits,
            self._fetch,
            fault,
        )

    async def _fetch(self, cid):
        if cid not in self.fetched:
            raise UnavailableError(f"nobody has {cid}")
        return self.fetched[cid]

    async def offer(self):
        offers = ProofOffers(self.chain, self.node.id, self.shelf, Circuits(self.chain, self.echo))
        await offers.offer(ProvingTerms(fee=self.prover.FEE, seconds=self.prover.SECONDS))
        return offers

    def args(self, data):
        price = self.client.contract("ModelMarketplace").call("price_of", self.model)
        found = routes(self.client, self.model, price)
        route = rank(jobs.proof_routes(self.client, self.model, price, found))[0]
        assert route.is_eligible, route.reason
        amount = route.price
        self.prover.joy.transfer(self.prover.client, amount, sender=self.prover.network.treasury)
        shape = self.manifest.input.shape
        return jobs.job_args(self.client, self.model, route, shape, data, self.echo)

    @asynccontextmanager
    async def running(self, fault=None):
        """The node at work, polled until the block ends."""
        ledger = Ledger(self.path)
        maker = self.maker(ledger, fault)
        task = asyncio.create_task(self._poll(maker))
        try:
            yield ledger
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await maker.close()
            self.circuits.close()
            ledger.close()

    async def _poll(self, maker):
        while True:
            await maker.poll()
            await asyncio.sleep(0.005)

    def read(self, function, *args):
        """A view of ProvenInference, also while the node is at work."""
        return self.client.contract("ProvenInference").call(function, *args)

    async def flow(self, args, done=None):
        flow = Flow(self.client, args, {} if done is None else done)
        return await asyncio.to_thread(jobs.proven_flow, flow)


@pytest.fixture
def setting(prover, model, tmp_path):
    return Setting(prover, model, tmp_path)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(proving, "RETRY_S", 0.01)


async def until(is_true):
    deadline = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def test_client_gets_a_proven_answer_and_its_receipt(setting, prover):
    async def run():
        await setting.offer()
        async with setting.running() as ledger:
            answer = await setting.flow(setting.args(prover.INPUT))
            server = InferenceServer(None, ledger, None, None)
            frame = await server.handle(
                wire.encode(wire.JobRequest(job_id=answer.job_id, proven=True)), "peer"
            )
            await until(lambda: not ledger.open_proof_tasks())
        return answer, wire.decode_answer(frame, wire.InferAnswer)

    answer, signed = asyncio.run(run())
    assert answer.output == prover.INPUT[:10] == signed.output
    assert (answer.node_id, answer.paid) == (setting.node.id, prover.FEE + prover.PRICE)
    assert answer.circuit_id == setting.circuit.circuit_id
    receipt = core_receipt(signed.receipt)
    assert (receipt.job_id, receipt.verification_class) == (answer.job_id, "zk")
    salt = answer.job_id.to_bytes(32, "big")
    assert receipt.request_digest == salted_digest(salt, prover.INPUT)
    assert receipt.response_digest == salted_digest(salt, answer.output)
    assert recover(setting.domain, receipt, signed.signature) == OPERATOR.address
    assert setting.echo.proofs == [answer.job_id]  # made once


def test_long_input_and_output_go_by_commitment(prover, model, tmp_path):
    setting = Setting(prover, model, tmp_path, input_size=1_024, output_size=512, kind=1)

    async def run():
        await setting.offer()
        async with setting.running():
            return await setting.flow(setting.args(prover.LONG_INPUT))

    answer = asyncio.run(run())
    assert answer.output == prover.LONG_INPUT[:512]
    jobs.check_output(answer, [512], setting.echo)
    with pytest.raises(VerificationError, match="proved another output than it published"):
        jobs.check_output(replace(answer, output=bytes(512)), [512], setting.echo)


def test_lying_node_loses_its_bond_and_the_client_nothing(setting, prover):
    async def run():
        await setting.offer()
        async with setting.running(fault=lambda output: bytes(len(output))):
            return await setting.flow(setting.args(prover.INPUT))

    outcome = asyncio.run(run())
    assert isinstance(outcome, jobs.UnprovenError)
    assert outcome.status == jobs.FAILED
    assert "its proof was false" in str(outcome)
    assert prover.joy.balanceOf(prover.client) == outcome.refund == prover.FEE + prover.PRICE
    assert prover.proven.record_of(setting.node.id).failed == 1


def test_node_that_is_away_is_expired_by_the_client(setting, prover):
    async def run():
        await setting.offer()
        args, done = setting.args(prover.INPUT), {}
        work = asyncio.create_task(setting.flow(args, done))
        await until(lambda: "request" in done)
        with setting.world.lock:
            prover.mine(1, prover.SECONDS + 10)
        return await work

    outcome = asyncio.run(run())
    assert isinstance(outcome, jobs.UnprovenError)
    assert outcome.status == jobs.EXPIRED
    assert prover.joy.balanceOf(prover.client) == prover.FEE + prover.PRICE


def test_node_goes_on_where_it_was_killed(setting, prover):
    """Killed while it proves, and again between the proof and its transaction."""

    async def killed_while_proving(done):
        import threading

        setting.echo.gate = threading.Event()
        async with setting.running() as ledger:
            await until(lambda: setting.echo.proofs)
            assert [task.stage for task in ledger.open_proof_tasks()] == ["open"]
        setting.echo.gate.set()
        setting.echo.gate = None

    async def killed_before_sending():
        ledger = Ledger(setting.path)
        maker = setting.maker(ledger)
        maker._send = _never
        await maker.poll()
        await until(lambda: any(t.stage == "sent" for t in ledger.open_proof_tasks()))
        await maker.close()
        ledger.close()

    async def _never(*_):
        await asyncio.Event().wait()

    async def run():
        await setting.offer()
        done = {}
        work = asyncio.create_task(setting.flow(setting.args(prover.INPUT), done))
        await until(lambda: "request" in done)
        await killed_while_proving(done)
        await killed_before_sending()
        made = len(setting.echo.proofs)
        async with setting.running():
            answer = await work
        assert len(setting.echo.proofs) == made  # the stored proof was good
        return answer

    assert isinstance(asyncio.run(run()), jobs.Proven)


def test_salt_that_changes_is_proved_anew(setting, prover):
    """After 256 blocks the node fixes another salt and makes another proof."""

    async def run():
        await setting.offer()
        done = {}
        work = asyncio.create_task(setting.flow(setting.args(prover.INPUT), done))
        await until(lambda: "request" in done)
        with setting.world.lock:
            prover.mine(300, 30)
        async with setting.running():
            return await work

    assert isinstance(asyncio.run(run()), jobs.Proven)
    assert [e.name for e in setting.world.events].count("SaltFixed") == 1


def test_node_refuses_what_is_not_what_it_says(prover, model, tmp_path):
    setting = Setting(prover, model, tmp_path, input_size=1_024, output_size=10, kind=1)

    async def run():
        await setting.offer()
        async with setting.running():
            args = setting.args(prover.LONG_INPUT) | {"commitment_x": "5"}
            return await setting.flow(args)

    outcome = asyncio.run(run())
    assert isinstance(outcome, jobs.UnprovenError)
    assert outcome.status == jobs.REFUSED
    assert setting.echo.proofs == []
    assert prover.locked(setting.node) == 0


def test_node_refuses_an_input_that_nobody_has(prover, model, tmp_path):
    setting = Setting(prover, model, tmp_path, input_size=1_024, output_size=10, kind=1)

    async def run(cid, fetched):
        setting.fetched = fetched
        order = prover.request(
            model,
            setting.node,
            prover.LONG_INPUT,
            input=b"",
            cid=cid,
            commitment=point_of(prover.LONG_INPUT),
            client=boa.env.generate_address(),
        )
        setting.world.note(prover.proven)
        prover.mine(1, 1)
        async with setting.running() as ledger:
            await until(lambda: setting.read("job", order.id)["status"] != prover.OPEN)
            await until(lambda: not ledger.open_proof_tasks())
        return prover.status(order)

    asyncio.run(setting.offer())
    assert asyncio.run(run("bafyabsent", {})) == prover.REFUSED
    assert asyncio.run(run("bafyother", {"bafyother": bytes(1_024)})) == prover.REFUSED
    assert asyncio.run(run("bafygood", {"bafygood": prover.LONG_INPUT})) == prover.PROVEN


def test_node_does_not_send_a_proof_that_does_not_hold(setting, prover):
    """Its own machinery is broken: that costs the job, never a false proof."""
    good = setting.echo.prove

    def broken(model, request):
        return replace(good(model, request), proof=b"broken")

    async def run():
        await setting.offer()
        setting.echo.prove = broken
        done = {}
        work = asyncio.create_task(setting.flow(setting.args(prover.INPUT), done))
        async with setting.running():
            await until(lambda: len(setting.echo.proofs) >= 2)
            assert setting.read("record_of", setting.node.id)["failed"] == 0
            setting.echo.prove = good
            return await work

    assert isinstance(asyncio.run(run()), jobs.Proven)


def test_packed_input_that_fails_here_is_tried_again(setting, prover):
    async def run():
        await setting.offer()
        setting.echo.problem = InvalidInputError("no such thing")
        work = asyncio.create_task(setting.flow(setting.args(prover.INPUT)))
        async with setting.running():
            await until(lambda: len(setting.echo.proofs) >= 2)
            setting.echo.problem = None
            return await work

    assert isinstance(asyncio.run(run()), jobs.Proven)


def test_node_offers_only_circuits_that_are_the_models(setting, prover):
    setting.echo.info = replace(setting.circuit, circuit_id=b"\x07" * 32)
    offers = asyncio.run(setting.offer())
    assert offers.proved() == frozenset()
    assert "its files give 0x0707" in offers.problems()[setting.model]
    assert prover.proven.terms(setting.node.id, setting.model).circuit_id == bytes(32)


def test_terms_are_set_once_and_taken_back(setting, prover):
    first = asyncio.run(setting.offer())
    assert first.proved() == {setting.model}
    sent = len(setting.world.events)
    asyncio.run(setting.offer())
    assert len(setting.world.events) == sent  # they were right already
    asyncio.run(withdraw_terms(setting.chain, setting.node.id))
    assert prover.proven.terms(setting.node.id, setting.model).circuit_id == bytes(32)


def test_routes_say_why_a_node_gives_no_proof(setting, prover, model):
    network = prover.network
    asyncio.run(setting.offer())
    silent = network.add_node(model)
    poor = network.add_node(model, provision=prover.MIN_BOND)
    prover.offer(poor, model)
    busy = network.add_node(model)
    prover.offer(busy, model, max_open=1)
    prover.request(model, busy)
    found = jobs.proof_routes(
        setting.client, model, prover.PRICE, routes(setting.client, model, prover.PRICE)
    )
    reasons = {route.node_id: route.reason for route in found}
    assert reasons[silent.id] == "it does not prove this model"
    assert "cannot put up the bond" in reasons[poor.id]
    assert reasons[busy.id] == "its queue of proofs is full"
    [good] = [route for route in found if route.is_eligible]
    assert (good.node_id, good.price) == (setting.node.id, prover.FEE + prover.PRICE)


def test_errors_before_anything_is_paid(setting, prover):
    asyncio.run(setting.offer())
    with pytest.raises(InvalidInputError, match="input has 63 bytes, node .* proves 64"):
        setting.args(bytes(63))
    with pytest.raises(NotFoundError, match="no such circuit of model"):
        jobs.circuit_of(setting.client, bytes(32))
    del setting.world.contracts["InferenceVerifier"]
    with pytest.raises(NotFoundError, match="InferenceVerifier"):
        jobs.circuit_of(setting.client, setting.model)
    with pytest.raises(NotFoundError, match="proven job"):
        jobs.read_outcome(setting.client, 77)


def test_member_that_lost_proves_that_it_was_right(setting, prover, model):
    """Against a majority, and only once the circuit is old enough to decide anything."""
    network, payload = prover.network, bytes(range(64))
    truth, lie = payload[:10], b"\x63" * 10
    network.add_nodes(3, model)
    setting.world.contracts["ProofOfInference"] = network.poi
    circuits = Circuits(setting.chain, setting.echo)
    disputes = DisputeProofs(setting.chain, setting.shelf, circuits)
    job = network.vote(model, truth, lie, lie, payload=payload)

    def settle(output):
        record = Contract(setting.world, "ProofOfInference", OPERATOR.address).call("job", job.id)
        return asyncio.run(disputes.settle(job.id, record, payload, output))

    assert settle(truth) is False  # the circuit is too new: escalate
    prover.mine(1, prover.CIRCUIT_AGE)
    assert settle(lie) is False
    assert network.status(job) == network.DISPUTED
    assert settle(truth) is True
    assert network.status(job) == network.SETTLED
    assert network.job(job).winner == sha256(truth).digest()
    network.poi.execute_slash(job.id, 1)
    circuits.close()


def test_dispute_over_a_committed_input_has_no_proof(prover, model, tmp_path):
    setting = Setting(prover, model, tmp_path, input_size=1_024, output_size=10, kind=1)
    disputes = DisputeProofs(setting.chain, setting.shelf, Circuits(setting.chain, setting.echo))
    job = {"model_id": model}
    assert asyncio.run(disputes.settle(1, job, prover.LONG_INPUT, prover.OUTPUT)) is False
    assert asyncio.run(disputes.settle(1, {"model_id": bytes(32)}, b"", b"")) is False
    assert setting.echo.proofs == []
