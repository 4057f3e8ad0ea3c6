"""From any exception to one message, one hint and one exit code."""

from dataclasses import dataclass

from joynet_sdk.errors import InvalidInputError, JoyNetError, MissingDependencyError

_EXTRAS = {
    "accelerate": "ai",
    "onnx": "proofs",
    "py_ecc": "proofs",
    "pyopencl": "proofs",
    "torch": "ai",
    "transformers": "ai",
}


class UsageError(InvalidInputError):
    """The command line does not say what is needed, for example a missing `--yes`."""

    code = "usage"


class AbortedError(JoyNetError):
    """The person at the terminal said no."""

    code = "aborted"


@dataclass(frozen=True)
class Failure:
    """What the user is told.

    Attributes:
        code: Stable word for programs.
        message: One line.
        hint: The command or change that helps, or None.
        retryable: Whether the same command may work later, unchanged.
        exit_code: Of the process.
    """

    code: str
    message: str
    hint: str | None
    retryable: bool
    exit_code: int

    def document(self) -> dict[str, object]:
        """The `--json` document."""
        error = {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
        }
        return {"ok": False, "error": error}


def explain(error: BaseException) -> Failure:
    """Say what `error` means to the user. Unknown exceptions are bugs: code `internal`, exit 1."""
    error = _unwrapped(error)
    if isinstance(error, JoyNetError):
        return Failure(error.code, str(error), error.hint, error.retryable, error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure("interrupted", "interrupted", None, True, 130)
    if isinstance(error, EOFError):
        return Failure("aborted", "the input ended before an answer was given", None, False, 1)
    return _usage(error) or _missing(error) or _system(error) or _bug(error)


def _unwrapped(error: BaseException) -> BaseException:
    """The JoyNet error, or the interrupt, inside a task group's exception group."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = error.subgroup((JoyNetError, KeyboardInterrupt)) or error
    return _unwrapped(group.exceptions[0])


def _missing(error: BaseException) -> Failure | None:
    """A package that only some commands need, and that is not installed."""
    from joynet_sdk.p2p.requirements import INSTALL

    if not isinstance(error, ModuleNotFoundError):
        return None
    package = (error.name or "").partition(".")[0]
    if package in ("libp2p", "trio"):
        return explain(MissingDependencyError(package, INSTALL))
    if package in _EXTRAS:
        install = f'pip install "joynet-sdk[{_EXTRAS[package]}]"'
        return explain(MissingDependencyError(package, install))
    return None


def _system(error: BaseException) -> Failure | None:
    from joynet_sdk.paths import refusal_of

    if not isinstance(error, OSError):
        return None
    if isinstance(error, ConnectionError | TimeoutError):
        text = str(error) or type(error).__name__
        return Failure("unavailable", f"the connection failed: {text}", None, True, 6)
    if isinstance(error, FileNotFoundError):
        missing = error.filename or "the current folder"
        return Failure("not_found", f"no such file or folder: {missing}", None, False, 5)
    refusal = refusal_of(error)
    return explain(refusal) if refusal else None


def _bug(error: BaseException) -> Failure:
    from joynet_sdk.logs import redact

    message = redact(f"internal error: {type(error).__name__}: {error}")
    hint = "run it again with -vv to see where it happened"
    return Failure("internal", message, hint, False, 1)


def _usage(error: BaseException) -> Failure | None:
    from typer import Abort
    from typer._click.exceptions import ClickException, NoArgsIsHelpError
    from typer._click.exceptions import UsageError as ClickUsageError

    if isinstance(error, Abort):
        return Failure("aborted", "cancelled", None, False, 1)
    if not isinstance(error, ClickException):
        return None
    context = error.ctx if isinstance(error, ClickUsageError) else None
    hint = f"{context.command_path} --help" if context else None
    if isinstance(error, NoArgsIsHelpError):
        return Failure("usage", "a command is missing", hint, False, 2)
    return Failure("usage", _one_line(error.format_message()), hint, False, 2)


def _one_line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line[:1].lower() + line[1:]
