"""Numbers in base 58 and base 36, as addresses and CIDs write them."""

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def from_base(text: str, alphabet: str) -> bytes:
    """Bytes of a number written with an alphabet; leading zeros are kept.

    Raises:
        ValueError: A character that is no digit of it.
    """
    number = 0
    for char in text:
        number = number * len(alphabet) + alphabet.index(char)  # ValueError: not a digit of it
    zeros = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def to_base(data: bytes, alphabet: str) -> str:
    """The other way round."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, len(alphabet))
        digits = alphabet[digit] + digits
    return alphabet[0] * (len(data) - len(data.lstrip(b"\0"))) + digits
