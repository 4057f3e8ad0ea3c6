"""Content keys of sealed models: their hash, their wrapping, and the buyer's X25519 keys.

The format is docs/spec/sealed-models.md; the contract ModelLicenses does the same on chain.
"""

import hashlib
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from joynet_sdk.errors import InvalidInputError, VerificationError

KEY_BYTES = 32
PURPOSE = "Make the key that opens the models I buy on JoyNet. Sign this in JoyNet only."
TYPES = {"LicenceKey": [{"name": "purpose", "type": "string"}]}
_HASH, _WRAP = b"joynet/content-key/1", b"joynet/key-wrap/1"
_ROOT, _PURCHASE = b"joynet licence root", b"joynet licence key"


class Signer(Protocol):
    """An account, as far as it matters here."""

    @property
    def is_locked(self) -> bool:
        """Whether it cannot sign (a dry run)."""

    def sign_typed_data(
        self, domain: Mapping[str, Any], types: Mapping[str, Any], message: Mapping[str, Any]
    ) -> bytes:
        """Sign EIP-712 data; 65 bytes."""


class Licence(NamedTuple):
    """What a wrapped key is bound to.

    Attributes:
        id: Number of the licence.
        contract: Address of ModelLicenses, 0x text.
        chain_id: EIP-155 chain id.
    """

    id: int
    contract: str
    chain_id: int


class Wrapped(NamedTuple):
    """A content key that one buyer can read.

    Attributes:
        ephemeral: X25519 public key made for it, 32 bytes.
        key: The content key XOR the pad, 32 bytes.
    """

    ephemeral: bytes
    key: bytes


def new_content_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def content_key_hash(content_key: bytes) -> bytes:
    """What manifest and terms commit to, 32 bytes.

    Raises:
        InvalidInputError: Not 32 bytes.
    """
    return hashlib.sha256(_HASH + _checked(content_key, "content key")).digest()


def check_content_key(content_key: bytes, key_hash: bytes) -> None:
    """Refuse a key of another model.

    Raises:
        VerificationError: Its hash is not `key_hash`.
    """
    if content_key_hash(content_key) != key_hash:
        raise VerificationError(f"this content key is not the one with hash 0x{key_hash.hex()}")


# --- wrapping


def wrap(content_key: bytes, buyer_key: bytes, licence: Licence) -> Wrapped:
    """Encrypt a content key for one purchase.

    Args:
        content_key: 32 bytes.
        buyer_key: X25519 public key of the purchase, 32 bytes.

    Raises:
        InvalidInputError: `buyer_key` is a point of small order: anybody could read the key.
    """
    return wrap_with(os.urandom(KEY_BYTES), content_key, buyer_key, licence)


def wrap_with(ephemeral: bytes, content_key: bytes, buyer_key: bytes, licence: Licence) -> Wrapped:
    """`wrap` with a given ephemeral private key, for test vectors."""
    _checked(content_key, "content key")
    public = public_key(ephemeral)
    pad = _pad(_shared(ephemeral, buyer_key), public, buyer_key, licence)
    return Wrapped(public, _xor(content_key, pad))


def unwrap(private: bytes, wrapped: Wrapped, licence: Licence) -> bytes:
    """The content key that was released, not yet compared with any hash.

    Args:
        private: X25519 private key of the purchase, 32 bytes.

    Raises:
        InvalidInputError: The ephemeral key is a point of small order.
    """
    shared = _shared(private, wrapped.ephemeral)
    return _xor(wrapped.key, _pad(shared, wrapped.ephemeral, public_key(private), licence))


def public_key(private: bytes) -> bytes:
    """The X25519 public key of a private one, 32 bytes (RFC 7748)."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(_checked(private, "X25519 key"))
    return key.public_key().public_bytes_raw()


def _shared(private: bytes, public: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    mine = X25519PrivateKey.from_private_bytes(_checked(private, "X25519 key"))
    theirs = X25519PublicKey.from_public_bytes(_checked(public, "X25519 key"))
    try:
        return mine.exchange(theirs)
    except ValueError:
        raise InvalidInputError(
            f"X25519 key 0x{public.hex()} is a point of small order, expected a real public key"
        ) from None


def _pad(shared: bytes, ephemeral: bytes, buyer_key: bytes, licence: Licence) -> bytes:
    bound = licence.id.to_bytes(32, "big") + bytes.fromhex(licence.contract.removeprefix("0x"))
    bound += licence.chain_id.to_bytes(32, "big")
    return hashlib.sha256(_WRAP + shared + ephemeral + buyer_key + bound).digest()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(_checked(left, "wrapped key"), right, strict=True))


def _checked(value: bytes, what: str) -> bytes:
    if len(value) != KEY_BYTES:
        raise InvalidInputError(f"{what} has {len(value)} bytes, expected {KEY_BYTES}")
    return value


# --- the buyer's keys


def licence_root(signer: Signer, chain_id: int, contract: str) -> bytes | None:
    """The secret that all purchases of a wallet derive their keys from; the same on every machine.

    The wallet signs twice: one that gives another signature each time has no such secret.

    Args:
        signer: A locked one (dry run) gives zeros.
        chain_id: EIP-155 chain id.
        contract: Address of ModelLicenses.
    """
    if signer.is_locked:
        return bytes(KEY_BYTES)
    domain = {
        "name": "JoyNet licences",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": contract,
    }
    first, second = (signer.sign_typed_data(domain, TYPES, {"purpose": PURPOSE}) for _ in range(2))
    return _derive(first, None, _ROOT) if first == second else None


def purchase_key(root: bytes, model_id: bytes, number: int) -> bytes:
    """The X25519 private key of one purchase, 32 bytes.

    Args:
        root: Of `licence_root`.
        number: Which purchase of this model, from 0.
    """
    return _derive(root, model_id, _PURCHASE + number.to_bytes(8, "big"))


def _derive(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869), 32 bytes."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY_BYTES, salt, info).derive(secret)
