"""Calls, prices and amounts in words, for those who vote on them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from joynet_sdk.domains.charter import BANDS, YEAR_S, price_text
from joynet_sdk.domains.names import namehash
from joynet_sdk.errors import JoyNetError
from joynet_sdk.governance.model import Call, Dao
from joynet_sdk.ports import Chain
from joynet_sdk.units import format_joy

_JOY_FIELDS = {"premium_start", "proposal_threshold"}
_BPS_FIELDS = {"treasury_bps", "owner_bps", "burn_bps", "treasury_floor_bps", "quorum_bps"}
_MOMENTS = {"switch_at", "paused_until", "guardian_until"}
_PRICES = {"prices", "next_prices"}
MAX_VALUE_CHARS = 160


class Describer:
    """Says what calls do, from the ABIs of JoyNet's own contracts."""

    def __init__(self, chain: Chain, dao: Dao) -> None:
        self._chain, self._dao = chain, dao
        self._names = {
            c.address.lower(): name for name, c in chain.deployment.contracts.items()
        } | {dao.executor.lower(): f"executor of .{dao.tld}"}
        self._node = namehash(dao.tld)

    def call(self, call: Call) -> str:
        """One call in words."""
        who = self._names.get(call.target.lower(), "")
        sent = f", sending {call.amount / 10**18:.6g} ETH" if call.amount else ""
        if not call.data:
            return f"send {call.amount / 10**18:.6g} ETH to {who or call.target}"
        function, args = self._decoded(who, call)
        if not function:
            target = f"{who} {call.target}".strip()
            return f"call {target} with 0x{call.data.hex():.{MAX_VALUE_CHARS}}{sent}"
        words = _WORDS.get((who, function))
        if words is not None:
            return words(self._dao.tld, args) + sent
        shown = ", ".join(self.value("", each) for each in args)
        return f"{who}.{function}({shown}){sent}"

    def _decoded(self, who: str, call: Call) -> tuple[str, list[Any]]:
        if who not in self._chain.deployment.contracts:
            return "", []
        try:
            function, args = self._chain.contract(who).abi.decode_input(call.data)
        except JoyNetError:  # the data does not fit the ABI: shown as it is
            return "", []
        return str(function), list(args)

    def value(self, key: str, value: Any) -> str:
        """A stored value as people read it.

        Args:
            key: Field name, which says the unit.
        """
        if key in _PRICES and isinstance(value, list | tuple):
            return ", ".join(f"{b}: {price_text(p)}" for b, p in zip(BANDS, value, strict=True))
        if key in _JOY_FIELDS or key.endswith("JOY"):
            return format_joy(int(value))
        if key in _BPS_FIELDS:
            return f"{value / 100:g}%"
        if key in _MOMENTS:
            return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC" if value else "never"
        if key == "permanent_term":
            return f"{value / YEAR_S:g} years of rent" if value else "not sold"
        if isinstance(value, bytes):
            return f".{self._dao.tld}" if value == self._node else "0x" + value.hex()
        if isinstance(value, Mapping):
            return ", ".join(f"{name} {self.value(name, item)}" for name, item in value.items())
        if isinstance(value, list | tuple):
            return "[" + ", ".join(self.value("", item) for item in value) + "]"
        if isinstance(value, str) and value.lower() in self._names:
            return f"{value} ({self._names[value.lower()]})"
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _prices(tld: str, args: list[Any]) -> str:
    shown = ", ".join(f"{b}: {price_text(p)}" for b, p in zip(BANDS, args[1], strict=True))
    return f"set the prices of .{tld} to {shown}"


_WORDS: dict[tuple[str, str], Callable[[str, list[Any]], str]] = {
    ("TldRegistry", "set_prices"): _prices,
    ("TldRegistry", "set_premium"): lambda tld, a: (
        f"set the premium of lapsed .{tld} names to {format_joy(a[1])}"
    ),
    ("TldRegistry", "set_lengths"): lambda tld, a: (
        f"let new .{tld} names have {a[1]} to {a[2]} characters"
    ),
    ("TldRegistry", "set_split"): lambda tld, a: (
        f"split the rent of .{tld}: owner {a[1] / 100:g}%, burned {a[2] / 100:g}%"
    ),
    ("TldRegistry", "set_reserved"): lambda tld, a: (
        f"{'reserve' if a[2] else 'release'} under .{tld}: {', '.join(a[1])}"
    ),
    ("TldRegistry", "pause_tld"): lambda tld, a: f"close new registrations under .{tld}",
    ("TldRegistry", "unpause_tld"): lambda tld, a: f"open new registrations under .{tld}",
    ("TldRegistry", "propose_owner"): lambda tld, a: f"offer .{tld} to {a[1]}",
    ("JoyToken", "transfer"): lambda tld, a: f"pay {format_joy(a[1])} from the treasury to {a[0]}",
    ("PermaNetDAORegistry", "retire_guardian"): lambda tld, a: "end the guardian's power",
}
