"""Account for every wei of JOY on a chain whose parties are all known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joynet_sdk.errors import VerificationError
from joynet_sdk.ports import Chain
from joynet_sdk.units import format_joy

INITIAL_SUPPLY = 10**9 * 10**18


@dataclass
class Reconciliation:
    """Balances, in wei of JOY, and whether they add up.

    Attributes:
        holders: Who holds how much.
        burned: Initial supply less supply now.
        books: Contract -> (its balance, what it owes by its own books).
    """

    holders: dict[str, int] = field(default_factory=dict)
    burned: int = 0
    books: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Everything held and everything burned; equal to the initial supply when all is known."""
        return sum(self.holders.values()) + self.burned

    def problems(self) -> list[str]:
        """What does not add up, in words; empty when everything does."""
        found = [
            f"{name} holds {format_joy(holds)} and owes {format_joy(owes)}"
            for name, (holds, owes) in self.books.items()
            if holds != owes
        ]
        if self.total != INITIAL_SUPPLY:
            missing = INITIAL_SUPPLY - self.total
            found.append(f"{missing} wei of the supply are with nobody known")
        return found

    def check(self) -> None:
        """Raise unless every wei is accounted for.

        Raises:
            VerificationError: Naming what does not add up.
        """
        if problems := self.problems():
            raise VerificationError("the books do not balance: " + "; ".join(problems))

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "holders_wei": {name: str(wei) for name, wei in self.holders.items()},
            "burned_wei": str(self.burned),
            "initial_supply_wei": str(INITIAL_SUPPLY),
            "books": {
                name: {"holds_wei": str(holds), "owes_wei": str(owes)}
                for name, (holds, owes) in self.books.items()
            },
            "balanced": not self.problems(),
        }


def reconcile(
    chain: Chain, accounts: Mapping[str, str], node_ids: Sequence[int], models: Sequence[bytes]
) -> Reconciliation:
    """Read every balance, and what each contract owes by its own books.

    Args:
        accounts: Name -> address of every account that may hold JOY.
        node_ids: Every registered node.
        models: Every listed model.
    """
    token = chain.contract("JoyToken")
    contracts = {
        name: chain.contract(name)
        for name in (
            "JoyToken",
            "NodeCoordinator",
            "ProofOfInference",
            "ProvenInference",
            "ModelMarketplace",
            "PermaNetDomainRegistry",
        )
    }
    report = Reconciliation(burned=INITIAL_SUPPLY - token.call("totalSupply"))
    for name, address in accounts.items():
        report.holders[name] = token.call("balanceOf", address)
    for name, contract in contracts.items():
        report.holders[name] = token.call("balanceOf", contract.address)
    payers = list(accounts.values())
    owed = {
        "JoyToken": _owed_by_token(contracts["JoyToken"]),
        "NodeCoordinator": _owed_by_coordinator(
            contracts["NodeCoordinator"], payers, node_ids, models
        ),
        "ProofOfInference": _owed_by_proof(contracts["ProofOfInference"], payers),
        "ProvenInference": _owed_by_proof(contracts["ProvenInference"], payers)
        + sum(contracts["ProvenInference"].call("held_royalty", model) for model in models),
        "ModelMarketplace": _owed_by_market(contracts["ModelMarketplace"], payers, models),
    }
    report.books = {name: (report.holders[name], owes) for name, owes in owed.items()}
    return report


def _owed_by_token(token: Any) -> int:
    """Stake, unbonding stake, and rewards not yet claimed."""
    return int(
        token.call("total_staked") + token.call("total_unbonding") + token.call("reward_pool")
    )


def _owed_by_coordinator(
    coordinator: Any, payers: Sequence[str], node_ids: Sequence[int], models: Sequence[bytes]
) -> int:
    """Escrow (free and allocated), earnings, held royalties, fees."""
    owed = int(coordinator.call("pending_fees"))
    owed += sum(coordinator.call("free_balance", payer) for payer in payers)
    owed += sum(coordinator.call("earnings", node_id) for node_id in node_ids)
    owed += sum(coordinator.call("held_royalty", model_id) for model_id in models)
    for node_id in node_ids:
        operator = coordinator.call("node", node_id)["operator"]
        for payer in payers:
            allocation = coordinator.call("allocation", payer, operator)
            owed += allocation["amount"] - allocation["redeemed"]
    return int(owed)


def _owed_by_proof(proof: Any, accounts: Sequence[str]) -> int:
    """Balances to claim, and fees; every job of the run is closed."""
    return int(proof.call("fees") + sum(proof.call("claimable", who) for who in accounts))


def _owed_by_market(market: Any, accounts: Sequence[str], models: Sequence[bytes]) -> int:
    """Models' own accounts, and balances to claim."""
    owed = sum(market.call("account_of", model_id) for model_id in models)
    return int(owed + sum(market.call("claimable", who) for who in accounts))
