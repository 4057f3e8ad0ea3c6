"""Amounts of JOY: parse what people type, print what people read."""

from decimal import Decimal, InvalidOperation

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.types import JoyWei

WEI_PER_JOY = 10**18
_MAX_WEI = 2**256 - 1


def parse_joy(text: str) -> JoyWei:
    """Read an amount: "1.5" or "1.5 JOY" is JOY, "250 wei" is base units.

    Raises:
        InvalidInputError: Not a number, negative, finer than one wei, or past uint256.
    """
    words = text.strip().replace("_", "").split()
    unit = words[1].lower() if len(words) == 2 else "joy"
    if not 1 <= len(words) <= 2 or unit not in ("joy", "wei"):
        raise InvalidInputError(f"amount is {text!r}, expected e.g. '1.5', '1.5 JOY' or '250 wei'")
    try:
        number = Decimal(words[0])
    except InvalidOperation:
        raise InvalidInputError(f"amount is {text!r}, expected a decimal number") from None
    if not number.is_finite() or abs(number.adjusted()) > 80:
        raise InvalidInputError(f"amount is {text!r}, expected a finite decimal number")
    numerator, denominator = number.as_integer_ratio()
    wei, rest = divmod(numerator * (WEI_PER_JOY if unit == "joy" else 1), denominator)
    if rest or not 0 <= wei <= _MAX_WEI:
        raise InvalidInputError(f"amount is {text!r}, expected 0 or more, to at most 18 decimals")
    return JoyWei(wei)


def format_joy(wei: int) -> str:
    """Print base units as JOY, exactly: 1500000000000000000 -> "1.5 JOY"."""
    sign, whole, part = "-" if wei < 0 else "", abs(wei) // WEI_PER_JOY, abs(wei) % WEI_PER_JOY
    decimals = f"{part:018d}".rstrip("0")
    return f"{sign}{whole:,}{'.' + decimals if decimals else ''} JOY"
