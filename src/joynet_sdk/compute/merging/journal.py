"""What of a result is finished: one line a tensor, kept beside it until it is whole."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from joynet_sdk.errors import InvalidInputError, UnavailableError

FILE = ".joynet-build"
_MAX_BYTES = 64 * 1024 * 1024
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_WHOLE = ""  # in the place of a tensor's name: the whole file is on the disk


class Journal:
    """Lines `file<TAB>tensor` under a line that names the plan and this boot of the machine.

    Bytes that were written and not synced survive a killed process, not a crash of the machine:
    after another boot only files that were synced as a whole count as finished.
    """

    def __init__(self, folder: Path, plan: bytes) -> None:
        """
        Raises:
            InvalidInputError: The folder holds the beginning of another plan.
            UnavailableError: Another process works in this folder.
        """
        self._path = folder / FILE
        self._file = self._path.open("a+b", buffering=0)
        try:
            self._lock(folder)
            self._finished = self._read(folder, plan.hex())
        except BaseException:
            self._file.close()
            raise

    def _lock(self, folder: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(
                f"{folder} is being built by another process",
                hint="wait for it, or --out elsewhere",
            ) from None

    def _read(self, folder: Path, plan: str) -> dict[str, set[str]]:
        boot = _BOOT.read_text().strip() if _BOOT.exists() else "-"
        self._file.seek(0)
        lines = self._file.read(_MAX_BYTES).decode("utf-8", "replace").split("\n")
        head = lines[0].split()
        lines.pop()  # what follows the last line's end: nothing, or half a line
        found: dict[str, set[str]] = {}
        if len(head) == 2 and lines:
            if head[0] != plan:
                raise InvalidInputError(
                    f"{folder} holds the beginning of another fusion",
                    hint="--restart throws it away; or --out elsewhere",
                )
            for line in lines[1:]:
                file, _, tensor = line.partition("\t")
                found.setdefault(file, set()).add(tensor)
            if head[1] != boot:
                found = {file: done for file, done in found.items() if _WHOLE in done}
        self._file.truncate(0)
        text = f"{plan} {boot}\n"
        text += "".join(f"{file}\t{one}\n" for file, done in found.items() for one in sorted(done))
        self._file.write(text.encode())
        return found

    def done(self, file: str) -> set[str]:
        """Tensors of a file that are written."""
        return self._finished.get(file, set())

    def is_whole(self, file: str) -> bool:
        """Whether all of a file is on the disk."""
        return _WHOLE in self.done(file)

    def tensor_is_done(self, file: str, tensor: str) -> None:
        """Write down a finished tensor."""
        self._file.write(f"{file}\t{tensor}\n".encode())

    def shard_is_whole(self, file: str) -> None:
        """Write down a file that was synced."""
        self._file.write(f"{file}\t{_WHOLE}\n".encode())
        os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Take the journal away: the result is whole."""
        self._path.unlink()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
