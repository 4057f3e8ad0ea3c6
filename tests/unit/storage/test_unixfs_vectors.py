"""CIDs: the frozen vectors, and the fixtures that IPIP-0499 publishes (made by Kubo)."""

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.storage.importer import (
    Entry,
    HashOnly,
    build_directory,
    check_name,
    import_path,
    import_stream,
    put_raw,
)
from joynet_sdk.storage.profiles import CLASSIC, profile_named

from . import trees

MIB = 1024 * 1024
KUBO_ALPHABET = "abcdefghijklmnopqrstuvwxyz01234567890-_"


@pytest.mark.parametrize("case", trees.load_vectors(), ids=lambda case: case["name"])
def test_folder_gets_the_frozen_cid(case: dict[str, Any], tmp_path: Path) -> None:
    root = trees.write_tree(case, tmp_path / "root")
    assert str(import_path(root, HashOnly(), trees.profile_of(case)).cid) == case["cid"]


class KuboRandom(io.RawIOBase):
    """The pseudo-random bytes of Kubo's fixtures: ChaCha20 under SHA-256(seed)."""

    def __init__(self, seed: str, size: int = 1 << 62) -> None:
        key = hashlib.sha256(seed.encode()).digest()
        self._stream = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor()
        self._left = size

    def read(self, size: int = -1) -> bytes:
        count = min(size, self._left)
        self._left -= count
        return self._stream.update(bytes(count))


@pytest.mark.parametrize(
    ("mib", "cid"),
    [
        (1024, "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"),
        (1025, "bafybeihmzokxxjqwxjcryerhp5ezpcog2wcawfryb2xm64xiakgm4a5jue"),
    ],
)
def test_ipip_0499_file_fixtures(mib: int, cid: str) -> None:
    node = import_stream(KuboRandom("v1-2025-seed", mib * MIB), HashOnly())
    assert (str(node.cid), node.size) == (cid, mib * MIB)


@pytest.mark.parametrize(
    ("last", "cid"),
    [
        (21, "bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4"),
        (22, "bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu"),
    ],
)
def test_ipip_0499_directory_fixtures(last: int, cid: str) -> None:
    random, sink = KuboRandom("hamt-unixfs-v1-2025"), HashOnly()
    lengths = [11] * 4765 + [last]
    names = [
        "".join(KUBO_ALPHABET[byte % len(KUBO_ALPHABET)] for byte in random.read(length))
        for length in lengths
    ]
    entries = [Entry(name, put_raw(b"x", sink)) for name in names]
    assert str(build_directory(entries, sink).cid) == cid


def test_small_file_and_empty_directory_of_the_specifications() -> None:
    sink = HashOnly()
    hello = import_stream(io.BytesIO(b"hello world"), sink)
    empty = build_directory([], sink)
    assert str(hello.cid) == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    assert str(empty.cid) == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


def test_short_reads_do_not_change_the_cid() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 1, 7))

    data = bytes(range(256)) * 5
    whole = import_stream(io.BytesIO(data), HashOnly(), CLASSIC)
    assert import_stream(Trickle(data), HashOnly(), CLASSIC) == whole


def test_hidden_files_are_left_out_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    plain = import_path(tmp_path, HashOnly())
    (tmp_path / ".hidden").write_text("y")
    assert import_path(tmp_path, HashOnly()) == plain
    assert import_path(tmp_path, HashOnly(), hidden=True) != plain


@pytest.mark.parametrize("inside", [True, False])
def test_symlinks_are_refused(tmp_path: Path, inside: bool) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link"
    link.symlink_to("/etc/passwd")
    with pytest.raises(InvalidInputError, match="link is a symlink"):
        import_path(link.parent if inside else link, HashOnly())


def test_devices_pipes_and_missing_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="device, socket or pipe"):
        import_path(Path("/dev/zero"), HashOnly())
    with pytest.raises(NotFoundError):
        import_path(tmp_path / "missing", HashOnly())


def test_nesting_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "/".join(["d"] * 65)).mkdir(parents=True)
    with pytest.raises(InvalidInputError, match="nested deeper than 64"):
        import_path(tmp_path, HashOnly())


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"a" * 100)

    def grow(_: bytes) -> None:
        with path.open("ab") as file:
            file.write(b"b")

    with pytest.raises(InvalidInputError, match="changed while it was read"):
        import_path(path, HashOnly(), on_bytes=grow)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b", "x" * 256, "\udc80"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="file name"):
        check_name(name)
    with pytest.raises(InvalidInputError, match="file name"):
        build_directory([Entry(name, put_raw(b"", HashOnly()))], HashOnly())


def test_repeated_names_and_unknown_profiles_are_refused() -> None:
    node = put_raw(b"", HashOnly())
    with pytest.raises(InvalidInputError, match="two entries named 'a'"):
        build_directory([Entry("a", node), Entry("a", node)], HashOnly())
    with pytest.raises(InvalidInputError, match="unixfs-v1-2025, classic"):
        profile_named("fast")
