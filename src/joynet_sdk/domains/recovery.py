"""A registration that only the wallet's key is needed to finish: its secret, and a sealed hint.

Both come from one EIP-712 signature that says what it is for. The hint lies in the log of the
commitment: what was asked for, encrypted, so that a second machine with the same key can reveal.

Hint: one byte of version, 12 bytes of nonce, ChaCha20-Poly1305 (RFC 8439) of deflated JSON padded
to a multiple of 160 bytes.
"""

import json
import os
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

from joynet_sdk.errors import InvalidInputError

MAX_HINT_BYTES = 512  # the registry's limit
SALT_BYTES = 16
_VERSION, _NONCE_BYTES, _TAG_BYTES, _PAD_TO = b"\x01", 12, 16, 160
_MAX_PLAIN_BYTES = MAX_HINT_BYTES - len(_VERSION) - _NONCE_BYTES - _TAG_BYTES
_MAX_INFLATED_BYTES = 16 * 1024
PURPOSE = (
    "Make the key that keeps my JoyNet name registrations secret until they are revealed."
    " Sign this in JoyNet only."
)
TYPES = {"RegistrationKey": [{"name": "purpose", "type": "string"}]}


class Signer(Protocol):
    """An account, as far as it matters here."""

    @property
    def is_locked(self) -> bool:
        """Whether it cannot sign (a dry run)."""

    def sign_typed_data(
        self, domain: Mapping[str, Any], types: Mapping[str, Any], message: Mapping[str, Any]
    ) -> bytes:
        """Sign EIP-712 data; 65 bytes."""


def wallet_key(signer: Signer, chain_id: int, registry: str) -> bytes | None:
    """The wallet's registration key on one chain: 32 bytes, the same on every machine.

    The wallet signs twice. Some (hardware, multi-party) give another signature each time: such a
    key would be lost with the process, so there is none.

    Args:
        signer: A locked one (dry run) gives a key of zeros.
        chain_id: EIP-155 chain id.
        registry: Address of PermaNetDomainRegistry.
    """
    if signer.is_locked:
        return bytes(32)
    domain = {
        "name": "JoyNet names",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": registry,
    }
    first, second = (signer.sign_typed_data(domain, TYPES, {"purpose": PURPOSE}) for _ in range(2))
    return _derive(first, b"", b"joynet registration key") if first == second else None


def secret_of(key: bytes, salt: bytes) -> bytes:
    """The secret of one commitment, 32 bytes.

    Args:
        key: Of `wallet_key`.
        salt: 16 random bytes, new for each registration.
    """
    return _derive(key, salt, b"commitment secret")


def new_salt() -> bytes:
    """16 random bytes."""
    return os.urandom(SALT_BYTES)


def seal(key: bytes, document: Mapping[str, Any]) -> bytes:
    """A hint that only `key` opens.

    Raises:
        InvalidInputError: It does not fit into 512 bytes.
    """
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    packed = zlib.compress(text, 9)
    plain = len(packed).to_bytes(2, "big") + packed
    plain += bytes(min(-len(plain) % _PAD_TO, max(0, _MAX_PLAIN_BYTES - len(plain))))
    if len(plain) > _MAX_PLAIN_BYTES:
        raise InvalidInputError(
            f"the hint has {len(plain)} bytes, expected at most {_MAX_PLAIN_BYTES}"
        )
    nonce = os.urandom(_NONCE_BYTES)
    sealed = ChaCha20Poly1305(_derive(key, b"", b"hint")).encrypt(nonce, plain, _VERSION)
    return _VERSION + nonce + sealed


def unseal(key: bytes, hint: bytes) -> dict[str, Any] | None:
    """What a hint says; None when it was sealed with another key, or is none."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    head, nonce, sealed = hint[:1], hint[1 : 1 + _NONCE_BYTES], hint[1 + _NONCE_BYTES :]
    if head != _VERSION or len(sealed) <= _TAG_BYTES:
        return None
    try:
        plain = ChaCha20Poly1305(_derive(key, b"", b"hint")).decrypt(nonce, sealed, _VERSION)
        size = int.from_bytes(plain[:2], "big")
        text = zlib.decompressobj().decompress(plain[2 : 2 + size], _MAX_INFLATED_BYTES)
        document = json.loads(text)
    except (InvalidTag, zlib.error, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _derive(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869), 32 bytes."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt or None, purpose).derive(secret)
