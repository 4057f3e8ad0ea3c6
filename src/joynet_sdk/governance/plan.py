"""A proposal as a file: what the DAO shall do, in words.

    title: Make long names cheaper
    text: Five joy a year is more than names under .fun are worth.
    actions:
      - set_price_band: {band: 5+, price: 4}
      - transfer: {to: 0x7099…, joy: 100}
      - set_rules: {voting_period: 40, quorum_percent: 5}
      - call: {to: TldRegistry, function: "set_premium(bytes32,uint256)", args: [0x…, 0]}

Prices are JOY a year. Each action becomes one call of the DAO's executor, at most eight.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from joynet_sdk.domains.addresses import ETHEREUM, decode_address, encode_address
from joynet_sdk.domains.charter import (
    BANDS,
    YEAR_S,
    Amendment,
    parse_lengths,
    parse_prices,
    parse_split,
)
from joynet_sdk.domains.names import namehash
from joynet_sdk.domains.zone import load_yaml
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.governance.encoding import encode_call
from joynet_sdk.governance.model import MAX_CALL_BYTES, MAX_CALLS, REGISTRY, Call, Dao
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address
from joynet_sdk.units import parse_joy

MAX_TITLE_CHARS, MAX_TEXT_CHARS = 120, 16_000
_TIMES = (
    "voting_delay",
    "voting_period",
    "late_quorum_extension",
    "execution_delay",
    "grace_period",
)
_YES_NO = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan file asks for.

    Attributes:
        actions: (word, what it says), in order.
    """

    title: str
    text: str
    actions: tuple[tuple[str, Any], ...]


def parse_plan(text: str) -> Plan:
    """Read a plan file.

    Raises:
        InvalidInputError: Not YAML, or not of the form above.
    """
    document = load_yaml(text, "plan")
    unknown = sorted(set(document) - {"title", "text", "actions"})
    title, body = document.get("title"), document.get("text", "")
    actions = document.get("actions")
    if unknown or not isinstance(title, str) or not title or not isinstance(body, str):
        raise InvalidInputError(f"plan has {sorted(document)}, expected title, text and actions")
    if len(title) > MAX_TITLE_CHARS or len(body) > MAX_TEXT_CHARS:
        raise InvalidInputError(
            f"title and text have {len(title)} and {len(body)} characters, "
            f"expected at most {MAX_TITLE_CHARS} and {MAX_TEXT_CHARS}"
        )
    if not isinstance(actions, list) or not 1 <= len(actions) <= MAX_CALLS:
        count = len(actions) if isinstance(actions, list) else 0
        raise InvalidInputError(f"plan has {count} actions, expected 1 to {MAX_CALLS}")
    return Plan(title, body, tuple(map(_action, actions)))


def _action(item: Any) -> tuple[str, Any]:
    if isinstance(item, str):
        return item, {}
    if isinstance(item, Mapping) and len(item) == 1:
        return next(iter(item.items()))
    raise InvalidInputError(f"action is {item!r:.100}, expected one word and what it says")


class Builder:
    """Turns actions into calls of one DAO's executor."""

    def __init__(self, chain: Chain, dao: Dao, normalise: Callable[[str], str]) -> None:
        self._chain, self._dao, self._normalise = chain, dao, normalise
        self._tld = namehash(dao.tld)

    def calls(self, plan: Plan) -> list[Call]:
        """The calls of a plan.

        Raises:
            InvalidInputError: An action that is none, or says something else than it must.
        """
        calls = [call for word, what in plan.actions for call in self._build(word, what)]
        if len(calls) > MAX_CALLS:
            raise InvalidInputError(f"the plan needs {len(calls)} calls, at most {MAX_CALLS}")
        for call in calls:
            if len(call.data) > MAX_CALL_BYTES:
                raise InvalidInputError(
                    f"a call has {len(call.data)} bytes, expected at most {MAX_CALL_BYTES}"
                )
        return calls

    def _build(self, word: str, what: Any) -> list[Call]:
        if word in _AMENDMENTS:
            amendment = _AMENDMENTS[word](self, what)
            return [self._to("TldRegistry", *call) for call in amendment.calls(self._tld)]
        if word not in _ACTIONS:
            known = ", ".join(sorted({*_AMENDMENTS, *_ACTIONS}))
            raise InvalidInputError(f"action is {word!r:.60}, expected one of {known}")
        return [_ACTIONS[word](self, what)]

    def _to(self, name: str, function: str, args: list[Any], amount: int = 0) -> Call:
        contract = self._chain.contract(name)
        data = contract.abi.encode_call(function, args)
        return Call(Address(contract.address), amount, data)

    # --- the charter

    def price_band(self, what: Any) -> Amendment:
        """One band; the others stay as they are in force now."""
        said = _fields(what, "set_price_band", {"band", "price"})
        if said["band"] not in BANDS:
            raise InvalidInputError(f"band is {said['band']!r}, expected {', '.join(BANDS)}")
        prices = list(self._chain.contract("TldRegistry").call("tld_of", self._tld)["prices"])
        prices[BANDS.index(said["band"])] = parse_joy(said["price"]) // YEAR_S
        return Amendment(prices=tuple(prices))

    def words(self, what: Any) -> tuple[str, ...]:
        """Labels of a list, normalised."""
        if not isinstance(what, list) or not what or not all(isinstance(w, str) for w in what):
            raise InvalidInputError(f"words are {what!r:.80}, expected a list of labels")
        return tuple(dict.fromkeys(self._normalise(word) for word in what))

    # --- everything else

    def transfer(self, what: Any) -> Call:
        """JOY or ether out of the treasury."""
        said = _fields(what, "transfer", {"to", "joy", "eth"}, needs={"to"})
        to = _address(said["to"])
        if ("joy" in said) == ("eth" in said):
            raise InvalidInputError("transfer needs either joy or eth, and how much")
        if "joy" in said:
            return self._to("JoyToken", "transfer", [to, parse_joy(said["joy"])])
        return Call(to, parse_joy(said["eth"]), b"")  # ether has 18 decimals too

    def rules(self, what: Any) -> Call:
        """The DAO's rules; what is not named stays."""
        known = {*_TIMES, "proposal_threshold", "quorum_percent"}
        said = _fields(what, "set_rules", known, needs=set())
        rules = self._dao.rules
        for key, text in said.items():
            if key == "proposal_threshold":
                rules = replace(rules, proposal_threshold=parse_joy(text))
            elif key == "quorum_percent":
                rules = replace(rules, quorum_bps=parse_joy(text) * 100 // 10**18)
            else:
                rules = replace(rules, **{key: _number(text, key)})
        return self._to(REGISTRY, "set_rules", [self._dao.id, rules.struct])

    def retire(self, what: Any) -> Call:
        """End the guardian's power."""
        _fields(what, "retire_guardian", set())
        return self._to(REGISTRY, "retire_guardian", [self._dao.id])

    def offer(self, what: Any) -> Call:
        """Offer the TLD to a new owner, who has to accept."""
        said = _fields(what, "offer_tld", {"to"})
        return self._to("TldRegistry", "propose_owner", [self._tld, _address(said["to"])])

    def pause(self, what: Any) -> Call:
        """Close new registrations for a bounded time."""
        _fields(what, "pause", set())
        return self._to("TldRegistry", "pause_tld", [self._tld])

    def unpause(self, what: Any) -> Call:
        """Open them again."""
        _fields(what, "unpause", set())
        return self._to("TldRegistry", "unpause_tld", [self._tld])

    def raw(self, what: Any) -> Call:
        """Any call by ABI signature."""
        said = _fields(what, "call", {"to", "function", "args", "eth"}, needs={"to", "function"})
        args = said.get("args", [])
        if not isinstance(args, list):
            raise InvalidInputError(f"args are {args!r:.80}, expected a list")
        target = said["to"]
        if not target.startswith("0x"):
            target = self._chain.contract(target).address
        data = encode_call(said["function"], args)
        return Call(_address(target), parse_joy(said.get("eth", "0")), data)


_AMENDMENTS: dict[str, Callable[[Builder, Any], Amendment]] = {
    "set_price_band": Builder.price_band,
    "set_prices": lambda _, what: Amendment(prices=parse_prices(_text(what, "set_prices"))),
    "set_lengths": lambda _, what: Amendment(lengths=parse_lengths(_text(what, "set_lengths"))),
    "set_split": lambda _, what: Amendment(split=parse_split(_text(what, "set_split"))),
    "set_permanence": lambda _, what: Amendment(
        permanent_term=_number(_text(what, "set_permanence"), "years") * YEAR_S
    ),
    "set_premium": lambda _, what: Amendment(premium_start=parse_joy(_text(what, "set_premium"))),
    "keep_prices": lambda _, what: Amendment(keeps_price=_yes(what)),
    "reserve": lambda self, what: Amendment(reserve=self.words(what)),
    "release": lambda self, what: Amendment(release=self.words(what)),
}
_ACTIONS: dict[str, Callable[[Builder, Any], Call]] = {
    "transfer": Builder.transfer,
    "set_rules": Builder.rules,
    "retire_guardian": Builder.retire,
    "offer_tld": Builder.offer,
    "pause": Builder.pause,
    "unpause": Builder.unpause,
    "call": Builder.raw,
}


def _fields(what: Any, word: str, known: set[str], needs: set[str] | None = None) -> dict[str, Any]:
    """The named parts of an action."""
    needs = known if needs is None else needs
    said = dict(what) if isinstance(what, Mapping) else None
    if said is None or not needs <= said.keys() <= known:
        raise InvalidInputError(
            f"{word} says {what!r:.80}, expected {', '.join(sorted(known)) or 'nothing'}"
        )
    nested = [key for key, value in said.items() if key != "args" and not isinstance(value, str)]
    if nested:
        raise InvalidInputError(f"{word}.{nested[0]} is {said[nested[0]]!r:.80}, expected text")
    return said


def _text(what: Any, word: str) -> str:
    if not isinstance(what, str):
        raise InvalidInputError(f"{word} says {what!r:.80}, expected text")
    return what


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidInputError(f"{what} is {text!r:.40}, expected a whole number")
    return int(text)


def _yes(what: Any) -> bool:
    if not isinstance(what, str) or what.lower() not in _YES_NO:
        raise InvalidInputError(f"keep_prices says {what!r:.40}, expected yes or no")
    return _YES_NO[what.lower()]


def _address(text: str) -> Address:
    return Address(decode_address(ETHEREUM, encode_address(ETHEREUM, text)))
