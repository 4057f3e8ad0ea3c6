"""Which nodes offer a model, in which order to ask them, and why."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from joynet_sdk.ports import Chain
from joynet_sdk.types import Address
from joynet_sdk.units import format_joy

REPUTATION_UNIT = 10**18


@dataclass(frozen=True, slots=True)
class Route:
    """One node that offers the model.

    Attributes:
        price: Wei per call, the node's and the model's parts together.
        reputation: 0.5 to 1.5.
        addresses: Multiaddrs, each with the peer id.
        is_eligible: Whether it may be asked.
        reason: Why, or why not, in words.
    """

    node_id: int
    vault: Address
    operator: Address
    peer_key: bytes
    addresses: tuple[str, ...]
    price: int
    reputation: float
    is_eligible: bool = True
    reason: str = ""


def routes(chain: Chain, model_id: bytes, model_price: int) -> list[Route]:
    """Every offer of a model, as the chain has it now."""
    coordinator = chain.contract("NodeCoordinator")
    licenses = chain.contract("ModelLicenses")
    is_licensed = licenses.call("terms", model_id)["is_required"]
    found = []
    for node_id in coordinator.call("offers_of", model_id):
        node = coordinator.call("node", node_id)
        offer = coordinator.call("offer", node_id, model_id)
        route = Route(
            node_id=node_id,
            vault=Address(node["vault"]),
            operator=Address(node["operator"]),
            peer_key=node["peer_key"],
            addresses=tuple(a for a in node["endpoint"].split(",") if a),
            price=offer["price"] + model_price,
            reputation=coordinator.call("reputation", node_id) / REPUTATION_UNIT,
        )
        if not node["active"]:
            route = replace(route, is_eligible=False, reason="it has paused itself")
        elif is_licensed and not licenses.call("may_serve", model_id, route.vault, route.operator):
            route = replace(route, is_eligible=False, reason="its licence of the model has ended")
        found.append(route)
    return found


def rank(
    found: Collection[Route],
    *,
    max_price: int | None = None,
    only: Collection[str] = (),
    ignore: Collection[str] = (),
) -> list[Route]:
    """Order routes, the one to ask first at the front; the others say why not at the end.

    Price divided by reputation decides: half the reputation is as bad as twice the price.

    Args:
        max_price: Wei per call that is not to be passed.
        only: Node ids or operators to choose from; empty for all.
        ignore: Node ids or operators to leave out.
    """
    wanted, unwanted = _names(only), _names(ignore)
    judged = [_judge(route, max_price, wanted, unwanted) for route in found]
    eligible = sorted(
        (route for route in judged if route.is_eligible),
        key=lambda route: (route.price / route.reputation, route.node_id),
    )
    ranked = [
        replace(route, reason=f"rank {place}: {_terms(route)}")
        for place, route in enumerate(eligible, 1)
    ]
    return ranked + [route for route in judged if not route.is_eligible]


def _names(nodes: Collection[str]) -> frozenset[str]:
    return frozenset(node.lower() for node in nodes)


def _judge(
    route: Route, max_price: int | None, only: frozenset[str], ignore: frozenset[str]
) -> Route:
    names = _names((str(route.node_id), route.operator))
    if not route.is_eligible:
        return route
    if only and names.isdisjoint(only):
        return replace(route, is_eligible=False, reason="it is not among --only")
    if not names.isdisjoint(ignore):
        return replace(route, is_eligible=False, reason="it is among --ignore")
    if max_price is not None and route.price > max_price:
        limit = format_joy(max_price)
        reason = f"it asks {format_joy(route.price)}, more than --max-price {limit}"
        return replace(route, is_eligible=False, reason=reason)
    return route


def _terms(route: Route) -> str:
    return f"{format_joy(route.price)} a call, reputation {route.reputation:.2f}"
