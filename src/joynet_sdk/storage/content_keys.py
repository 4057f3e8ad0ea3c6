"""Content keys of sealed models, kept in one home: files that only their owner can read.

Who loses them cannot release a key any more, and who reads them can open the model: a copy that
leaves the home is locked with a password.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from joynet_sdk.errors import AuthError, InvalidInputError
from joynet_sdk.formats import parse_hex
from joynet_sdk.keywrap import check_content_key, content_key_hash, new_content_key
from joynet_sdk.paths import atomic_write, file_errors

FORMAT = "joynet-content-key/1"
MAX_BYTES = 4096
_N, _R, _P = 2**15, 8, 1
_SCRYPT = {"kdf": "scrypt", "n": _N, "r": _R, "p": _P}
_NONCE_BYTES = 12


class KeptKey(NamedTuple):
    """A content key in a home, without its secret.

    Attributes:
        key_hash: As manifest and terms have it, 32 bytes.
        content: Digest of the plaintexts it was made for, 32 bytes, or empty when it was bought.
    """

    key_hash: bytes
    content: bytes


class ContentKeys:
    """The keys below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, content_key: bytes, content: bytes = b"") -> bytes:
        """Store a key, durably; keeping it twice changes nothing.

        Args:
            content: Of `storage.sealed_models.content_id`, by which `obtain` finds it.

        Returns:
            Its hash.
        """
        key_hash = content_key_hash(content_key)
        if not content and self._path(key_hash).exists():
            return key_hash
        document = {
            "format": FORMAT,
            "key": "0x" + content_key.hex(),
            "key_hash": "0x" + key_hash.hex(),
            "content": "0x" + content.hex(),
        }
        atomic_write(self._path(key_hash), json.dumps(document) + "\n")
        return key_hash

    def get(self, key_hash: bytes) -> bytes | None:
        """The content key with this hash, or None.

        Raises:
            AuthError: The file may be read by others, or is damaged.
        """
        path = self._path(key_hash)
        if not path.exists():
            return None
        document = _read(path)
        key = _field(document, "key", 32, path)
        if content_key_hash(key) != key_hash:
            raise AuthError(f"{path} holds another key than its name says", hint=_RESTORE)
        return key

    def obtain(self, content: bytes) -> bytes:
        """The key that these plaintexts were sealed with before, else a new one, stored."""
        for kept in self:
            if kept.content == content:
                key = self.get(kept.key_hash)
                assert key is not None, "it was there a moment ago"
                return key
        key = new_content_key()
        self.keep(key, content)
        return key

    def __iter__(self) -> Iterator[KeptKey]:
        """Every key that is kept, by hash."""
        with file_errors(self._folder):
            paths = sorted(self._folder.glob("*.json"))
        for path in paths:
            document = _read(path)
            size = 32 if document.get("content") != "0x" else 0
            yield KeptKey(
                _field(document, "key_hash", 32, path), _field(document, "content", size, path)
            )

    def lock(self, content_key: bytes, password: str) -> bytes:
        """A key as a document that its password opens.

        Raises:
            InvalidInputError: The password is empty.
        """
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        if not password:
            raise InvalidInputError("the password is empty, expected at least one character")
        key_hash = content_key_hash(content_key)
        content = next((each.content for each in self if each.key_hash == key_hash), b"")
        salt, nonce = os.urandom(16), os.urandom(_NONCE_BYTES)
        cipher = ChaCha20Poly1305(_locking_key(password, salt))
        document = {
            "format": FORMAT,
            "key_hash": "0x" + key_hash.hex(),
            "content": "0x" + content.hex(),
            **_SCRYPT,
            "salt": "0x" + salt.hex(),
            "nonce": "0x" + nonce.hex(),
            "sealed": "0x" + cipher.encrypt(nonce, content_key, key_hash).hex(),
        }
        return json.dumps(document, indent=2).encode() + b"\n"

    def add_exported(self, path: Path, password: str) -> KeptKey:
        """Keep a key that was exported elsewhere.

        Raises:
            AuthError: Wrong password, or no exported key.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        document = _read(path, is_private=False)
        if any(document.get(name) != value for name, value in _SCRYPT.items()):
            raise AuthError(f"{path} is no exported content key", hint=_EXPORT)
        key_hash = _field(document, "key_hash", 32, path)
        content = _field(document, "content", 32 if document.get("content") != "0x" else 0, path)
        salt, nonce = _field(document, "salt", 16, path), _field(document, "nonce", 12, path)
        sealed = _field(document, "sealed", 48, path)
        try:
            key = ChaCha20Poly1305(_locking_key(password, salt)).decrypt(nonce, sealed, key_hash)
        except InvalidTag:
            raise AuthError(f"wrong password for {path.name}, or the file is damaged") from None
        check_content_key(key, key_hash)
        self.keep(key, content)
        return KeptKey(key_hash, content)

    def _path(self, key_hash: bytes) -> Path:
        return self._folder / f"{key_hash.hex()}.json"


_RESTORE = "restore it from a copy: joynet model key import FILE"
_EXPORT = "joynet model key export makes one"


def _read(path: Path, *, is_private: bool = True) -> dict[str, Any]:
    with file_errors(path), path.open("rb") as file:
        if is_private and os.fstat(file.fileno()).st_mode & 0o077:
            raise AuthError(f"{path} may be read by others", hint=f"chmod 600 {path}")
        raw = file.read(MAX_BYTES + 1)
    try:
        document = json.loads(raw) if len(raw) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise AuthError(f"{path} is no content key", hint=_RESTORE)
    return document


def _field(document: dict[str, Any], name: str, size: int, path: Path) -> bytes:
    try:
        return parse_hex(str(document[name]), size, name)
    except (KeyError, InvalidInputError):  # the message of the second may hold the key
        raise AuthError(f"{path}: its {name} is damaged", hint=_RESTORE) from None


def _locking_key(password: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt, 32, _N, _R, _P).derive(password.encode())
