"""Numbers in base 2^12, each digit a column looked up in range12."""

from joynet_sdk.proofs.compiler.layout import Integers
from joynet_sdk.proofs.compiler.tables import LIMB_BITS


def limbs_of(largest: int) -> int:
    """Digits that hold 0 to `largest`."""
    return -(-largest.bit_length() // LIMB_BITS)


def names_of(number: str, count: int) -> list[str]:
    """Names of a number's columns, lowest digit first."""
    return [f"{number}{i}" for i in range(count)]


def split(number: str, values: Integers, count: int) -> dict[str, Integers]:
    """Digits by name."""
    mask = (1 << LIMB_BITS) - 1
    return {name: values >> LIMB_BITS * i & mask for i, name in enumerate(names_of(number, count))}
