"""What a command works with: the resolved context, an open JoyNet, passwords."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from joynet_cli._errors import UsageError
from joynet_cli._output import is_interactive, out
from joynet_cli._progress import Bar
from joynet_sdk.errors import AuthError

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.config import Resolved, Settings
    from joynet_sdk.environment import Environment

_MAX_PASSWORD_BYTES = 4096
# Global options that are settings: parameter name -> key.
_SETTING_FLAGS = {
    "network": "network",
    "account": "account",
    "timeout": "timeout_s",
    "profile": "profile",
}


@dataclass(frozen=True)
class Context:
    """Everything the global options and the configuration say about this run.

    Attributes:
        home: `$JOYNET_HOME`; its layout is `joynet_sdk.paths.Home`.
        settings: Resolved settings.
        network: RPC URL, "devnet", or an Ape network choice.
        account: Name or address of the key to act with, or None.
        profile: Name of the profile in use.
        json, quiet, verbose, yes, dry_run: The flags; verbose counts `-v`.
        timeout_s: Longest single wait on the network, or None for each service's own.
    """

    home: Path
    settings: "Settings"
    network: str
    account: str | None
    profile: str
    json: bool
    quiet: bool
    verbose: int
    yes: bool
    dry_run: bool
    timeout_s: float | None


@dataclass
class Run:
    """One command line being carried out.

    Attributes:
        options: Values of the global options, by parameter name.
        environ: The environment, completed by the JOYNET_* entries of `.env`.
        cwd: Where it runs.
    """

    options: Mapping[str, Any]
    environ: "Environment"
    cwd: Path
    _resolved: "Resolved | None" = field(default=None, init=False)
    _stdin_password: str | None = field(default=None, init=False)

    @property
    def home(self) -> Path:
        """The home folder, known without reading any configuration."""
        from joynet_sdk.paths import home_root

        chosen = self.options.get("home")
        return home_root({"JOYNET_HOME": chosen} if chosen else self.environ)

    def resolved(self) -> "Resolved":
        """The configuration with origins, read on first use."""
        if self._resolved is None:
            from joynet_sdk import config

            flags = {
                key: self.options[name]
                for name, key in _SETTING_FLAGS.items()
                if self.options.get(name) is not None
            }
            self._resolved = config.resolve(self.home, self.environ, self.cwd, flags)
            self.configure_logs(self._resolved.settings.log.level)
        return self._resolved

    def configure_logs(self, level: str = "info") -> None:
        """Log to the home folder, and with -v to stderr."""
        from joynet_sdk import logs
        from joynet_sdk.paths import Home

        stderr_level = {0: None, 1: "info"}.get(self.options["verbose"], "debug")
        logs.configure(Home(self.home).logs / "cli.log", level=level, stderr_level=stderr_level)

    def stdin_password(self) -> str:
        """The password piped in with --password-stdin; read once, usable for several keys."""
        if self._stdin_password is None:
            if sys.stdin.isatty():
                raise AuthError("--password-stdin was given, expected the password piped to stdin")
            self._stdin_password = sys.stdin.readline(_MAX_PASSWORD_BYTES).rstrip("\r\n")
        return self._stdin_password


_run: Run | None = None


def start(run: Run | None) -> None:
    """Make `run` the current one (main.py), or forget it (None)."""
    global _run
    _run = run


def current() -> Run:
    """The command line being carried out.

    Raises:
        RuntimeError: Called outside a command.
    """
    if _run is None:
        raise RuntimeError("no command is running")
    return _run


def ctx() -> Context:
    """The context of this run.

    Raises:
        ConfigError: A configuration file, variable or option is wrong.
    """
    run = current()
    settings = run.resolved().settings
    return Context(
        home=run.home,
        settings=settings,
        network=settings.network,
        account=settings.account,
        profile=run.resolved().profile,
        json=out.json,
        quiet=out.quiet,
        verbose=run.options.get("verbose", 0),
        yes=out.yes,
        dry_run=run.options.get("dry_run", False),
        timeout_s=settings.timeout_s,
    )


@contextmanager
def open_joynet(title: str = "") -> Iterator["JoyNet"]:
    """A client for the current profile and account; closed at the end of the block.

    It shows the plan of each transaction and asks before it signs; with --dry-run it stops there,
    and no key is unlocked.

    Args:
        title: Of a progress bar that follows the stages of the work; "" for none.
    """
    from joynet_cli._chain import show_plan, tell_unfinished
    from joynet_sdk.client import JoyNet
    from joynet_sdk.progress import listening

    context = ctx()
    settings = context.settings.model_copy(update={"account": _account(context)})
    with ExitStack() as stack:
        bar = stack.enter_context(out.progress(title)) if title else Bar()
        stack.enter_context(listening(bar.stage))
        joynet = JoyNet(
            context.home,
            settings,
            password=password_for,
            confirm=lambda plan: show_plan(joynet.chain, plan),
            is_dry_run=context.dry_run,
        )
        with joynet, tell_unfinished(lambda: joynet.chain):
            yield joynet


def _account(context: Context) -> str | None:
    """The chosen account, or the only one there is; None leaves it to whoever must sign."""
    from joynet_cli._chain import account_name

    try:
        return account_name(context)
    except UsageError:
        return None


def password_for(name: str, confirm: bool = False) -> str:
    """The password of key `name`.

    Looks at JOYNET_PASSWORD_FILE, JOYNET_PASSWORD, stdin with --password-stdin, the configured
    password_file, then asks.

    Args:
        name: Key name, shown in the question.
        confirm: Ask twice (a new key).

    Raises:
        AuthError: None of these gives a password, or it is empty.
    """
    run = current()
    path = run.environ.get("JOYNET_PASSWORD_FILE")
    if path:
        password = _read_password_file(Path(path).expanduser())
    elif "JOYNET_PASSWORD" in run.environ:
        password = run.environ["JOYNET_PASSWORD"]
    elif run.options.get("password_stdin"):
        password = run.stdin_password()
    elif configured := run.resolved().settings.password_file:
        password = _read_password_file(Path(configured).expanduser())
    else:
        with out.asking():
            password = _ask(name, confirm)
    if not password:
        raise AuthError(f"the password of {name} is empty")
    return password


def _read_password_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_PASSWORD_BYTES)
        return raw.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise AuthError(
            f"password file {path} cannot be read: {reason}",
            hint="it must hold the password in one line",
        ) from None


def _ask(name: str, confirm: bool) -> str:
    if not is_interactive():
        raise AuthError(
            f"the password of {name} is needed, and there is no terminal to ask",
            hint="set JOYNET_PASSWORD_FILE, or pipe it in with --password-stdin",
        )
    password = ask_secret(f"Password of {name}: ")
    if confirm and ask_secret("Again: ") != password:
        raise AuthError("the two passwords differ")
    return password


def ask_secret(question: str) -> str:
    """What is typed at the terminal, not shown."""
    from getpass import getpass

    try:
        return getpass(question, stream=sys.stderr)
    except (KeyboardInterrupt, EOFError):
        out.note("")
        raise


def stop_if_dry_run(plan: str, **details: object) -> None:
    """With --dry-run, print what would be done and end the command; else nothing.

    Args:
        plan: A verb and what it does, such as "stop the devnet".
        details: More of the document of `--json`.
    """
    if not current().options["dry_run"]:
        return
    with out.asking():
        out.result({"plan": plan, **details}, lambda _: out.line(f"would {plan}"))
    raise typer.Exit(0)
