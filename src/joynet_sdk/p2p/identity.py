"""The peer key: secp256k1, so that a contract can check who holds it (docs/spec/identifiers.md)."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from joynet_sdk.errors import AuthError, ConfigError, InvalidInputError
from joynet_sdk.paths import file_errors, private_dir, sync_dir

KEY_BYTES = 32
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ID_PREFIX = bytes((0x00, 0x25, 0x08, 0x02, 0x12, 0x21))  # identity multihash, protobuf, secp256k1


@dataclass(frozen=True, slots=True)
class Identity:
    """A peer key and what follows from it.

    Attributes:
        private_key: 32 bytes; never printed.
        compressed: Public key, 33 bytes.
        public_key_xy: Public key without its 0x04 prefix, x || y, 64 bytes.
        peer_id: base58btc text, e.g. "16Uiu2HAm...".
    """

    private_key: bytes = field(repr=False)
    compressed: bytes = field(init=False)
    public_key_xy: bytes = field(init=False)
    peer_id: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the public parts.

        Raises:
            InvalidInputError: Not a secp256k1 private key.
        """
        from coincurve import PublicKey

        if len(self.private_key) != KEY_BYTES:
            raise InvalidInputError(
                f"peer key has {len(self.private_key)} bytes, expected {KEY_BYTES}"
            )
        try:
            public = PublicKey.from_valid_secret(self.private_key)
        except ValueError:
            raise InvalidInputError("peer key is 0 or above the order of secp256k1") from None
        object.__setattr__(self, "compressed", public.format(compressed=True))
        object.__setattr__(self, "public_key_xy", public.format(compressed=False)[1:])
        object.__setattr__(self, "peer_id", peer_id_of(self.compressed))

    @classmethod
    def generate(cls) -> Self:
        """A fresh key from the system's random source."""
        from coincurve import PrivateKey

        return cls(PrivateKey().secret)

    def sign_digest(self, digest: bytes) -> tuple[int, bytes, bytes]:
        """Sign a 32-byte digest as ecrecover takes it.

        Returns:
            (v, r, s): v is 27 or 28, r and s are 32 bytes each, s in the lower half.

        Raises:
            InvalidInputError: The digest has another length.
        """
        from coincurve import PrivateKey

        if len(digest) != 32:
            raise InvalidInputError(f"digest has {len(digest)} bytes, expected 32")
        signature = PrivateKey(self.private_key).sign_recoverable(digest, hasher=None)
        return 27 + signature[64], signature[:32], signature[32:64]


def peer_id_of(compressed: bytes) -> str:
    """The libp2p peer id of a compressed secp256k1 public key (33 bytes)."""
    number = int.from_bytes(_ID_PREFIX + compressed, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" + text  # one leading zero byte


def compressed_of(peer_id: str) -> bytes:
    """The compressed public key (33 bytes) inside a peer id.

    Raises:
        InvalidInputError: Not a peer id over a secp256k1 key.
    """
    number = 0
    if 50 <= len(peer_id) <= 56 and all(char in _BASE58 for char in peer_id):
        for char in peer_id:
            number = number * 58 + _BASE58.index(char)
    raw = number.to_bytes(48, "big")[-39:]
    if not raw.startswith(_ID_PREFIX) or peer_id_of(raw[6:]) != peer_id:
        raise InvalidInputError(
            f"peer id {peer_id[:80]!r}: expected one over a secp256k1 key, e.g. 16Uiu2HA..."
        )
    return raw[6:]


def verify_digest(digest: bytes, v: int, r: bytes, s: bytes, public_key_xy: bytes) -> bool:
    """Does this signature over a 32-byte digest come from the holder of this key?"""
    from coincurve import PublicKey

    if v not in (27, 28) or len(r) != 32 or len(s) != 32:
        return False
    signature = r + s + bytes((v - 27,))
    try:
        signer = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except ValueError:
        return False
    return signer.format(compressed=False)[1:] == public_key_xy


def peer_key_path(home: Path) -> Path:
    """Where the peer key of a home lies."""
    return home / "peer.key"


def load_or_create(path: Path) -> Identity:
    """Read the key file at `path` (64 hex digits, mode 0600), or write a fresh one.

    Two processes that create at once end with the same key.

    Raises:
        AuthError: Others may read the file.
        ConfigError: It cannot be read or written, or holds no key.
    """
    with file_errors(path):
        if not path.exists():
            _create(path)
        mode = path.stat().st_mode & 0o777
        data = path.read_bytes()
    if mode & 0o077:
        raise AuthError(
            f"peer key {path} has mode {mode:04o}, expected 0600", hint=f"chmod 600 {path}"
        )
    try:
        return Identity(bytes.fromhex(data.decode("ascii").strip()))
    except ValueError:  # InvalidInputError is one too
        raise ConfigError(
            f"peer key {path} is not 64 hex digits of a valid key",
            hint="restore it from a backup; without it the node has a new peer id",
        ) from None


def _create(path: Path) -> None:
    """Write a key beside `path` and link it there, so that a crash leaves no half-written file."""
    private_dir(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(Identity.generate().private_key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key is the key
            os.link(temporary, path)
    finally:
        temporary.unlink()
    sync_dir(path.parent)
