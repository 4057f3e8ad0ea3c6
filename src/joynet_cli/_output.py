"""The one place that prints: results to stdout, everything else to stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any, TextIO, TypeVar

from joynet_cli._errors import AbortedError, Failure, UsageError, explain
from joynet_cli._progress import Bar, open_bar
from joynet_sdk.errors import JoyNetError

T = TypeVar("T")
_MAX_JSON_INTEGER = 2**53 - 1
_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"


class Output:
    """Prints for people, or with `--json` for programs.

    Attributes:
        json: One JSON document on stdout (streams: NDJSON) instead of text.
        quiet: Results only, no notes and no progress.
        color: Whether stderr may be coloured.
        yes: Answer every question with yes.
    """

    def __init__(self) -> None:
        self.configure()

    def configure(
        self, *, json: bool = False, quiet: bool = False, color: bool = True, yes: bool = False
    ) -> None:
        """Set the style of one run and forget the previous one."""
        self.json, self.quiet, self.color, self.yes = json, quiet, color, yes
        self._has_result = self._is_streaming = False
        self._bar = Bar()

    # --- stdout

    def result(
        self,
        value: T,
        human: Callable[[T], None] | None = None,
        *,
        error: JoyNetError | None = None,
    ) -> None:
        """Print the outcome of the command; once per run.

        Args:
            value: Anything `to_json` takes. Amounts are decimal strings of wei.
            human: Prints it for people; without it, key and value lines.
            error: Raised once the value is printed: a report whose finding is bad news. With
                `--json` the one document holds both, `{"ok": false, "error": ..., "result": ...}`.

        Raises:
            JoyNetError: `error`.
            RuntimeError: A second result (a bug in the command).
        """
        if self._has_result:
            raise RuntimeError("a command prints one result")
        self._has_result = True
        if self.json:
            status = {"ok": True} if error is None else explain(error).document()
            self._document({**status, "result": to_json(value)})
        elif human is not None:
            human(value)
        else:
            self.record(to_json(value))
        if error is not None:
            raise error

    def event(self, event: Mapping[str, object]) -> None:
        """Print one line of a stream; with `--json` only, people get `line`s."""
        if self.json:
            self._is_streaming = True
            self._document(to_json(event))

    def line(self, text: str = "") -> None:
        """Print a line of a result for people."""
        if not self.json:
            self._write(sys.stdout, printable(text) + "\n")

    def record(self, value: object) -> None:
        """Print key and value lines of a result for people; anything but a dict as one line."""
        if not isinstance(value, dict):
            self.line(as_text(value))
            return
        width = max((len(key) for key in value), default=0)
        for key, item in value.items():
            self.line(f"{key.ljust(width)}  {as_text(item)}".rstrip())

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print rows under headers for people; nothing but a note when there are none."""
        if self.json:
            return
        if not rows:
            self.note("none")
            return
        cells = [[printable(as_text(cell)).replace("\n", " ") for cell in row] for row in rows]
        lines = [[header.upper() for header in headers], *cells]
        widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
        for line in lines:
            text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self._write(sys.stdout, text.rstrip() + "\n")

    def stdout_bytes(self, data: bytes) -> None:
        """Write raw bytes, for commands whose result is a file's content."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def end(self) -> None:
        """Finish a run that succeeded: with `--json` there is always a document."""
        if self.json and not self._has_result and not self._is_streaming:
            self._document({"ok": True, "result": None})
        sys.stdout.flush()

    # --- stderr

    def note(self, text: str) -> None:
        """Say something that is not the result; `-q` silences it."""
        if not self.quiet:
            with self.asking():  # rich would break long lines
                self._write(sys.stderr, printable(text) + "\n")

    def warn(self, text: str) -> None:
        """Say something that needs attention; `-q` does not silence it."""
        with self.asking():
            self._write(sys.stderr, f"{self._paint('warning:', _YELLOW)} {printable(text)}\n")

    def failure(self, failure: Failure) -> None:
        """Print why the command failed: the JSON document on stdout, or two lines on stderr."""
        if self.json and not self._has_result:
            self._document(failure.document())
            return
        message = printable(failure.message).replace("\n", " ")
        self._write(sys.stderr, f"{self._paint('error:', _RED)} {message}\n")
        if failure.hint:
            self._write(sys.stderr, f"hint: {printable(failure.hint)}\n")

    def trace(self, text: str) -> None:
        """Print a traceback (`-vv`)."""
        self._write(sys.stderr, printable(text) + "\n")

    @contextmanager
    def progress(
        self, title: str, total: float | None = None, *, is_bytes: bool = False
    ) -> Iterator[Bar]:
        """Show progress on stderr while the body runs; not without a TTY, with `-q` or `--json`.

        Args:
            title: What is being done.
            total: Number of steps `Bar.advance` counts up to, or None when unknown.
            is_bytes: Steps are bytes.
        """
        is_shown = sys.stderr.isatty() and not self.json and not self.quiet
        with open_bar(title, total, is_shown=is_shown, color=self.color, is_bytes=is_bytes) as bar:
            outer, self._bar = self._bar, bar
            try:
                yield bar
            finally:
                self._bar = outer

    # --- questions

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Take a progress bar off the screen while something is asked or said."""
        with self._bar.paused():
            yield

    def confirm(
        self,
        question: str,
        about: Sequence[str] = (),
        pause: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Return when the answer is yes.

        Args:
            question: Ends with a question mark.
            about: Lines that say what is agreed to; `-q` does not silence what is asked about.
            pause: Waits some seconds, and raises when a question asked in a worker thread, which
                Ctrl-C does not reach, has lost its sense.

        Raises:
            UsageError: There is no terminal to ask, and no `--yes`.
            AbortedError: The answer is no.
        """
        if self.yes:
            for line in about:
                self.note(line)
            return
        with self.asking():
            for line in about:
                self._write(sys.stderr, printable(line) + "\n")
            if not is_interactive():
                raise UsageError(f"{question} needs a yes, and there is no terminal", hint="--yes")
            self._write(sys.stderr, f"{printable(question)} [y/N] ")
            answer = _read_line(pause)
            if not answer.endswith("\n"):
                self._write(sys.stderr, "\n")
        if answer.strip().lower() not in {"y", "yes"}:
            raise AbortedError("cancelled, nothing more was done")

    # --- inside

    def _document(self, document: object) -> None:
        indent = 2 if sys.stdout.isatty() and not self._is_streaming else None
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent)
        # A raw line separator would split one NDJSON line in two for some readers.
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        self._write(sys.stdout, text + "\n")
        sys.stdout.flush()

    def _write(self, stream: TextIO, text: str) -> None:
        encoding = stream.encoding or "utf-8"
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        stream.write(shown)
        if stream is sys.stderr:
            stream.flush()

    def _paint(self, text: str, code: str) -> str:
        is_plain = not self.color or not sys.stderr.isatty() or os.environ.get("NO_COLOR")
        return text if is_plain else f"{code}{text}{_PLAIN}"


def _read_line(pause: Callable[[float], None]) -> str:
    import select
    import threading

    if threading.current_thread() is not threading.main_thread():
        while not select.select([sys.stdin], [], [], 0)[0]:
            pause(0.1)
    return sys.stdin.readline()


def is_reader_gone() -> bool:
    """Whether whoever read our stdout or stderr has closed it, as `head` does."""
    import select

    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # not a file at all, in tests and notebooks
            poll.register(stream.fileno(), 0)
    return any(bits & select.POLLERR for _, bits in poll.poll(0))


def is_interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def printable(text: str) -> str:
    """Escape what could drive a terminal: every control character but newline and tab."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def to_json(value: Any) -> Any:
    """Turn a result into what JSON holds.

    Dataclasses, msgspec structs, pydantic models and named tuples become objects, bytes 0x hex,
    paths and dates strings, sets sorted lists, integers past 2**53 - 1 decimal strings.

    Raises:
        TypeError: Anything else.
    """
    if value is None or isinstance(value, bool | str | float):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, int):
        return int(value) if abs(value) <= _MAX_JSON_INTEGER else str(int(value))
    if isinstance(value, bytes | bytearray):
        return "0x" + value.hex()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key): to_json(item) for key, item in value.items()}
    names = _field_names(value)
    if names is not None:
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, set | frozenset):
        return sorted(map(to_json, value))
    if isinstance(value, Sequence):
        return [to_json(item) for item in value]
    raise TypeError(f"cannot print {type(value).__name__} as JSON")


def _field_names(value: Any) -> Sequence[str] | None:
    if is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in fields(value)]
    for attribute in ("__struct_fields__", "_fields"):  # msgspec, named tuple
        names = getattr(value, attribute, None)
        if isinstance(names, tuple):
            return names
    model_fields = getattr(type(value), "model_fields", None)  # pydantic
    return list(model_fields) if isinstance(model_fields, dict) else None


def _key(key: object) -> str:
    if isinstance(key, bytes):
        return "0x" + key.hex()
    return str(key.value if isinstance(key, Enum) else key)


def as_text(value: object) -> str:
    """A value as people read it, e.g. yes for True and - for None."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key}={as_text(item)}" for key, item in value.items())
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)


out = Output()
