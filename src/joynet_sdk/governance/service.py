"""`JoyNet().governance`: a TLD's DAO, its proposals and votes."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from joynet_sdk.domains.names import namehash
from joynet_sdk.errors import (
    AuthError,
    InsufficientFundsError,
    InvalidInputError,
    PendingError,
)
from joynet_sdk.formats import canonical_json, model_cid
from joynet_sdk.governance.describe import Describer
from joynet_sdk.governance.model import REGISTRY, Call, Dao, Proposal, Rules
from joynet_sdk.governance.plan import Builder, Plan
from joynet_sdk.governance.simulation import Simulate, Simulation, Simulator
from joynet_sdk.governance.views import ZERO, Views
from joynet_sdk.governance.voting import Votes
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import Address
from joynet_sdk.units import format_joy

CREATE_FLOW = "dao.create"
DOCUMENT_FORMAT = "joynet-proposal/1"


class Texts(Protocol):
    """Where proposals' documents are kept: raw blocks by SHA-256."""

    def put(self, data: bytes) -> None:
        """Store a document."""

    def get(self, digest: bytes) -> bytes | None:
        """A stored document, verified; None when it is not here."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposal before it is made.

    Attributes:
        document: Canonical JSON: title, text, calls in words, and what they would change.
        simulation: None when it was not asked for.
    """

    dao: Dao
    plan: Plan
    calls: tuple[Call, ...]
    document: bytes
    simulation: Simulation | None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the document, 32 bytes."""
        return hashlib.sha256(self.document).digest()


@dataclass(frozen=True, slots=True)
class Treasury:
    """What a DAO's executor holds.

    Attributes:
        claimable: Wei of rent credited to it.
        unsettled: Wei of rent of its TLD that waits to be split.
    """

    executor: Address
    joy: int
    eth: int
    claimable: int
    unsettled: int


class Governance:
    """Reached as `JoyNet().governance`.

    Attributes:
        votes: Votes and delegations.
    """

    def __init__(
        self,
        chain: Chain,
        flows: Flows,
        texts: Texts,
        simulate: Simulate,
        normalise: Callable[[str], str],
    ) -> None:
        self._chain, self._flows, self._texts = chain, flows, texts
        self._simulate, self._normalise = simulate, normalise
        self._views = Views(chain)
        self.votes = Votes(chain, self._views)

    # --- DAOs

    def daos(self) -> list[Dao]:
        """Every DAO, in order of creation."""
        return self._views.daos()

    def dao(self, tld: str) -> Dao:
        """The DAO of a TLD.

        Raises:
            NotFoundError: It has none.
        """
        return self._views.dao(tld)

    def create(self, tld: str, rules: Rules, *, guardian: Address | None, days: int) -> Dao:
        """Give a TLD of this account a DAO, and the TLD to its executor.

        Args:
            guardian: May cancel proposals for a while.
            days: How long.

        Raises:
            AuthError: Somebody else owns the TLD.
        """
        tld = tld.strip().lower().removeprefix(".")
        owner, me = self._views.owner_of(tld), self._chain.account.address
        if owner != me:
            raise AuthError(
                f".{tld} belongs to {owner}, this account is {me}",
                hint="--account NAME of its owner",
            )
        until = self._chain.now() + days * 86_400 if guardian else 0
        args = {
            "tld": tld,
            "rules": {key: str(value) for key, value in rules.struct.items()},
            "guardian": guardian or ZERO,
            "guardian_until": str(until),
        }
        self._flows(CREATE_FLOW, f"create the DAO of .{tld}", args)
        return self.dao(tld)

    def treasury(self, dao: Dao) -> Treasury:
        """What a DAO holds and is owed."""
        names, split = self._chain.contract("PermaNetDomainRegistry"), self._split(dao)
        return Treasury(
            dao.executor,
            self._chain.contract("JoyToken").call("balanceOf", dao.executor),
            self._chain.balance(dao.executor),
            names.call("claimable", dao.executor),
            names.call("unsettled", namehash(dao.tld), *split),
        )

    def claim(self, dao: Dao) -> Treasury:
        """Have the rent of the TLD split, and paid to the treasury. Anybody may."""
        names, split = self._chain.contract("PermaNetDomainRegistry"), self._split(dao)
        if names.call("unsettled", namehash(dao.tld), *split):
            names.transact("settle", namehash(dao.tld), *split)
        if names.call("claimable", dao.executor):
            names.transact("claim", dao.executor)
        return self.treasury(dao)

    def _split(self, dao: Dao) -> tuple[int, int]:
        stored = self._chain.contract("TldRegistry").call("tld_of", namehash(dao.tld))
        return stored["owner_bps"], stored["burn_bps"]

    # --- proposals

    def draft(self, tld: str, plan: Plan, *, is_simulated: bool = True) -> Draft:
        """Turn a plan into calls, try them on a copy of the chain, and write the document.

        Raises:
            InvalidInputError: The plan, or a call that would revert.
            ConfigError: The node cannot simulate.
        """
        dao = self.dao(tld)
        words = Describer(self._chain, dao)
        built = Builder(self._chain, dao, self._normalise).calls(plan)
        calls = tuple(Call(c.target, c.amount, c.data, words.call(c)) for c in built)
        simulation = self._run(dao, calls) if is_simulated else None
        failed = [step for step in simulation.steps if not step.is_ok] if simulation else []
        if failed:
            raise InvalidInputError(
                f"the DAO cannot {failed[0].title}: {failed[0].reason}",
                hint="a proposal is all or nothing: change the plan",
            )
        document = {
            "format": DOCUMENT_FORMAT,
            "title": plan.title,
            "text": plan.text,
            "tld": dao.tld,
            "calls": [
                {
                    "title": call.title,
                    "target": call.target,
                    "eth_wei": str(call.amount),
                    "data": "0x" + call.data.hex(),
                }
                for call in calls
            ],
            "simulation": simulation.document if simulation else None,
        }
        return Draft(dao, plan, calls, canonical_json(document), simulation)

    def _run(self, dao: Dao, calls: Sequence[Call]) -> Simulation:
        return Simulator(self._chain, dao, self._simulate).run(calls)

    def simulate(self, proposal: Proposal) -> Simulation:
        """Try a proposal's calls again, on the chain as it is now."""
        return self._run(proposal.dao, proposal.calls)

    def propose(self, draft: Draft) -> Proposal:
        """Store the document, and propose.

        Raises:
            InsufficientFundsError: Fewer votes than the threshold.
            InvalidInputError: The DAO does not own its TLD yet.
        """
        dao, me = draft.dao, self._chain.account.address
        power = self.votes.power(me, dao)
        if power.missing:
            block = self._chain.block_number() + 1
            raise InsufficientFundsError(
                "votes to propose",
                power.votes,
                dao.rules.proposal_threshold,
                hint=f"you need {format_joy(power.missing)} more staked, or delegated to you,"
                f" before block {block}: joynet stake add AMOUNT",
            )
        if not self._chain.account.is_locked:
            self._texts.put(draft.document)
        calls = [call.struct for call in draft.calls]
        receipt = self._views.registry.transact("propose", dao.id, calls, draft.digest)
        return self.proposal(receipt.event("Proposed").args["proposal_id"])

    def proposals(self, dao: Dao) -> list[Proposal]:
        """Every proposal of a DAO, oldest first."""
        return self._views.proposals(dao)

    def proposal(self, number: int) -> Proposal:
        """One proposal.

        Raises:
            NotFoundError: There is none of that number.
        """
        return self._views.proposal(number)

    def text(self, proposal: Proposal) -> bytes | None:
        """A proposal's document, when it is in this store."""
        return self._texts.get(proposal.digest)

    def queue(self, number: int) -> Proposal:
        """Put a proposal that succeeded into the timelock.

        Raises:
            PendingError: Voting goes on.
            InvalidInputError: It did not succeed, or is queued.
        """
        self._expect(self.proposal(number), "succeeded")
        self._views.registry.transact("queue", number)
        return self.proposal(number)

    def execute(self, number: int) -> Proposal:
        """Make the calls of a queued proposal, all or none.

        Raises:
            PendingError: Its delay is not over.
            InvalidInputError: It is not queued.
        """
        found = self.proposal(number)
        self._expect(found, "queued")
        wait = found.ready_at - self._chain.now()
        if wait > 0:
            raise PendingError(
                f"proposal {number} can be executed in {wait} s",
                hint=f"wait; on a devnet: joynet devnet time-travel {wait}",
            )
        calls = [call.struct for call in found.calls]
        self._views.registry.transact("execute", number, calls, found.digest)
        return self.proposal(number)

    def _expect(self, found: Proposal, state: str) -> None:
        if found.state == state:
            return
        text = f"proposal {found.id} is {found.state}: {found.next_step}"
        if found.state in ("pending", "active"):
            raise PendingError(text, hint=f"joynet dao show {found.dao.tld} --proposal {found.id}")
        raise InvalidInputError(text)

    def cancel(self, number: int) -> Proposal:
        """Stop a proposal.

        Raises:
            AuthError: This account may not, or not any more.
            InvalidInputError: It is over.
        """
        found, me = self.proposal(number), self._chain.account.address
        if found.state not in ("pending", "active", "succeeded", "queued"):
            raise InvalidInputError(f"proposal {number} is {found.state}: there is nothing to stop")
        votes = self._chain.contract("JoyToken").call("getVotes", found.proposer)
        threshold = self._views.registry.call("rules_of", number)["proposal_threshold"]
        is_author = me == found.proposer and found.state == "pending"
        if not (is_author or me == found.dao.guardian or votes < threshold):
            raise AuthError(
                f"{me} may not cancel proposal {number}: {_who_may_cancel(found)}",
                hint="vote against it: joynet dao vote " + f"{number} against",
            )
        self._views.registry.transact("cancel", number)
        return self.proposal(number)

    def document_cid(self, proposal: Proposal) -> str:
        """The CID of a proposal's document, to fetch it by."""
        return model_cid(proposal.digest)


def _who_may_cancel(found: Proposal) -> str:
    guardian = found.dao.guardian
    who = f"guardian {guardian} may" if guardian else "the guardian's power is over"
    if found.state == "pending":
        who += f", and its proposer {found.proposer} before voting starts"
    return f"{who}; anybody may once the proposer's votes fall below the threshold"


def create_flow(run: Run) -> None:
    """create_dao, offer the TLD to the executor, have it accept."""
    session, args = run.session, run.args
    registry, node = session.contract(REGISTRY), namehash(args["tld"])
    rules = {key: int(value) for key, value in args["rules"].items()}
    terms = (rules, args["guardian"], int(args["guardian_until"]))
    made = run.transact("create", registry, "create_dao", node, *terms).event("DaoCreated").args
    tlds = session.contract("TldRegistry")
    run.transact("offer", tlds, "propose_owner", node, made["executor"])
    run.transact("accept", registry, "accept_tld", made["dao_id"])
