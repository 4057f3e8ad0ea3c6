"""Nodes on chain: register one, offer models, see what it earned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from joynet_sdk.errors import InsufficientFundsError, InvalidInputError, NotFoundError
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import Address, JoyWei, ModelId
from joynet_sdk.units import format_joy

REGISTER_FLOW = "node.register"
MAX_ENDPOINT = 256


class PeerKey(Protocol):
    """The node's libp2p key; `p2p.identity.Identity` in use."""

    @property
    def public_key_xy(self) -> bytes:
        """x || y, 64 bytes."""

    def sign_digest(self, digest: bytes) -> tuple[int, bytes, bytes]:
        """(v, r, s) over 32 bytes."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A registered node and its money, amounts in wei.

    Attributes:
        provision: Stake of the vault that answers for the node.
        free_provision: Of it, not locked in open jobs.
        earnings: Redeemed and ready to withdraw.
        committee_balance, proof_balance: What committee and proven jobs paid, likewise.
        reputation: 0.5 to 1.5.
    """

    node_id: int
    vault: Address
    operator: Address
    payout: Address
    endpoint: tuple[str, ...]
    is_active: bool
    capacity: int
    provision: JoyWei
    free_provision: JoyWei
    earnings: JoyWei
    committee_balance: JoyWei
    proof_balance: JoyWei
    reputation: float
    models: tuple[str, ...]


_PAYING = ("ProofOfInference", "ProvenInference")


class Nodes:
    """Reached as `JoyNet().nodes`."""

    def __init__(self, chain: Chain, flows: Flows) -> None:
        self._chain, self._flows = chain, flows

    def register(
        self,
        *,
        operator: Address,
        payout: Address,
        peer_key: PeerKey,
        endpoint: Sequence[str],
        stake: JoyWei,
        capacity: int = 16,
        cell: str = "",
    ) -> int:
        """Stake, provision the stake to NodeCoordinator, and register: one resumable job.

        Args:
            operator: The hot key's address; it signs receipts and votes.
            payout: Where earnings go.
            endpoint: Multiaddrs that clients dial, each ending in /p2p/<peer id>.
            stake: Wei to stake and provision on top of what the vault has.
            cell: H3 cell, or "".

        Returns:
            The node id.

        Raises:
            InsufficientFundsError: The vault holds less JOY than `stake`.
            RevertedError: Operator or peer key belong to a node already.
        """
        text = ",".join(endpoint)
        if not endpoint or len(text) > MAX_ENDPOINT:
            raise InvalidInputError(
                f"endpoint has {len(text)} characters, expected 1 to {MAX_ENDPOINT}"
            )
        vault = self._chain.account.address
        have = self._chain.contract("JoyToken").call("balanceOf", vault)
        if have < stake:
            raise InsufficientFundsError("JOY to stake", have, stake, hint="joynet token balance")
        coordinator = self._chain.contract("NodeCoordinator")
        digest = coordinator.call("peer_key_digest", vault, operator)
        v, r, s = peer_key.sign_digest(digest)
        args = {
            "operator": operator,
            "payout": payout,
            "peer_key": "0x" + peer_key.public_key_xy.hex(),
            "v": v,
            "r": "0x" + r.hex(),
            "s": "0x" + s.hex(),
            "endpoint": text,
            "cell": cell,
            "capacity": capacity,
            "stake": str(stake),
        }
        title = f"register a node with {format_joy(stake)} at stake"
        return int(self._flows(REGISTER_FLOW, title, args))

    def offer(self, node_id: int, model_id: ModelId, price: JoyWei) -> None:
        """Offer a model for `price` wei a call, on top of the model's own price."""
        self._chain.contract("NodeCoordinator").transact("set_offer", node_id, model_id, price, 0)

    def withdraw_offer(self, node_id: int, model_id: ModelId) -> None:
        """Stop offering a model."""
        self._chain.contract("NodeCoordinator").transact("remove_offer", node_id, model_id)

    def by_operator(self, operator: Address) -> int:
        """The node id of an operator.

        Raises:
            NotFoundError: It has none.
        """
        node_id = int(self._chain.contract("NodeCoordinator").call("node_of_operator", operator))
        if not node_id:
            raise NotFoundError("node of operator", operator, hint="joynet node register")
        return node_id

    def info(self, node_id: int) -> NodeInfo:
        """A node and its money.

        Raises:
            NotFoundError: No such node.
        """
        coordinator = self._chain.contract("NodeCoordinator")
        node: dict[str, Any] = coordinator.call("node", node_id)
        if not node["registered_at"]:
            raise NotFoundError("node", node_id)
        contract = self._chain.contract
        token, committees, proofs = map(contract, ("JoyToken", *_PAYING))
        return NodeInfo(
            node_id=node_id,
            vault=Address(node["vault"]),
            operator=Address(node["operator"]),
            payout=Address(node["payout"]),
            endpoint=tuple(a for a in node["endpoint"].split(",") if a),
            is_active=node["active"],
            capacity=node["capacity"],
            provision=token.call("provision_of", node["vault"], coordinator.address),
            free_provision=coordinator.call("free_provision", node["vault"]),
            earnings=coordinator.call("earnings", node_id),
            committee_balance=committees.call("claimable", node["payout"]),
            proof_balance=proofs.call("claimable", node["payout"]),
            reputation=coordinator.call("reputation", node_id) / 10**18,
            models=tuple("0x" + m.hex() for m in coordinator.call("models_of", node_id)),
        )

    def withdraw_earnings(self, node_id: int) -> JoyWei:
        """Send redeemed earnings, and what committees and proofs paid, to the payout address.

        Returns:
            Wei sent; an outflow limit may hold back the rest until later.
        """
        info, sent = self.info(node_id), 0
        if info.earnings:
            coordinator = self._chain.contract("NodeCoordinator")
            receipt = coordinator.transact("withdraw_earnings", node_id)
            sent += receipt.event("EarningsWithdrawn").args["amount"]
        balances = info.committee_balance, info.proof_balance
        for name, balance in zip(_PAYING, balances, strict=True):
            if balance:
                receipt = self._chain.contract(name).transact("claim_for", info.payout)
                sent += receipt.event("Claimed").args["amount"]
        return JoyWei(sent)


def register_flow(run: Run) -> int:
    """stake, provision, register."""
    args, session = run.args, run.session
    token, coordinator = session.contract("JoyToken"), session.contract("NodeCoordinator")
    if stake := int(args["stake"]):
        run.transact("stake", token, "stake", stake)
        run.transact("provision", token, "provision", coordinator.address, stake)
    receipt = run.transact(
        "register",
        coordinator,
        "register",
        args["operator"],
        args["payout"],
        args["peer_key"],
        args["v"],
        args["r"],
        args["s"],
        args["endpoint"],
        args["cell"],
        args["capacity"],
    )
    return int(receipt.event("NodeRegistered").args["node_id"])
