"""Run the real command line in-process, for tests and notebooks."""

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The `--json` document: `{"ok": ..., ...}`."""
        return json.loads(self.stdout)

    @property
    def value(self) -> Any:
        """The result inside a successful `--json` document.

        Raises:
            AssertionError: The command failed; the message shows what it printed.
        """
        if self.exit_code != 0:
            raise AssertionError(f"exit {self.exit_code}: {self.stdout}{self.stderr}")
        return self.document["result"]


class _Stream(io.TextIOWrapper):
    """Text over a byte buffer, with the answer to `isatty` chosen by the test."""

    def __init__(self, data: bytes = b"", *, tty: bool = False) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8", write_through=True)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    def text(self) -> str:
        self.flush()
        raw: bytes = self.buffer.getvalue()  # type: ignore[attr-defined]  # it is a BytesIO
        return raw.decode("utf-8", "replace")


@contextmanager
def _environ(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _stdin(stream: io.TextIOWrapper) -> Iterator[None]:
    before, sys.stdin = sys.stdin, stream
    try:
        yield
    finally:
        sys.stdin = before


def run_cli(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes = b"",
    cwd: Path | None = None,
    tty: bool = False,
) -> Result:
    """Run `joynet ARGV` in this process through the real parser.

    Args:
        argv: Words after `joynet`.
        env: Environment variables to add; JOYNET_* ones of the caller are not inherited.
        stdin: What the command reads.
        cwd: Folder to run in, by default the current one.
        tty: Whether stdin, stdout and stderr claim to be a terminal.

    Returns:
        Exit code and both outputs.
    """
    from joynet_cli.main import run

    inherited = {key: value for key, value in os.environ.items() if not key.startswith("JOYNET_")}
    raw = stdin.encode() if isinstance(stdin, str) else stdin
    stdout, stderr = _Stream(tty=tty), _Stream(tty=tty)
    with ExitStack() as stack:
        stack.enter_context(_environ({**inherited, **(env or {})}))
        stack.enter_context(_stdin(_Stream(raw, tty=tty)))
        stack.enter_context(redirect_stdout(stdout))
        stack.enter_context(redirect_stderr(stderr))
        if cwd is not None:
            stack.enter_context(chdir(cwd))
        code = run([os.fspath(word) for word in argv])
    return Result(code, stdout.text(), stderr.text())
