"""House rules that a program can check."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer._click.exceptions import BadParameter, MissingParameter, UsageError
from typer.core import TyperGroup

from joynet_cli import _options
from joynet_cli.main import PROGRAM, root_command

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
FILES = sorted(SRC.rglob("*.py"))
CONTRACTS = ROOT / "contracts"
DEPLOYED = sorted(
    path
    for path in CONTRACTS.rglob("*.vy")
    if path.stem[0].isupper() and path.parent.name != "testing"
)
# The output layer, the log's own fallback, and the mains of processes that we start: their streams
# are read by us, not by a person.
MAY_PRINT = {
    "joynet_cli/__main__.py",
    "joynet_cli/_output.py",
    "joynet_sdk/logs.py",
    "joynet_sdk/chain/_keeper.py",
    "joynet_sdk/node/__main__.py",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- contracts


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: path.stem)
def test_deployed_contracts_say_what_they_are(path):
    text = path.read_text()
    header = text.partition('"""')[2].partition('"""')[0]
    tags = ("@custom:contract-name", "@custom:security", "@custom:kill", "@license", "@title")
    assert not [tag for tag in tags if tag not in header]
    assert f"@custom:contract-name {path.stem}" in header
    assert "GNU Affero General Public License v3.0 only" in header
    assert text.startswith("# pragma version ~=0.4.3\n")
    assert "# pragma nonreentrancy on" in text


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: path.stem)
def test_deployed_contracts_have_an_interface(path):
    assert (CONTRACTS / "interfaces" / f"I{path.stem}.vyi").is_file()
    assert re.search(rf"^implements: I{path.stem}$", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted(CONTRACTS.rglob("*.vyi")), ids=lambda path: path.stem)
def test_interfaces_document_every_function(path):
    text = path.read_text()
    functions = re.findall(r"^def (\w+)\(.*?\n(?=@|\Z|\n)", text, re.MULTILINE | re.DOTALL)
    bodies = re.split(r"^def ", text, flags=re.MULTILINE)[1:]
    silent = [body.partition("(")[0] for body in bodies if '"""' not in body.partition("\n@")[0]]
    assert len(bodies) >= len(functions)
    assert not silent


# --- Python


def public_nodes(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The module, its public classes and functions, and the public methods of public classes."""
    yield "module", tree
    todo: list[tuple[str, ast.AST]] = [("", node) for node in tree.body]
    while todo:
        prefix, node = todo.pop()
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_") or is_repeated(node):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            todo += [(f"{node.name}.", child) for child in node.body]


def is_repeated(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Overloads, setters and overrides repeat what is documented elsewhere."""
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(decorators & {"overload", "override", "setter"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_everything_public_has_a_docstring(path):
    tree = ast.parse(path.read_text())
    silent = [
        name
        for name, node in public_nodes(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not ast.get_docstring(node)
    ]
    assert not silent


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_only_the_output_layer_prints(path):
    if path.relative_to(SRC).as_posix() in MAY_PRINT:
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    prints = re.compile(r"print|sys\.(__)?std(out|err)(__)?(\.buffer)?\.write(lines)?|os\.write")
    assert not [call.lineno for call in calls if prints.fullmatch(ast.unparse(call.func))]


# --- every text file


def tracked() -> list[Path]:
    """Files that git has or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


# Written so that this file does not match itself.
MACHINE_PATH = re.compile(rb"(?<![\w.$}/~-])/(?:work|root|tmp|Users/\w+|home/\w+)/[\w.]")
INDEX_URL = re.compile(rb"--(?:extra-)?index-url|https?://[^\s\"']*/simple\b")
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def test_no_file_names_this_machine_or_holds_a_key():
    patterns = (MACHINE_PATH, INDEX_URL, PRIVATE_KEY)
    found = [
        f"{name_of(path)}: {match.group().decode()}"
        for path in tracked()
        if path != Path(__file__) and b"\0" not in (raw := path.read_bytes())
        for pattern in patterns
        if (match := pattern.search(raw))
    ]
    assert not found


# --- the command line


# `joynet ...` up to a pipe, a redirection or a comment; variables or a pipe may come before it.
EXAMPLE = re.compile(rf"(?:^|[|(\s])({PROGRAM}(?: [^|<>#)]*)?)")


def commands() -> dict[str, object]:
    """Every command that does something, by its words."""
    root = root_command()
    context = root.context_class(root, info_name=PROGRAM)
    found = {}
    todo = [((), root)]
    while todo:
        words, command = todo.pop()
        if isinstance(command, TyperGroup):
            names = command.list_commands(context)
            todo += [((*words, name), command.get_command(context, name)) for name in names]
        else:
            found[" ".join(words)] = command
    return dict(sorted(found.items()))


COMMANDS = commands()
SECRET = re.compile(r"passw|passphrase|secret|mnemonic|private|seed-phrase|(^|-)(key|jwt|token)$")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_a_secret(name):
    """Anyone on the machine can read argv; secrets come by file, stdin or environment."""
    guilty = [
        spelling
        for spelling, option in _options.options_of(COMMANDS[name]).items()
        if SECRET.search(spelling.lstrip("-")) and not option.is_flag
    ]
    assert not guilty


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_declares_a_global_option(name):
    taken = _options.options_of(COMMANDS[name]).keys() & _options.options_of(root_command()).keys()
    assert not taken


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_parse(name):
    help_text = COMMANDS[name].help or ""
    block = help_text.partition("Examples:")[2].partition("\n\n")[0]
    examples = [match.group(1) for line in block.splitlines() if (match := EXAMPLE.search(line))]
    assert examples, f"{PROGRAM} {name} has no Examples: block"
    for example in examples:
        parse(shlex.split(example)[1:])


def parse(argv: list[str]) -> None:
    """Parse a command line to the end without running it.

    Raises:
        UsageError: No such command or option, or something is missing. Values are not judged.
    """
    root = root_command()
    probe = root.context_class(root, info_name=PROGRAM, resilient_parsing=True)
    taken, words = _options.hoist(argv, root, probe)
    context = root.make_context(PROGRAM, [*taken, *words])
    while isinstance(context.command, TyperGroup):
        words = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, words)
        try:
            context = command.make_context(name, rest, parent=context)
        except MissingParameter:
            raise
        except BadParameter:
            return


@pytest.mark.parametrize(
    "argv", [["nope"], ["config", "nope"], ["config", "get"], ["version", "-x"]]
)
def test_the_example_check_bites(argv):
    with pytest.raises(UsageError):
        parse(argv)


@pytest.mark.parametrize(
    ("spelling", "is_secret"),
    [
        ("password", True),
        ("private-key", True),
        ("key", True),
        ("auth-token", True),
        ("keyfile", False),
        ("max-tokens", False),
        ("name", False),
    ],
)
def test_the_secret_check_bites(spelling, is_secret):
    assert bool(SECRET.search(spelling)) is is_secret
