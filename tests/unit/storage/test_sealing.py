"""Sealed files: what was sealed opens, anything else does not (docs/spec/sealed-models.md)."""

import hashlib
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.storage import sealing
from joynet_sdk.storage.sealing import (
    CHUNK_BYTES,
    TAG_BYTES,
    SealingReader,
    chunk_count,
    file_key,
    open_pieces,
    sealed_size,
)

KEY, PATH = bytes(range(32)), "model.safetensors"
EDGES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES]
WHOLE = CHUNK_BYTES + TAG_BYTES


def plaintext(size, seed=0):
    return random.Random(seed).randbytes(size)


def seal(data, path=PATH, key=KEY, read=65_537):
    reader = SealingReader(io.BytesIO(data), len(data), hashlib.sha256(data).digest(), path, key)
    return b"".join(iter(lambda: reader.read(read), b""))


def unseal(sealed, data, path=PATH, key=KEY, cut=1_000_003):
    """Open as `data` claims to be: its size and digest are what the manifest says."""
    pieces = (sealed[at : at + cut] for at in range(0, len(sealed), cut))
    digest = hashlib.sha256(data).digest()
    return b"".join(open_pieces(pieces, len(data), digest, path, key))


@pytest.fixture(scope="module")
def three():
    """A file of two whole chunks and a bit, sealed."""
    data = plaintext(2 * CHUNK_BYTES + 1000)
    return data, seal(data)


@pytest.mark.parametrize("size", EDGES)
def test_what_was_sealed_opens(size):
    data = plaintext(size)
    sealed = seal(data)
    assert len(sealed) == sealed_size(size)
    assert unseal(sealed, data) == data


@given(size=st.integers(0, 3 * CHUNK_BYTES), read=st.integers(1 << 12, 2 * CHUNK_BYTES),
       cut=st.integers(1 << 12, 2 * CHUNK_BYTES))  # fmt: skip
def test_how_it_is_read_and_cut_does_not_matter(size, read, cut):
    data = plaintext(size)
    assert unseal(seal(data, read=read), data, cut=cut) == data


@pytest.mark.parametrize("size", EDGES)
def test_every_part_of_every_chunk_is_authenticated(size):
    data = plaintext(size)
    sealed = seal(data)
    starts = range(0, len(sealed), WHOLE)
    ends = [min(start + WHOLE, len(sealed)) for start in starts]
    positions = set()
    for start, end in zip(starts, ends, strict=True):
        tag = end - TAG_BYTES
        positions |= {max(start, at) for at in (start, (start + end) // 2, tag - 1, tag, end - 1)}
    for position in sorted(positions):
        bad = bytearray(sealed)
        bad[position] ^= 1 << position % 8
        with pytest.raises(VerificationError, match="does not open"):
            unseal(bytes(bad), data)


@given(position=st.integers(0, 3 * CHUNK_BYTES), bit=st.integers(0, 7))
def test_no_bit_can_be_changed(three, position, bit):
    data, sealed = three
    bad = bytearray(sealed)
    bad[position % len(sealed)] ^= 1 << bit
    with pytest.raises(VerificationError, match="does not open"):
        unseal(bytes(bad), data)


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("lost", [1, TAG_BYTES, TAG_BYTES + 1, CHUNK_BYTES, WHOLE])
def test_a_cut_is_seen(size, lost):
    data = plaintext(size)
    sealed = seal(data)
    with pytest.raises(VerificationError, match="length is not|ends after|does not open"):
        unseal(sealed[: max(0, len(sealed) - lost)], data)


@pytest.mark.parametrize("size", [CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 5])
def test_a_cut_at_a_chunk_edge_is_seen_even_when_the_manifest_agrees(size):
    """The flag of the last chunk says so, not only the length."""
    data = plaintext(size + CHUNK_BYTES)
    whole = (size // CHUNK_BYTES) * CHUNK_BYTES
    shorter, digest = whole // CHUNK_BYTES * WHOLE, hashlib.sha256(data).digest()
    with pytest.raises(VerificationError, match="does not open"):
        list(open_pieces([seal(data)[:shorter]], whole, digest, PATH, KEY))


@pytest.mark.parametrize("more", [b"\0", bytes(TAG_BYTES), bytes(WHOLE)], ids=len)
@pytest.mark.parametrize("size", EDGES)
def test_nothing_may_follow(size, more):
    data = plaintext(size)
    with pytest.raises(VerificationError, match="length is not"):
        unseal(seal(data) + more, data)


@pytest.mark.parametrize(
    "order", [(1, 0, 2), (0, 0, 2), (0, 2, 1), (1, 1, 2), (0, 2), (0, 1, 1, 2)]
)
def test_chunks_stay_where_they_are(three, order):
    data, sealed = three
    chunks = [sealed[:WHOLE], sealed[WHOLE : 2 * WHOLE], sealed[2 * WHOLE :]]
    with pytest.raises(VerificationError, match="does not open|length is not"):
        unseal(b"".join(chunks[index] for index in order), data)


def test_no_chunk_is_given_before_it_was_authenticated(three):
    data, sealed = three
    bad = bytearray(sealed)
    bad[WHOLE + 5] ^= 1
    opened = open_pieces([bytes(bad)], len(data), hashlib.sha256(data).digest(), PATH, KEY)
    assert next(opened) == data[:CHUNK_BYTES]
    with pytest.raises(VerificationError, match="chunk 2 of 3"):
        next(opened)


def test_files_cannot_be_swapped():
    one, two = plaintext(1000, 1), plaintext(1000, 2)
    with pytest.raises(VerificationError):
        unseal(seal(two, "b"), one, "a")
    with pytest.raises(VerificationError):  # the same bytes under another path
        unseal(seal(one, "b"), one, "a")
    with pytest.raises(VerificationError):  # another version of the file, same path and key
        unseal(seal(two, "a"), one, "a")


def test_another_key_opens_nothing():
    data = plaintext(10)
    with pytest.raises(VerificationError, match="does not open"):
        unseal(seal(data), data, key=bytes(32))


def test_no_key_and_nonce_is_used_for_two_plaintexts():
    """Another path, key or content gives another AES key."""
    digests = [hashlib.sha256(bytes([n])).digest() for n in range(2)]
    keys = {file_key(key, path, digest) for key in (KEY, bytes(32)) for path in ("a", "b", "a/b")
            for digest in digests}  # fmt: skip
    assert len(keys) == 12
    data = plaintext(3 * CHUNK_BYTES)
    nonces = {sealing._nonce(index, index == 2) for index in range(chunk_count(len(data)))}
    assert len(nonces) == 3


def test_equal_plaintexts_seal_equally():
    """So that publishing the same files again gives the same model."""
    data = plaintext(1000)
    assert seal(data) == seal(data)


@pytest.mark.parametrize("now", [b"changed bytes", b"longer than it was", b"short"], ids=len)
def test_a_file_that_changes_meanwhile_is_refused(now):
    before = b"as it was now"
    reader = SealingReader(io.BytesIO(now), len(before), hashlib.sha256(before).digest(), PATH, KEY)
    with pytest.raises(InvalidInputError, match="changed while it was sealed"):
        reader.read(1 << 20)


@pytest.mark.parametrize("size", [-1, sealing.MAX_FILE_BYTES + 1])
def test_sizes_are_bounded(size):
    with pytest.raises(InvalidInputError, match="expected 0 to"):
        sealed_size(size)


class Endless(io.RawIOBase):
    """A plaintext of a fixed size that is never in memory."""

    def __init__(self, size):
        self.left = size

    def read(self, size=-1):
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def test_memory_does_not_grow_with_the_file():
    import tracemalloc

    size = 48 * CHUNK_BYTES
    digest = hashlib.sha256(bytes(size)).digest()
    tracemalloc.start()
    reader = SealingReader(Endless(size), size, digest, PATH, KEY)
    opened = open_pieces(iter(lambda: reader.read(CHUNK_BYTES), b""), size, digest, PATH, KEY)
    total = sum(map(len, opened))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == size
    assert peak < 10 * CHUNK_BYTES
