"""The block store: verification, durability, quota, many threads and processes."""

import fcntl
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from joynet_sdk.errors import InvalidInputError, OverloadedError, VerificationError
from joynet_sdk.formats import DAG_PB, RAW, Cid
from joynet_sdk.storage.blocks import MAX_BLOCK_BYTES, DiskBlockStore
from joynet_sdk.storage.errors import CorruptBlockError, QuotaError, StoreError

KILLS = 12


def block(number: int, size: int = 100) -> tuple[Cid, bytes]:
    data = number.to_bytes(8, "big") * (size // 8)
    return Cid.of(RAW, data), data


def test_put_get_has_delete(store: DiskBlockStore) -> None:
    cid, data = block(1)
    assert (store.get(cid), store.has(cid), store.size(cid)) == (None, False, None)
    store.put(cid, data)
    store.put(cid, data)
    assert (store.get(cid), store.has(cid), store.size(cid)) == (data, True, len(data))
    assert store.stat()[1:3] == (1, len(data))
    assert store.delete(cid)
    assert not store.delete(cid)
    assert store.get(cid) is None
    assert store.stat()[1:3] == (0, 0)
    assert not store.path_of(cid.digest).exists()


def test_codecs_share_the_bytes(store: DiskBlockStore) -> None:
    _, data = block(1)
    store.put(Cid.of(RAW, data), data)
    assert store.get(Cid.of(DAG_PB, data)) == data


def test_wrong_and_oversized_blocks_are_refused(store: DiskBlockStore) -> None:
    cid, data = block(1)
    with pytest.raises(VerificationError, match="SHA-256"):
        store.put(cid, data + b"x")
    large = bytes(MAX_BLOCK_BYTES + 1)
    with pytest.raises(InvalidInputError, match="2097153 bytes"):
        store.put(Cid.of(RAW, large), large)
    assert store.stat().blocks == 0
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damage_on_disk_is_found_and_can_be_healed(store: DiskBlockStore, damage: str) -> None:
    cid, data = block(1)
    store.put(cid, data)
    path = store.path_of(cid.digest)
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(data[:50] if damage == "truncate" else b"\xff" + data[1:])
    with pytest.raises(CorruptBlockError, match="is damaged on disk"):
        store.get(cid)
    assert store.get(cid) is None
    assert store.stat().blocks == 0
    store.put(cid, data)
    assert store.get(cid) == data


def test_blocks_survive_reopening(tmp_path: Path) -> None:
    cid, data = block(7)
    with DiskBlockStore(tmp_path / "s") as store:
        store.put(cid, data)
    with DiskBlockStore(tmp_path / "s") as store:
        assert store.get(cid) == data


def test_quota_is_exact_and_keeps_what_was_there(tmp_path: Path) -> None:
    with DiskBlockStore(tmp_path / "s", quota_bytes=250) as store:
        for number in (1, 2):
            store.put(*block(number, 120))
        store.put(*block(1, 120))
        with pytest.raises(
            QuotaError, match="240 bytes used, 120 more asked, expected at most 250"
        ):
            store.put(*block(3, 120))
        with store.batch() as batch:
            batch.put(*block(4, 8))
            with pytest.raises(QuotaError, match="16 more asked"):
                batch.put(*block(5, 8))
            batch.discard()
        assert store.stat()[1:3] == (2, 240)
        assert list((store.root / "tmp").iterdir()) == []


def test_quota_holds_between_stores_that_fill_at_once(tmp_path: Path) -> None:
    """Both batches pass the early check; the one that commits second is refused."""
    with (
        DiskBlockStore(tmp_path / "s", quota_bytes=250) as first,
        DiskBlockStore(tmp_path / "s", quota_bytes=250) as second,
    ):
        with first.batch() as one, second.batch() as two:
            one.put(*block(1, 200))
            two.put(*block(2, 200))
            one.flush()
            with pytest.raises(QuotaError):
                two.flush()
            two.discard()
        assert first.stat()[1:3] == (1, 200)


def test_an_interrupted_batch_leaves_nothing_that_counts(store: DiskBlockStore) -> None:
    def interrupted() -> None:
        with store.batch() as batch:
            batch.put(*block(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.stat().blocks == 0
    assert list((store.root / "tmp").iterdir()) == []


def test_batches_become_visible_as_they_fill(store: DiskBlockStore) -> None:
    with store.batch() as batch:
        for number in range(300):
            batch.put(*block(number))
        assert store.stat().blocks == 256
    assert store.stat().blocks == 300
    assert all(store.get(block(number)[0]) == block(number)[1] for number in range(300))


def test_threads_share_a_store(store: DiskBlockStore) -> None:
    errors: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(start, start + 12):
                store.put(*block(number % 30))
                assert store.get(block(number % 30)[0]) == block(number % 30)[1]
        except BaseException as error:  # noqa: BLE001  (shown by the assertion below)
            errors.append(error)

    threads = [threading.Thread(target=work, args=(start * 6,)) for start in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert store.stat().blocks == 30


def test_removal_waits_for_writers(store: DiskBlockStore) -> None:
    with store.adding(), pytest.raises(OverloadedError, match="being written to"):
        store.exclusive(timeout_s=0.1).__enter__()
    with store.exclusive(timeout_s=0.1):
        pass


WRITER = """
import sys
from pathlib import Path
from joynet_sdk.formats import RAW, Cid
from joynet_sdk.storage.blocks import DiskBlockStore
start = int(sys.argv[2])
with DiskBlockStore(Path(sys.argv[1])) as store:
    for group in range(start, start + int(sys.argv[3])):
        with store.batch() as batch:
            for number in range(group * 4, group * 4 + 4):
                data = number.to_bytes(8, "big") * 500
                batch.put(Cid.of(RAW, data), data)
        print(group, flush=True)
"""


def writer(root: Path, start: int, groups: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(root), str(start), str(groups)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_kill_9_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    root, acknowledged, start = tmp_path / "s", set[int](), 0
    for attempt in range(KILLS):
        child = writer(root, start, 10_000)
        assert child.stdout is not None
        for _ in range(1 + attempt % 4):
            acknowledged.add(int(child.stdout.readline()))
        child.kill()
        acknowledged |= {int(line) for line in child.stdout.read().split()}
        child.wait(10)
        child.stdout.close()
        start = max(acknowledged) + 1
        with DiskBlockStore(root) as store:
            known = store.index.digests()
            assert {digest.hex() for digest in known} <= {
                path.name for path in (root / "blocks").rglob("*") if path.is_file()
            }
            assert store.stat().blocks == len(known)
            assert all(store.get(Cid(RAW, digest)) is not None for digest in known)
            for number in (4 * group + i for group in acknowledged for i in range(4)):
                assert store.has(block(number, 4000)[0])
            assert list((root / "tmp").iterdir()) == []
    database = sqlite3.connect(root / "index.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_processes_share_a_store(tmp_path: Path) -> None:
    root = tmp_path / "s"
    children = [writer(root, start, 6) for start in (0, 3, 6)]
    for child in children:
        output, _ = child.communicate(timeout=60)
        assert child.returncode == 0, output
    with DiskBlockStore(root) as store:
        assert store.stat()[1:3] == (48, 48 * 4000)
        assert all(store.get(block(number, 4000)[0]) is not None for number in range(48))


def test_full_disk_is_a_clear_error_and_leaves_no_part(store: DiskBlockStore) -> None:
    cid, data = block(1, 65_536)
    store.put(*block(2))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32_768, before[1]))
    try:
        with pytest.raises(StoreError, match="the file would pass the size limit"):
            store.put(cid, data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((store.root / "tmp").iterdir()) == []
    assert (store.stat().blocks, store.has(cid)) == (1, False)
    store.put(cid, data)
    assert store.get(cid) == data


READ_ONLY = """
import os, sys
from pathlib import Path
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.errors import StoreError
if os.getuid() == 0:  # root may write anywhere: become nobody
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    DiskBlockStore(Path(sys.argv[1]))
except StoreError as error:
    print(error, error.hint)
"""


def test_read_only_folder_is_a_clear_error() -> None:
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder)
        parent.chmod(0o555)
        try:
            done = subprocess.run(
                [sys.executable, "-c", READ_ONLY, str(parent / "s")],
                capture_output=True, text=True, timeout=60, check=False, cwd="/",
            )  # fmt: skip
        finally:
            parent.chmod(0o755)
    assert "permission denied" in done.stdout, done.stderr
    assert "ls -ld" in done.stdout


def test_damaged_index_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "index.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        DiskBlockStore(tmp_path / "s")


def test_leftovers_are_swept_only_while_nobody_writes(tmp_path: Path) -> None:
    root = tmp_path / "s"
    DiskBlockStore(root).close()
    stray = root / "tmp" / "1-2-3"
    stray.write_bytes(b"x")
    lock = os.open(root / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        DiskBlockStore(root).close()
        assert stray.exists()
    finally:
        os.close(lock)
    DiskBlockStore(root).close()
    assert not stray.exists()
