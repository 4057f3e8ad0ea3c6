"""DAOs and proposals as the chain has them."""

from typing import Any

from joynet_sdk.domains.names import namehash
from joynet_sdk.errors import NotFoundError
from joynet_sdk.governance.describe import Describer
from joynet_sdk.governance.model import REGISTRY, STATES, Call, Dao, Proposal, Rules
from joynet_sdk.governance.progress import next_step
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address

ZERO = "0x" + "00" * 20


class Views:
    """Reads of the DAO registry."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    @property
    def registry(self) -> Any:
        """The contract."""
        return self._chain.contract(REGISTRY)

    def daos(self) -> list[Dao]:
        """Every DAO, in order of creation."""
        return [self._dao(number + 1) for number in range(self.registry.call("dao_count"))]

    def dao(self, tld: str) -> Dao:
        """The DAO of a TLD.

        Raises:
            NotFoundError: It has none.
        """
        tld = tld.strip().lower().removeprefix(".")
        number = self.registry.call("dao_of", namehash(tld))
        if not number:
            raise NotFoundError("DAO of", f".{tld}", hint=f"joynet dao create {tld}")
        return self._dao(number)

    def _dao(self, number: int) -> Dao:
        stored = self.registry.call("dao", number)
        tlds = self._chain.contract("TldRegistry")
        is_in_office = stored["guardian"] != ZERO and stored["guardian_until"] > self._chain.now()
        return Dao(
            number,
            tlds.call("label_of", stored["tld"]),
            Address(stored["executor"]),
            tlds.call("owner_of", stored["tld"]) == stored["executor"],
            Address(stored["guardian"]) if is_in_office else None,
            stored["guardian_until"],
            Rules.of(stored["rules"]),
        )

    def owner_of(self, tld: str) -> str:
        """Who owns a TLD.

        Raises:
            NotFoundError: There is no such TLD.
        """
        owner = str(self._chain.contract("TldRegistry").call("owner_of", namehash(tld)))
        if owner == ZERO:
            raise NotFoundError("TLD", tld, hint="joynet tld list")
        return owner

    def proposals(self, dao: Dao) -> list[Proposal]:
        """Every proposal of a DAO, oldest first."""
        events = self.registry.events("Proposed", filters={"dao_id": dao.id})
        return [self.proposal(event.args["proposal_id"]) for event in events]

    def proposal(self, number: int) -> Proposal:
        """One proposal.

        Raises:
            NotFoundError: There is none of that number.
        """
        stored = self.registry.call("proposal", number)
        if not stored["dao_id"]:
            raise NotFoundError("proposal", number, hint="joynet dao show TLD")
        dao = self._dao(stored["dao_id"])
        event = next(iter(self.registry.events("Proposed", filters={"proposal_id": number})))
        words = Describer(self._chain, dao)
        calls = tuple(
            Call(c["target"], c["amount"], c["data"], words.call(Call(**c)))
            for c in event.args["calls"]
        )
        is_past = self._chain.block_number() > stored["snapshot"]
        grace = self.registry.call("rules_of", number)["grace_period"]
        found = Proposal(
            number,
            dao,
            Address(stored["proposer"]),
            STATES[self.registry.call("state", number)],
            stored["snapshot"],
            stored["deadline"],
            stored["votes_for"],
            stored["votes_against"],
            stored["votes_abstain"],
            self.registry.call("quorum", number) if is_past else None,
            stored["ready_at"],
            stored["ready_at"] + grace if stored["ready_at"] else 0,
            event.args["description_digest"],
            calls,
        )
        return next_step(found, self._chain.block_number(), self._chain.now())
