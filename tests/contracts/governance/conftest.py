"""Members with stake, two TLDs, a DAO for each, and a proposal's life in a few words."""

from dataclasses import dataclass
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from ..domains.conftest import *  # noqa: F403

JOY = 10**18  # wei
DAY = 86_400
RULES = {
    "voting_delay": 5,
    "voting_period": 50,
    "late_quorum_extension": 20,
    "execution_delay": 2 * DAY,
    "grace_period": 7 * DAY,
    "proposal_threshold": 1_000 * JOY,
    "quorum_bps": 2_000,
}
STAKES = {"ann": 10_000, "ben": 5_000, "cat": 3_000, "dan": 500}  # JOY
AGAINST, FOR, ABSTAIN = range(3)
PENDING, ACTIVE, CANCELLED, DEFEATED, SUCCEEDED, QUEUED, EXPIRED, EXECUTED = range(8)
DIGEST = b"\xd1" * 32
VOTE = {
    "Vote": [
        {"name": "proposalId", "type": "uint256"},
        {"name": "support", "type": "uint8"},
        {"name": "voter", "type": "address"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}


@dataclass
class Daos:
    """The DAO registry and how its members use it."""

    registry: Any
    joy: Any
    tlds: Any
    members: dict[str, str]

    def rules(self, **changed: int) -> tuple[int, ...]:
        assert not changed.keys() - RULES.keys()
        return tuple((RULES | changed).values())

    def blocks(self, count: int) -> None:
        boa.env.evm.patch.block_number += count
        boa.env.timestamp += count

    def executor(self, dao: int) -> str:
        return self.registry.dao(dao).executor

    def call(self, contract: Any, function: str, *args: Any, amount: int = 0) -> tuple[Any, ...]:
        """One call of a proposal."""
        return (contract.address, amount, getattr(contract, function).prepare_calldata(*args))

    def propose(self, calls: list[Any], *, dao: int = 1, by: str = "ann") -> int:
        return self.registry.propose(dao, calls, DIGEST, sender=self.members[by])

    def open(self, proposal: int) -> None:
        """Move to the first block of voting."""
        self.blocks(self.registry.proposal(proposal).snapshot + 1 - self.registry.clock())

    def vote(self, proposal: int, by: str, support: int = FOR) -> int:
        return self.registry.vote(proposal, support, sender=self.members[by])

    def close(self, proposal: int) -> None:
        """Move to the first block after voting."""
        self.blocks(self.registry.proposal(proposal).deadline + 1 - self.registry.clock())

    def passed(self, calls: list[Any], **how: Any) -> int:
        """Propose, vote and queue; ready to execute."""
        proposal = self.propose(calls, **how)
        self.open(proposal)
        self.vote(proposal, "ann")
        self.close(proposal)
        self.registry.queue(proposal)
        boa.env.timestamp = self.registry.proposal(proposal).ready_at
        return proposal

    def execute(self, proposal: int, calls: list[Any], digest: bytes = DIGEST) -> None:
        self.registry.execute(proposal, calls, digest)

    def state(self, proposal: int) -> int:
        return self.registry.state(proposal)

    def votes(self, proposal: int) -> tuple[int, int, int]:
        """Against, for, abstaining, in JOY."""
        found = self.registry.proposal(proposal)
        tally = (found.votes_against, found.votes_for, found.votes_abstain)
        return tuple(votes // JOY for votes in tally)  # type: ignore[return-value]

    def signed(self, key: Any, proposal: int, vote: int, **changed: Any) -> tuple[Any, ...]:
        """A signed vote, as `vote_by_signature` takes it; some of what is signed changed."""
        values = {
            "proposalId": proposal,
            "support": vote,
            "voter": key.address,
            "nonce": self.registry.vote_nonce(key.address),
            "deadline": boa.env.timestamp + DAY,
        }
        domain = {
            "name": "PermaNetDAORegistry",
            "version": "1",
            "chainId": changed.pop("chain_id", boa.env.evm.patch.chain_id),
            "verifyingContract": changed.pop("contract", self.registry.address),
        }
        signable = encode_typed_data(domain, VOTE, values | changed)
        return (*values.values(), bytes(Account.sign_message(signable, key.key).signature))


@pytest.fixture
def members(actor, stake):
    """Accounts by name, with STAKES."""
    accounts = {name: actor(name) for name in STAKES}
    for name, account in accounts.items():
        stake(account, STAKES[name] * JOY)
    return accounts


@pytest.fixture
def key(stake):
    """A member with a key, for signatures: 2,000 JOY."""
    account = Account.from_key(b"\x11" * 32)
    stake(account.address, 2_000 * JOY)
    return account


@pytest.fixture
def daos(deploy, joy, tlds, members, charter, owner, guardian, tld_owner):
    """`.joy` (DAO 1) and `.ai` (DAO 2), each owned by its executor; a guardian for 90 days."""
    code = deploy("domains/DaoExecutor.vy")
    registry = deploy("domains/PermaNetDAORegistry.vy", joy, tlds, code)
    found = Daos(registry, joy, tlds, members)
    tlds.create("ai", tld_owner, charter(), sender=owner)
    for id_ in (1, 2):
        tld = tlds.node_at(id_)
        until = boa.env.timestamp + 90 * DAY
        assert registry.create_dao(tld, found.rules(), guardian, until, sender=tld_owner) == id_
        tlds.propose_owner(tld, found.executor(id_), sender=tld_owner)
        registry.accept_tld(id_)
    found.blocks(1)
    return found


@pytest.fixture
def lengths(daos):
    """A harmless proposal of DAO 1: names of `.joy` get at least 3 characters."""
    return [daos.call(daos.tlds, "set_lengths", daos.tlds.node_at(1), 3, 63)]


@pytest.fixture
def villain(deploy, fund):
    """A contract with 50,000 JOY that attacks when it is called."""
    contract = deploy("testing/GovernanceAttacker.vy")
    fund(contract.address, 50_000 * JOY)
    return contract
