"""The documents are true where a program can tell: links resolve, commands parse."""

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer import Exit
from typer._click.exceptions import MissingParameter, NoArgsIsHelpError, UsageError

ROOT = Path(__file__).parents[2]
CONVENTIONS = Path(__file__).parents[1] / "test_conventions.py"


def committed() -> list[Path]:
    """Markdown files that git has or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in sorted(listing.split("\0")) if name and (ROOT / name).is_file()]


PAGES = committed()
SHOWN = [
    page
    for page in PAGES
    if page.name in ("README.md", "CONTRIBUTING.md") or page.parent.parent == ROOT / "docs"
]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(joynet [^`]+)`")
# Nouns of later work, which only the seed map and "not there yet" may name.
PLANNED = re.compile(r"^joynet (ui|rpc)\b")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.strip().replace(" ", "-") for text in plain}


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links of a page that lead nowhere."""
    found = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page):
    assert not broken_links(page, page.read_text())


def test_the_link_check_bites():
    page = ROOT / "README.md"
    text = "[a](nope.md) [b](docs/README.md#nope) [c](README.md#licences) [d](https://example.org)"
    assert broken_links(page, text) == ["nope.md", "docs/README.md#nope"]


# --- commands


@pytest.fixture(scope="module")
def parse():
    """`parse(argv)` of tests/test_conventions.py, which parses without running."""
    spec = importlib.util.spec_from_file_location("conventions", CONVENTIONS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.parse


def commands_in(block: str) -> list[str]:
    """Every `joynet ...` of a shell block, up to a comment, a pipe or the next command."""
    found = []
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            at = next((i for i, w in enumerate(words) if w in ("|", "||", "&&", ";", ">")), None)
            part, words = (words, []) if at is None else (words[:at], words[at + 1 :])
            if part[:1] == ["joynet"]:
                found.append(shlex.join(part))
    return found


def blocks_of(page: Path) -> list[str]:
    """Commands in a page's shell blocks: to be typed as they stand."""
    text = page.read_text()
    blocks = [body for language, body in FENCE.findall(text) if language in ("sh", "bash")]
    return [command for block in blocks for command in commands_in(block)]


def mentions_of(page: Path) -> list[str]:
    """Commands between backticks in running text, perhaps without their arguments."""
    text = FENCE.sub("", page.read_text())
    found = [words for words in INLINE.findall(text) if "|" not in words]
    return [command for command in found if not PLANNED.match(command)]


@pytest.mark.parametrize("page", SHOWN, ids=name_of)
def test_commands_parse(page, parse):
    wrong = []
    for command in blocks_of(page) + mentions_of(page):
        try:
            parse(shlex.split(command)[1:])
        except (Exit, NoArgsIsHelpError):  # --help, or the name of a group
            continue
        except UsageError as error:
            is_short = isinstance(error, MissingParameter) and command not in blocks_of(page)
            if not is_short:
                wrong.append(f"{command}: {error}")
    assert not wrong


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=name_of)
def test_guides_show_commands(page):
    """So that the check above checks something."""
    assert len(blocks_of(page)) >= 5


def test_the_command_check_bites(parse):
    block = "export A=1 && joynet infer run a.joy x.json --verfy none # typo\njoynet nope\n"
    first, second = commands_in(block)
    assert first == "joynet infer run a.joy x.json --verfy none"
    for command in (first, second):
        with pytest.raises(UsageError):
            parse(shlex.split(command)[1:])


# --- what must be said


def test_every_decision_is_in_the_index():
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    pages = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))
    assert pages
    assert [name for name in pages if f"({name})" not in index] == []
    numbers = [int(name[:4]) for name in pages]
    assert numbers == list(range(1, len(pages) + 1))


def test_the_readme_starts_with_the_two_commands():
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:45])
    assert "make quickstart" in first_screen
    assert "make test" in first_screen
    assert "digits.joy says: 7" in first_screen


def test_the_readme_and_the_code_name_one_libp2p():
    from joynet_sdk.p2p.requirements import INSTALL

    pinned = re.search(r"libp2p==[\d.]+", INSTALL)
    assert pinned
    assert set(re.findall(r"libp2p==[\d.]+", (ROOT / "README.md").read_text())) == {pinned[0]}


def test_every_format_page_is_listed():
    listing = (ROOT / "docs" / "spec" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs" / "spec").glob("*.md")} - {"README.md"}
    assert sorted(name for name in pages if f"({name})" not in listing) == []
