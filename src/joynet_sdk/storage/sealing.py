"""Files sealed in chunks of AES-256-GCM, and opened again, in memory that does not grow.

The format is docs/spec/sealed-models.md. Nothing here trusts a ciphertext: what differs from the
manifest in a bit, in order or in length is refused.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from joynet_sdk.errors import InvalidInputError, VerificationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CIPHER = "aes-256-gcm-chunked/1"
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
MAX_FILE_BYTES = 1 << 40
_SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES
_FILE = b"joynet/sealed-file/1"


def chunk_count(size: int) -> int:
    """Chunks of a plaintext of `size` bytes: at least one.

    Raises:
        InvalidInputError: Negative, or over 2^40 bytes.
    """
    if not 0 <= size <= MAX_FILE_BYTES:
        raise InvalidInputError(f"file of {size} bytes, expected 0 to {MAX_FILE_BYTES}")
    return max(1, -(-size // CHUNK_BYTES))


def sealed_size(size: int) -> int:
    """Bytes of the ciphertext of a plaintext of `size` bytes."""
    return size + TAG_BYTES * chunk_count(size)


def file_key(content_key: bytes, path: str, sha256: bytes) -> bytes:
    """The AES-256 key of one file.

    Args:
        content_key: 32 bytes, of the model.
        path: As in the manifest.
        sha256: Of the plaintext, 32 bytes.
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(content_key) != 32 or len(sha256) != 32:
        raise InvalidInputError(
            f"content key and digest have {len(content_key)} and {len(sha256)} bytes, expected 32"
        )
    return HKDF(SHA256(), 32, sha256, _FILE + path.encode()).derive(content_key)


class SealingReader:
    """Reads a file's ciphertext while its plaintext is read; for whatever takes a stream.

    Args:
        plain: The plaintext, `size` bytes.
        size: What the stream must hold.
        sha256: Digest of the plaintext, read before; the end of the stream is checked against it.
        path: As in the manifest.
        content_key: 32 bytes.
    """

    def __init__(
        self, plain: BinaryIO, size: int, sha256: bytes, path: str, content_key: bytes
    ) -> None:
        self._plain, self._path, self._expected = plain, path, sha256
        self._cipher = _aes(file_key(content_key, path, sha256))
        self._count, self._index, self._left = chunk_count(size), 0, size
        self._hasher = hashlib.sha256()
        self._ready = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of ciphertext; none at its end.

        Raises:
            InvalidInputError: The plaintext is not what it was when its digest was taken.
        """
        if not self._ready and self._index < self._count:
            self._ready = memoryview(self._seal_next())
        piece, self._ready = self._ready[:size], self._ready[size:]
        return bytes(piece)

    def _seal_next(self) -> bytes:
        wanted = min(CHUNK_BYTES, self._left)
        chunk = read_exactly(self._plain, wanted)
        is_last = self._index == self._count - 1
        self._hasher.update(chunk)
        is_as_before = len(chunk) == wanted and not (is_last and self._plain.read(1))
        if not is_as_before or (is_last and self._hasher.digest() != self._expected):
            raise InvalidInputError(
                f"{self._path} changed while it was sealed", hint="run the command again"
            )
        sealed = self._cipher.encrypt(_nonce(self._index, is_last), chunk, None)
        self._index, self._left = self._index + 1, self._left - wanted
        return sealed


def open_pieces(
    pieces: Iterable[bytes], size: int, sha256: bytes, path: str, content_key: bytes
) -> Iterator[bytes]:
    """The plaintext of a sealed file, chunk by chunk; each was authenticated before it is given.

    The whole is right only when the iterator has ended without an error: keep it aside until then.

    Args:
        pieces: The ciphertext, cut anyhow.
        size: Bytes of the plaintext, as in the manifest.
        sha256: Of the plaintext, 32 bytes.
        path: As in the manifest.
        content_key: 32 bytes.

    Raises:
        VerificationError: Another key, or anything but exactly this file's ciphertext.
    """
    from cryptography.exceptions import InvalidTag

    cipher, count = _aes(file_key(content_key, path, sha256)), chunk_count(size)
    hasher, index = hashlib.sha256(), 0
    for sealed in _rechunk(pieces):
        is_last = index == count - 1
        length = (size - index * CHUNK_BYTES if is_last else CHUNK_BYTES) + TAG_BYTES
        if index >= count or len(sealed) != length:
            raise _refusal(path, f"its length is not {sealed_size(size)} bytes")
        try:
            chunk = cipher.decrypt(_nonce(index, is_last), sealed, None)
        except InvalidTag:
            raise _refusal(path, f"chunk {index + 1} of {count} does not open") from None
        hasher.update(chunk)
        index += 1
        yield chunk
    if index != count:
        raise _refusal(path, f"it ends after {index} of {count} chunks")
    if hasher.digest() != sha256:
        raise _refusal(path, f"its SHA-256 is 0x{hasher.hexdigest()}")


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes of a stream, fewer only at its end."""
    parts = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _rechunk(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces of any size as sealed chunks; the last one is what is left."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _SEALED_CHUNK:
            yield bytes(memoryview(held)[:_SEALED_CHUNK])
            del held[:_SEALED_CHUNK]
    if held:
        yield bytes(held)


def _aes(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _nonce(index: int, is_last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes((is_last,))


def _refusal(path: str, problem: str) -> VerificationError:
    return VerificationError(
        f"sealed file {path[:80]!r}: {problem}",
        hint="the key is another model's, or the file is damaged: fetch it again",
    )
