"""What an account calls itself; believed only when that name's address is the account."""

from dataclasses import dataclass

from joynet_sdk.domains.records import read_record
from joynet_sdk.domains.registry import NameRegistry
from joynet_sdk.domains.resolution import RESOLVER, Hop, Resolution, Trace, no_trace
from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address


@dataclass(frozen=True, slots=True)
class ReverseName:
    """What an account calls itself.

    Attributes:
        name: Only when it was checked; else None.
        claimed: What it says; "" for nothing.
        reason: Why the claim is not believed; "" when it is.
    """

    account: Address
    name: str | None
    claimed: str
    reason: str


class ReverseNames:
    """Reached as `joynet.domains.reverse`."""

    def __init__(self, chain: Chain, registry: NameRegistry, resolution: Resolution) -> None:
        self._chain, self._registry, self._resolution = chain, registry, resolution

    def set(self, name: str) -> ReverseName:
        """Make this account call itself by a name whose address it is; "" deletes.

        Raises:
            InvalidInputError: The name's address is another account.
        """
        me = self._chain.account.address
        if name:
            name = self._registry.normalise(name)
            reason = self._doubt(name, me, no_trace)
            if reason:
                raise InvalidInputError(
                    f"{name} cannot be the name of {me}: {reason}",
                    hint=f"joynet domain records set {name} address={me}",
                )
        self._chain.contract(RESOLVER).transact("setName", name)
        return self.lookup(me)

    def lookup(self, account: Address, *, trace: Trace = no_trace) -> ReverseName:
        """The checked name of an account.

        Args:
            trace: Told about each question asked.
        """
        resolver = self._chain.contract(RESOLVER)
        node = resolver.call("reverse_node", account)
        claimed = str(resolver.call("name", node))
        call = f"name(reverse node of {account})"
        trace(Hop(RESOLVER, resolver.address, call, claimed or "empty"))
        reason = self._doubt(claimed, account, trace) if claimed else "it has no name"
        return ReverseName(account, None if reason else claimed, claimed, reason)

    def _doubt(self, name: str, account: Address, trace: Trace) -> str:
        """Why a name is not believed; "" when its address is the account."""
        try:
            normal = self._registry.normalise(name)
            if normal != name:
                return f"{name!r:.100} is not in normal form"
            found = read_record(self._resolution.route(name, trace).read, "addr.eth").value
        except (InvalidInputError, NotFoundError) as error:
            return str(error)
        if found != account:
            return f"the address of {name} is {found or 'not set'}"
        return ""
