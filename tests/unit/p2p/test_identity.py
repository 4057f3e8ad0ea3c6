"""Peer keys: files, ids, signatures that a contract can check."""

import hashlib
import threading

import pytest
from eth_keys.datatypes import Signature
from hypothesis import given, settings
from hypothesis import strategies as st

from joynet_sdk.errors import AuthError, ConfigError, InvalidInputError
from joynet_sdk.p2p.identity import (
    Identity,
    compressed_of,
    load_or_create,
    peer_id_of,
    verify_digest,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ONE = bytes(31) + b"\x01"


def test_known_peer_id():
    # libp2p's own encoding of the generator point, pinned so that it never moves
    assert Identity(ONE).peer_id == "16Uiu2HAm3cuhhRL2msUuLF62KRSfneFDx94RsuouyW25Ho42cFMq"
    assert Identity(ONE).compressed.hex().startswith("0279be667ef9dcbbac55a06295ce870b07")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, ORDER - 1))
def test_peer_ids_equal_libp2ps_and_convert_back(number):
    from libp2p.crypto.secp256k1 import create_new_key_pair
    from libp2p.peer.id import ID

    identity = Identity(number.to_bytes(32, "big"))
    theirs = ID.from_pubkey(create_new_key_pair(identity.private_key).public_key)
    assert identity.peer_id == theirs.to_base58()
    assert compressed_of(identity.peer_id) == identity.compressed
    assert peer_id_of(identity.compressed) == identity.peer_id


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_signatures_recover_as_ecrecover_does(digest):
    identity = Identity.generate()
    v, r, s = identity.sign_digest(digest)
    assert v in (27, 28)
    assert int.from_bytes(s, "big") <= ORDER // 2
    signature = Signature(vrs=(v - 27, int.from_bytes(r, "big"), int.from_bytes(s, "big")))
    assert signature.recover_public_key_from_msg_hash(digest).to_bytes() == identity.public_key_xy
    assert verify_digest(digest, v, r, s, identity.public_key_xy)
    other = hashlib.sha256(digest).digest()
    assert not verify_digest(other, v, r, s, identity.public_key_xy)
    assert not verify_digest(digest, v, r, s, Identity.generate().public_key_xy)
    assert not verify_digest(digest, 55 - v, r, s, identity.public_key_xy)
    assert not verify_digest(digest, v - 27, r, s, identity.public_key_xy)


def test_malformed_signature_does_not_verify():
    assert not verify_digest(bytes(32), 27, b"\xff" * 32, b"\xff" * 32, bytes(64))
    assert not verify_digest(bytes(32), 27, b"", b"", bytes(64))


@pytest.mark.parametrize("key", [bytes(32), ORDER.to_bytes(32, "big"), b"", bytes(33)])
def test_bad_keys_are_refused(key):
    with pytest.raises(InvalidInputError):
        Identity(key)


def test_digest_of_another_length_is_refused():
    with pytest.raises(InvalidInputError, match="expected 32"):
        Identity(ONE).sign_digest(b"short")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Qm" + "a" * 44,
        "12D3KooWGCcBtkqVvbwQGGYVpUNMBvBwZVuPXSSwTzqBRTXKqAJm",
        "1" * 53,
        "16Uiu2HAm0OIl" + "1" * 40,
        Identity(ONE).peer_id + "1",
        Identity(ONE).peer_id[:-1],
    ],
)
def test_other_peer_ids_are_refused(text):
    with pytest.raises(InvalidInputError, match="peer id"):
        compressed_of(text)


def test_private_key_is_not_printed():
    assert ONE.hex() not in repr(Identity(ONE))
    assert repr(ONE) not in repr(Identity(ONE))


def test_key_file_is_private_and_stable(tmp_path):
    path = tmp_path / "home" / "peer.key"
    first = load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create(path) == first
    assert [each.name for each in path.parent.iterdir()] == ["peer.key"]


def test_racing_processes_agree_on_one_key(tmp_path):
    path, found = tmp_path / "peer.key", []
    start = threading.Barrier(8)

    def load() -> None:
        start.wait()
        found.append(load_or_create(path).peer_id)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_readable_key_file_is_refused(tmp_path):
    path = tmp_path / "peer.key"
    load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(AuthError, match="0640, expected 0600"):
        load_or_create(path)


@pytest.mark.parametrize("content", [b"", b"xyz", b"00" * 32, b"11" * 31, b"\xff\xfe"])
def test_damaged_key_file_is_refused_and_kept(content, tmp_path):
    path = tmp_path / "peer.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="not 64 hex digits"):
        load_or_create(path)
    assert path.read_bytes() == content


def test_unusable_folder_is_a_config_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError):
        load_or_create(tmp_path / "file" / "peer.key")
