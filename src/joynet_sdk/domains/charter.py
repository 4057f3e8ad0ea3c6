"""The charter of a TLD in words, and the calls that amend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.units import format_joy, parse_joy

YEAR_S = 365 * 86_400
BANDS = ("1", "2", "3", "4", "5+")  # characters of a label
MAX_LENGTH = 63
MAX_WORDS = 32  # of one call
BPS = 10_000


@dataclass(frozen=True, slots=True)
class Charter:
    """What a TLD sells, at which price, and who gets the rent.

    Attributes:
        prices: Wei of JOY per second, by band.
        min_length, max_length: Characters of a new name.
        owner_bps, burn_bps: Parts of the rent in basis points; the treasury gets the rest.
        permanent_term: Seconds of rent that buy a name for ever; 0: not sold.
        premium_start: Wei of JOY on top when a lapsed name becomes free.
        keeps_price: A new name never renews at more than its first price.
    """

    prices: tuple[int, ...]
    min_length: int = 1
    max_length: int = MAX_LENGTH
    owner_bps: int = 5_000
    burn_bps: int = 2_500
    permanent_term: int = 0
    premium_start: int = 0
    keeps_price: bool = True

    @property
    def struct(self) -> dict[str, Any]:
        """As the contract takes it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Amendment:
    """What to change of a charter; None leaves a thing as it is.

    Attributes:
        prices: Wei of JOY per second, by band.
        lengths: Fewest and most characters.
        split: The owner's and the burned part in basis points.
        permanent_term: Seconds of rent; 0 ends the offer.
        premium_start: Wei of JOY.
        keeps_price: For names registered from now on.
        reserve, release: Words.
    """

    prices: tuple[int, ...] | None = None
    lengths: tuple[int, int] | None = None
    split: tuple[int, int] | None = None
    permanent_term: int | None = None
    premium_start: int | None = None
    keeps_price: bool | None = None
    reserve: tuple[str, ...] = ()
    release: tuple[str, ...] = ()

    def calls(self, tld: bytes) -> list[tuple[str, list[Any]]]:
        """Functions of TldRegistry and their arguments."""
        found: list[tuple[str, list[Any]]] = []
        if self.prices is not None:
            found.append(("set_prices", [tld, list(self.prices)]))
        if self.lengths is not None:
            found.append(("set_lengths", [tld, *self.lengths]))
        if self.split is not None:
            found.append(("set_split", [tld, *self.split]))
        if self.permanent_term is not None:
            found.append(("set_permanence", [tld, self.permanent_term]))
        if self.premium_start is not None:
            found.append(("set_premium", [tld, self.premium_start]))
        if self.keeps_price is not None:
            found.append(("set_keeps_price", [tld, self.keeps_price]))
        for words, is_reserved in ((self.reserve, True), (self.release, False)):
            for start in range(0, len(words), MAX_WORDS):
                part = list(words[start : start + MAX_WORDS])
                found.append(("set_reserved", [tld, part, is_reserved]))
        return found


def parse_prices(text: str) -> tuple[int, ...]:
    """JOY per year for names of 1, 2, 3, 4 and 5 or more characters: "640,320,160,40,5".

    Returns:
        Wei of JOY per second, by band, rounded down.

    Raises:
        InvalidInputError: Not five amounts, or one that is nothing per second.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != len(BANDS):
        raise InvalidInputError(f"prices are {text!r}, expected five amounts: 640,320,160,40,5")
    prices = tuple(parse_joy(part) // YEAR_S for part in parts)
    if not all(prices):
        raise InvalidInputError(f"prices are {text!r}, expected each to be at least 1 wei a second")
    return prices


def parse_lengths(text: str) -> tuple[int, int]:
    """Fewest and most characters: "3-63"."""
    low, _, high = text.partition("-")
    if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit()):
        raise InvalidInputError(f"lengths are {text!r}, expected e.g. 3-63")
    if not 1 <= int(low) <= int(high) <= MAX_LENGTH:
        raise InvalidInputError(f"lengths are {text!r}, expected 1 to {MAX_LENGTH}, low first")
    return int(low), int(high)


def parse_split(text: str) -> tuple[int, int]:
    """The owner's and the burned part of the rent in per cent: "50,25"."""
    try:
        parts = [parse_joy(part.strip().removesuffix("%")) for part in text.split(",")]
        owner, burn = (part * 100 // 10**18 for part in parts)
    except ValueError:
        raise InvalidInputError(f"split is {text!r}, expected OWNER,BURN in per cent") from None
    if owner + burn > BPS:
        raise InvalidInputError(f"split is {text!r}, expected at most 100 per cent in all")
    return owner, burn


def parse_words(text: str | None, normalise: Any) -> tuple[str, ...]:
    """Labels between commas, in their normal form."""
    words = [normalise(word.strip()) for word in (text or "").split(",") if word.strip()]
    dotted = [word for word in words if "." in word]
    if dotted:
        raise InvalidInputError(f"word is {dotted[0]!r}, expected a label without a dot")
    return tuple(dict.fromkeys(words))


def price_text(wei_per_second: int) -> str:
    """A price as people read it, per year of 365 days."""
    return f"{format_joy(round(wei_per_second * YEAR_S, -9))} a year"


def charter_text(stored: Mapping[str, Any], now: int, reserved: Sequence[str]) -> dict[str, str]:
    """A TLD's charter in words.

    Args:
        stored: `tld_of`.
        now: Unix seconds, chain time.
        reserved: Words.
    """

    def band(prices: Sequence[int]) -> str:
        pairs = zip(BANDS, prices, strict=True)
        return ", ".join(f"{name}: {price_text(price)}" for name, price in pairs)

    per_cent = {part: stored[f"{part}_bps"] / 100 for part in ("treasury", "owner", "burn")}
    term = stored["permanent_term"]
    lines = {
        "prices": band(stored["prices"]),
        "lengths": f"{stored['min_length']} to {stored['max_length']} characters",
        "split": ", ".join(f"{part} {value:g}%" for part, value in per_cent.items()),
        "treasury at least": f"{stored['treasury_floor_bps'] / 100:g}%",
        "permanent names": f"for {term / YEAR_S:g} years of rent" if term else "not sold",
        "premium": format_joy(stored["premium_start"]) + " when a lapsed name becomes free",
        "renewals": "never dearer than the first price"
        if stored["keeps_price"]
        else "at the price of the day",
        "reserved": ", ".join(reserved) or "-",
    }
    if stored["switch_at"] > now:
        lines["next prices"] = band(stored["next_prices"])
    return lines
