"""Addresses of many chains, as EIP-2304 and ENSIP-11 store them."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from joynet_sdk.domains.bases import BASE58, from_base, to_base
from joynet_sdk.errors import InvalidInputError

MAX_BYTES = 128
EVM_FLAG = 0x8000_0000  # ENSIP-11: coin type of an EVM chain is this | its chain id
ETHEREUM = 60


@dataclass(frozen=True, slots=True)
class Coin:
    """How a chain writes its addresses.

    Attributes:
        type: SLIP-44 coin type.
        encode: Address text to the binary form of EIP-2304; ValueError for anything else.
        decode: The other way round.
    """

    type: int
    encode: Callable[[str], bytes]
    decode: Callable[[bytes], str]


def coin_type(key: str) -> int:
    """The coin type that a word names: "eth", "btc", "evm:10", or a number.

    Raises:
        InvalidInputError: Not a chain we know, nor a number.
    """
    word = key.lower()
    if word in COINS:
        return COINS[word].type
    head, _, number = word.rpartition(":")
    if head in ("", "evm") and number.isascii() and number.isdigit():
        value = int(number) | (EVM_FLAG if head else 0)
        if value < 2**256:
            return ETHEREUM if value == EVM_FLAG | 1 else value
    raise InvalidInputError(
        f"chain is {key!r}, expected {', '.join(COINS)}, evm:CHAIN_ID or a SLIP-44 number"
    )


def coin_name(number: int) -> str:
    """The word for a coin type."""
    for word, coin in COINS.items():
        if coin.type == number:
            return word
    return f"evm:{number ^ EVM_FLAG}" if number & EVM_FLAG and number < 2**32 else str(number)


def encode_address(number: int, text: str) -> bytes:
    """An address as EIP-2304 stores it.

    Args:
        number: Coin type.
        text: As its chain writes it; 0x and hex for chains that are not known here.

    Raises:
        InvalidInputError: Not an address of this chain.
    """
    coin = _coin(number)
    try:
        binary = coin.encode(text.strip())
    except ValueError:
        raise InvalidInputError(
            f"{coin_name(number)} address is {text!r:.100}, which is none of that chain"
        ) from None
    if not 0 < len(binary) <= MAX_BYTES:
        raise InvalidInputError(f"address has {len(binary)} bytes, expected 1 to {MAX_BYTES}")
    return binary


def decode_address(number: int, binary: bytes) -> str:
    """A stored address as its chain writes it, or 0x and hex when it is none."""
    try:
        return _coin(number).decode(binary)
    except ValueError:
        return "0x" + binary.hex()


def _coin(number: int) -> Coin:
    known = next((coin for coin in COINS.values() if coin.type == number), None)
    if known is not None:
        return known
    if number & EVM_FLAG and number < 2**32:
        return Coin(number, _evm_bytes, _evm_text)
    return Coin(number, _hex_bytes, lambda binary: "0x" + binary.hex())


def _hex_bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(text)
    return bytes.fromhex(text[2:])


def _evm_bytes(text: str) -> bytes:
    binary = _hex_bytes(text)
    digits = text[2:]
    if len(binary) != 20 or (
        digits not in (digits.lower(), digits.upper()) and _evm_text(binary) != text
    ):
        raise ValueError(text)
    return binary


def _evm_text(binary: bytes) -> str:
    from eth_utils.address import to_checksum_address

    if len(binary) != 20:
        raise ValueError(binary)
    return str(to_checksum_address(binary))


def _check_sum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]


def _base58check(text: str) -> bytes:
    raw = from_base(text, BASE58)
    if len(raw) < 5 or _check_sum(raw[:-4]) != raw[-4:]:
        raise ValueError(text)
    return raw[:-4]


def _bitcoin_like(number: int, prefix: str, key_hash: int, script_hash: int) -> Coin:
    """A chain whose addresses stand for output scripts: P2PKH, P2SH and witness programs."""

    def encode(text: str) -> bytes:
        if prefix and text.lower().startswith(prefix + "1"):
            version, program = _segwit_program(prefix, text)
            return bytes((version + 0x50 if version else 0, len(program))) + program
        raw = _base58check(text)
        if len(raw) == 21 and raw[0] == key_hash:
            return b"\x76\xa9\x14" + raw[1:] + b"\x88\xac"
        if len(raw) == 21 and raw[0] == script_hash:
            return b"\xa9\x14" + raw[1:] + b"\x87"
        raise ValueError(text)

    def decode(script: bytes) -> str:
        if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
            payload = bytes((key_hash,)) + script[3:23]
        elif len(script) == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
            payload = bytes((script_hash,)) + script[2:22]
        elif prefix and 4 <= len(script) <= 42 and len(script) == script[1] + 2:
            version = script[0] - 0x50 if script[0] else 0
            return _segwit_text(prefix, version, script[2:])
        else:
            raise ValueError(script)
        return to_base(payload + _check_sum(payload), BASE58)

    return Coin(number, encode, decode)


def _polymod(values: Iterable[int]) -> int:
    """The checksum of BIP-173."""
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, part in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= part if top >> i & 1 else 0
    return check


def _stretch(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regroup(values: Iterable[int], size: int, new_size: int, *, pad: bool) -> list[int]:
    """Bits in groups of another size."""
    bits = "".join(f"{value:0{size}b}" for value in values)
    rest = len(bits) % new_size
    if rest and pad:
        bits += "0" * (new_size - rest)
    elif rest:
        if rest >= size or "1" in bits[-rest:]:
            raise ValueError("stray bits")
        bits = bits[:-rest]
    return [int(bits[i : i + new_size], 2) for i in range(0, len(bits), new_size)]


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_SEGWIT_V0, _SEGWIT_LATER = 1, 0x2BC830A3  # BIP-173, BIP-350


def _segwit_program(prefix: str, text: str) -> tuple[int, bytes]:
    if text not in (text.lower(), text.upper()) or not 14 <= len(text) <= 90:
        raise ValueError(text)
    data = [_BECH32.index(char) for char in text.lower()[len(prefix) + 1 :]]
    version, program = data[0], bytes(_regroup(data[1:-6], 5, 8, pad=False))
    wanted = _SEGWIT_LATER if version else _SEGWIT_V0
    is_sized = len(program) in (20, 32) if version == 0 else 2 <= len(program) <= 40
    if _polymod(_stretch(prefix) + data) != wanted or version > 16 or not is_sized:
        raise ValueError(text)
    return version, program


def _segwit_text(prefix: str, version: int, program: bytes) -> str:
    is_sized = len(program) in (20, 32) if version == 0 else len(program) >= 2
    if not 0 <= version <= 16 or not is_sized:
        raise ValueError(program)
    data = [version, *_regroup(program, 8, 5, pad=True)]
    wanted = _SEGWIT_LATER if version else _SEGWIT_V0
    check = _polymod(_stretch(prefix) + data + [0] * 6) ^ wanted
    data += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return f"{prefix}1{''.join(_BECH32[value] for value in data)}"


def _solana_bytes(text: str) -> bytes:
    raw = from_base(text, BASE58)
    if len(raw) != 32:
        raise ValueError(text)
    return raw


COINS = {
    "eth": Coin(ETHEREUM, _evm_bytes, _evm_text),
    "btc": _bitcoin_like(0, "bc", 0x00, 0x05),
    "ltc": _bitcoin_like(2, "ltc", 0x30, 0x32),
    "doge": _bitcoin_like(3, "", 0x1E, 0x16),
    "sol": Coin(501, _solana_bytes, lambda binary: to_base(binary, BASE58)),
    "etc": Coin(61, _evm_bytes, _evm_text),
}
