"""Put JoyNet's contracts on a chain, wire them up, and write down where they are.

One table says what is deployed and with which arguments, one which contracts point to which. It is
a flow: interrupted anywhere, `joynet tx resume` finishes it with the same addresses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from joynet_sdk.chain import artifacts, flows
from joynet_sdk.chain.deployments import (
    Deployed,
    Deployment,
    changed,
    read_deployment,
    write_deployment,
)
from joynet_sdk.chain.development_srs import TAU_POWERS
from joynet_sdk.errors import ConfigError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from joynet_sdk.chain.session import ChainSession

DAY = 86_400
JOY = 10**18
DEPLOY = "contracts.deploy"
ZERO_ADDRESS = "0x" + "00" * 20


@dataclass(frozen=True)
class Params:
    """Constructor arguments that are a matter of policy. Times in seconds, amounts in wei of JOY.

    Attributes:
        treasury: Receives the whole supply and the treasury's part of rent; "" for the deployer.
        guardian: May pause besides the owner; "" for the deployer.
        unbonding_delay: Stake, from request to withdrawal.
        link_delay: Before a link in use changes.
        thaw_period: Escrow, from request to release.
        fee_bps: Platform fee of NodeCoordinator, ProofOfInference, ProvenInference and
            ModelLicenses, basis points.
        outflow_bps, outflow_floor: Part, and least amount, that may leave a contract per epoch.
        min_commit_age, min_commit_blocks: Names, from commit to reveal, in seconds and in blocks.
        rate_capacity, rate_window: Registrations of one account in a burst, and its refill time.
        commit_window, reveal_window, propose_window, challenge_window, escalation_window: Of a
            committee job (docs/spec/committee.md).
        draw_bond, min_bond, gas_allowance: Of a committee job; min_bond also of a proven one.
        verify_gas: What a proof's verification is given.
        tau_powers: [tau^(2^j)]_2 for j = 0 .. 12 of the SRS that proofs are made with, 128 bytes
            each in hex (EIP-197).
        circuit_age: How long a circuit must be registered before it may decide a dispute.
        release_window, dispute_window: Of a sealed model's sale: until its key must be posted,
            and in which the buyer can prove it wrong.
        claim_bond: Of a left-out parent's claim and of its defence each.
        defence_window, decision_window: In which such a claim can be denied, and then decided.
        tld_prices: Wei per second of a name under .joy, of 1, 2, 3, 4 and 5 or more characters.
        tld_owner_bps, tld_burn_bps: Split of .joy's rent; the rest is the treasury's.
        tld_permanent_term: Seconds of rent that buy a name under .joy for ever.
        tld_premium: What a lapsed name costs on top as it becomes free; halves every day.
    """

    treasury: str = ""
    guardian: str = ""
    unbonding_delay: int = 14 * DAY
    link_delay: int = 2 * DAY
    thaw_period: int = DAY
    fee_bps: int = 250
    outflow_bps: int = 2_500
    outflow_floor: int = 100_000 * JOY
    min_commit_age: int = 60
    min_commit_blocks: int = 5
    rate_capacity: int = 10
    rate_window: int = 3_600
    commit_window: int = 120
    reveal_window: int = 120
    propose_window: int = 60
    challenge_window: int = DAY // 4  # the longest chain of disputes ends well before stake is free
    escalation_window: int = DAY // 2
    draw_bond: int = JOY
    min_bond: int = 100 * JOY
    gas_allowance: int = JOY // 10
    verify_gas: int = 3_000_000
    circuit_age: int = 7 * DAY  # longer than from a committee's request to the end of its dispute
    tau_powers: tuple[str, ...] = ()
    release_window: int = 3 * DAY
    dispute_window: int = DAY
    claim_bond: int = 100 * JOY
    defence_window: int = 7 * DAY
    decision_window: int = 30 * DAY  # a DAO votes and sits out its timelock in it
    tld_prices: tuple[int, ...] = tuple(
        per_year * JOY // (365 * DAY) for per_year in (640, 320, 160, 40, 5)
    )
    tld_owner_bps: int = 5_000
    tld_burn_bps: int = 2_500
    tld_permanent_term: int = 25 * 365 * DAY
    tld_premium: int = 1_000 * JOY


PUBLIC = Params()
DEVNET = Params(
    unbonding_delay=7 * DAY,
    link_delay=3_600,
    thaw_period=3_600,
    outflow_bps=10_000,
    outflow_floor=10_000_000 * JOY,
    min_commit_age=2,
    min_commit_blocks=2,
    rate_capacity=1_000,
    commit_window=30,
    reveal_window=30,
    propose_window=20,
    challenge_window=3_600,
    escalation_window=7_200,
    circuit_age=600,
    release_window=600,
    dispute_window=60,
    defence_window=600,
    decision_window=7 * DAY,
    tau_powers=TAU_POWERS,
)

Addresses = Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """One contract to deploy.

    Attributes:
        name: Contract name.
        needs: Contracts whose addresses are fixed in it for ever.
        args: Its constructor arguments, from the parameters and the addresses so far.
    """

    name: str
    needs: tuple[str, ...]
    args: Callable[[Params, Addresses], Sequence[Any]]


def _guards(p: Params) -> list[Any]:
    return [p.link_delay, p.guardian, p.outflow_bps, p.outflow_floor]


def _committee(p: Params) -> list[Any]:
    windows = {
        "commit": p.commit_window,
        "reveal": p.reveal_window,
        "propose": p.propose_window,
        "challenge": p.challenge_window,
        "escalation": p.escalation_window,
    }
    terms = {
        "draw_bond": p.draw_bond,
        "min_bond": p.min_bond,
        "gas_allowance": p.gas_allowance,
        "fee_bps": p.fee_bps,
    }
    return [windows, terms]


def _proofs(p: Params) -> dict[str, int]:
    return {
        "min_bond": p.min_bond,
        "verify_gas": p.verify_gas,
        "circuit_age": p.circuit_age,
        "fee_bps": p.fee_bps,
    }


def _tld_node() -> bytes:
    """Node of the TLD that this deployment creates (EIP-137)."""
    from eth_utils.crypto import keccak

    return keccak(bytes(32) + keccak(text=TLD))


def _tau_powers(p: Params) -> list[list[int]]:
    if not p.tau_powers:
        raise ConfigError(
            "InferenceVerifier needs a ceremony's SRS",
            hint="joynet proof srs import FILE.ptau; joynet contracts deploy --srs DIGEST",
        )
    raw = [bytes.fromhex(power) for power in p.tau_powers]
    return [[int.from_bytes(power[i : i + 32]) for i in range(0, 128, 32)] for power in raw]


TABLE = (
    Entry("JoyToken", (), lambda p, a: [p.treasury, p.unbonding_delay]),
    Entry("TldRegistry", (), lambda p, a: [p.treasury]),
    Entry(
        "PermaNetDomainRegistry",
        ("JoyToken",),
        lambda p, a: [
            *(a["JoyToken"], p.min_commit_age, p.min_commit_blocks),
            *(*_guards(p), p.rate_capacity, p.rate_window),
        ],
    ),
    Entry(
        "PermaNetSubnames",
        ("PermaNetDomainRegistry", "TldRegistry"),
        lambda p, a: [a["PermaNetDomainRegistry"], a["TldRegistry"]],
    ),
    Entry(
        "PermaNetResolver",
        ("PermaNetDomainRegistry", "PermaNetSubnames"),
        lambda p, a: [a["PermaNetDomainRegistry"], a["PermaNetSubnames"]],
    ),
    Entry("DaoExecutor", (), lambda p, a: []),
    Entry(
        "PermaNetDAORegistry",
        ("JoyToken", "TldRegistry", "DaoExecutor"),
        lambda p, a: [a["JoyToken"], a["TldRegistry"], a["DaoExecutor"]],
    ),
    Entry("ModelMarketplace", ("JoyToken",), lambda p, a: [a["JoyToken"], *_guards(p)]),
    Entry(
        "ModelFusionContract",
        ("JoyToken", "ModelMarketplace"),
        lambda p, a: [
            *(a["JoyToken"], a["ModelMarketplace"], _tld_node()),
            *(p.claim_bond, p.defence_window, p.decision_window, *_guards(p)),
        ],
    ),
    Entry(
        "ModelLicenses",
        ("JoyToken",),
        lambda p, a: [
            *(a["JoyToken"], p.release_window, p.dispute_window, p.fee_bps, *_guards(p)),
        ],
    ),
    Entry(
        "NodeCoordinator",
        ("JoyToken",),
        lambda p, a: [a["JoyToken"], p.thaw_period, p.fee_bps, *_guards(p)],
    ),
    Entry(
        "ProofOfInference",
        ("JoyToken",),
        lambda p, a: [a["JoyToken"], *_committee(p), *_guards(p)],
    ),
    Entry("CircuitLibrary", (), lambda p, a: []),
    Entry(
        "InferenceVerifier",
        ("CircuitLibrary", "ModelMarketplace"),
        lambda p, a: [a["CircuitLibrary"], a["ModelMarketplace"], _tau_powers(p)],
    ),
    Entry(
        "ProvenInference",
        ("JoyToken",),
        lambda p, a: [a["JoyToken"], _proofs(p), *_guards(p)],
    ),
)
LINKS = (
    ("PermaNetDomainRegistry", "TldRegistry"),
    ("PermaNetDomainRegistry", "PermaNetSubnames"),
    ("NodeCoordinator", "ModelMarketplace"),
    ("NodeCoordinator", "ProofOfInference"),
    ("ProofOfInference", "NodeCoordinator"),
    ("ProofOfInference", "ModelMarketplace"),
    ("NodeCoordinator", "ProvenInference"),
    ("ProofOfInference", "ProvenInference"),
    ("ProvenInference", "NodeCoordinator"),
    ("ProvenInference", "ModelMarketplace"),
    ("ProvenInference", "ProofOfInference"),
    ("ProvenInference", "InferenceVerifier"),
    ("ModelMarketplace", "ModelFusionContract"),
    ("ModelMarketplace", "NodeCoordinator"),
    ("ModelMarketplace", "ProofOfInference"),
    ("ModelMarketplace", "ProvenInference"),
    ("ModelFusionContract", "TldRegistry"),
    ("ModelFusionContract", "PermaNetDAORegistry"),
    ("ModelLicenses", "ModelMarketplace"),
    ("NodeCoordinator", "ModelLicenses"),
)
SERVICES = ("NodeCoordinator",)  # admitted to receive and slash provisions of JOY
TLD = "joy"


def deploy_all(
    session: "ChainSession",
    params: Params = PUBLIC,
    *,
    names: Sequence[str] | None = None,
    is_fresh: bool = False,
) -> Deployment:
    """Deploy what is missing, link it, admit services, create `.joy`, write the deployment file.

    Args:
        session: The chain, with the account that deploys and owns.
        params: Policy values.
        names: Only these; by default every contract of the table.
        is_fresh: Deploy them all again, also where they exist (a new version of the file).

    Returns:
        The deployment, also when there was nothing to do.

    Raises:
        RevertedError, PendingError, InsufficientFundsError: As transactions do; resumable.
        NotFoundError: A name that is not in the table.
    """
    known = [entry.name for entry in TABLE]
    for name in names or ():
        if name not in known:
            raise NotFoundError("contract to deploy", name, hint=f"one of {', '.join(known)}")
    existing = {} if is_fresh else dict(_existing(session))
    todo = _todo(names or known, existing)
    if not todo:
        return session.deployment
    args = {
        "names": todo,
        "existing": {n: c.address for n, c in existing.items() if n not in todo},
        "params": {key: _text(value) for key, value in asdict(params).items()},
    }
    title = f"deploy {', '.join(todo)}"
    return flows.start(session, DEPLOY, title, args)  # type: ignore[no-any-return]


def _todo(names: Sequence[str], existing: Mapping[str, Deployed]) -> list[str]:
    """What to deploy, in order: what is missing, and what is built on something that is."""
    todo: list[str] = []
    for entry in TABLE:
        is_moved = any(need in todo for need in entry.needs)
        if entry.name in names and (entry.name not in existing or is_moved):
            missing = [n for n in entry.needs if n not in existing and n not in todo]
            if missing:
                raise InvalidInputError(f"{entry.name} needs {', '.join(missing)} deployed first")
            todo.append(entry.name)
    return todo


def _existing(session: "ChainSession") -> Mapping[str, Deployed]:
    try:
        return read_deployment(session.home, session.chain_id, session.genesis).contracts
    except ConfigError:  # none on this chain yet, or a file from before a reset
        return {}


def deploy_flow(run: flows.Run) -> Deployment:
    """Deploy, link, admit, create `.joy`, and write the deployment file."""
    params = _params(run.args["params"], run.job.account)
    addresses: dict[str, str] = dict(run.args["existing"])
    for entry in TABLE:
        if entry.name in run.args["names"]:
            args = entry.args(params, addresses)
            addresses[entry.name] = run.deploy(f"deploy {entry.name}", entry.name, *args).address
    _link(run, addresses)
    _admit(run, addresses)
    _create_tld(run, params, addresses)
    return _write(run, addresses)


def _link(run: flows.Run, addresses: Addresses) -> None:
    new = run.args["names"]
    for holder, target in LINKS:
        if holder in addresses and target in addresses and (holder in new or target in new):
            contract = run.session.contract(holder, addresses[holder])
            is_first = holder in new or contract.call("link", target) == ZERO_ADDRESS
            function = "set_link" if is_first else "propose_link"
            step = f"link {holder} to {target}"
            run.transact(step, contract, function, target, addresses[target])


def _admit(run: flows.Run, addresses: Addresses) -> None:
    for service in SERVICES:
        if service in addresses and {service, "JoyToken"} & set(run.args["names"]):
            token = run.session.contract("JoyToken", addresses["JoyToken"])
            run.transact(f"admit {service}", token, "admit_service", addresses[service], True)


def _create_tld(run: flows.Run, params: Params, addresses: Addresses) -> None:
    if "TldRegistry" in run.args["names"]:
        registry = run.session.contract("TldRegistry", addresses["TldRegistry"])
        charter = {
            "prices": list(params.tld_prices),
            "min_length": 1,
            "max_length": 63,
            "owner_bps": params.tld_owner_bps,
            "burn_bps": params.tld_burn_bps,
            "permanent_term": params.tld_permanent_term,
            "premium_start": params.tld_premium,
            "keeps_price": True,
        }
        run.transact(f"create .{TLD}", registry, "create", TLD, run.job.account, charter)


def _write(run: flows.Run, addresses: Addresses) -> Deployment:
    session = run.session
    existing = _existing(session)
    contracts = {name: existing[name] for name in run.args["existing"] if name in existing}
    for name in run.args["names"]:
        step = session.journal.step(run.job.id, f"deploy {name}")
        assert step is not None, "the flow deployed it above"
        assert step.receipt is not None, "a deployed step is mined"
        block = int(step.receipt["blockNumber"], 16)
        contracts[name] = Deployed(addresses[name], artifacts.load(name).digest, block)
    try:
        old: Deployment | None = read_deployment(session.home, session.chain_id, session.genesis)
    except ConfigError:
        old = None
    deployment = changed(old, session.chain_id, session.genesis, contracts)
    write_deployment(session.home, deployment)
    session.forget_deployment()
    return deployment


def _text(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value)


def _params(stored: Mapping[str, Any], deployer: str) -> Params:
    values: dict[str, Any] = {}
    for key, value in stored.items():
        if key in ("treasury", "guardian"):
            values[key] = value or deployer
        elif key == "tau_powers":
            values[key] = tuple(value)
        else:
            values[key] = tuple(map(int, value)) if isinstance(value, list) else int(value)
    return Params(**values)
