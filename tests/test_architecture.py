"""Who may import whom: the layers, and the one home of each heavy dependency.

Imports inside functions and under TYPE_CHECKING count too, and so does `import_module("...")`.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

# Top to bottom. A unit imports from its own layer and those below; no service and no adapter
# imports another unit's adapter.
LAYERS: dict[str, set[str]] = {
    "command line": {"joynet_cli"},
    "wiring": {
        "client",
        "doctor",
        "gateway",
        "node",
        "peeking",
        "quickstart",
        "reconciliation",
        "seeding",
    },
    "services": {
        "domains",
        "evaluation",
        "fusion",
        "governance",
        "inference",
        "licenses",
        "models",
        "nodes",
        "payments",
        "ports",
        "proving",
        "rpc",
        "token",
    },
    "adapters": {"chain", "compute", "p2p", "proofs", "storage"},
    "core": {
        "compositions",
        "config",
        "environment",
        "errors",
        "formats",
        "keywrap",
        "logs",
        "mergeplans",
        "merges",
        "paths",
        "pixels",
        "processes",
        "progress",
        "qmodel",
        "receipts",
        "searching",
        "settings",
        "toml_edit",
        "types",
        "units",
    },
}
RANK = {unit: rank for rank, units in enumerate(LAYERS.values()) for unit in units}
SERVICES, ADAPTERS, CORE = LAYERS["services"], LAYERS["adapters"], LAYERS["core"]

# Heavy dependency -> the only places that may import it.
ONE_HOME: dict[str, tuple[str, ...]] = {
    "ape": ("joynet_sdk/chain/",),
    "ape_ethereum": ("joynet_sdk/chain/",),
    "web3": ("joynet_sdk/chain/",),
    "ens": ("joynet_sdk/chain/",),
    "ipfshttpclient": ("joynet_sdk/storage/",),
    "libp2p": ("joynet_sdk/p2p/",),
    "multiaddr": ("joynet_sdk/p2p/",),
    "trio": ("joynet_sdk/p2p/",),
    "torch": ("joynet_sdk/compute/",),
    "transformers": ("joynet_sdk/compute/",),
    "accelerate": ("joynet_sdk/compute/",),
    "pyopencl": ("joynet_sdk/proofs/",),
    "py_ecc": ("joynet_sdk/proofs/",),
    "onnx": ("joynet_sdk/qmodel/",),
    "safetensors": ("joynet_sdk/compute/", "joynet_sdk/qmodel/", "joynet_sdk/storage/"),
    "gguf": ("joynet_sdk/compute/", "joynet_sdk/storage/"),
    "msgspec": ("joynet_sdk/formats/", "joynet_sdk/p2p/", "joynet_sdk/storage/scan/"),
    "typer": ("joynet_cli/",),
    "rich": ("joynet_cli/",),
    # Tools of the tests and of other programs: never in what we ship.
    "boa": (),
    "click": (),
    "hypothesis": (),
    "pytest": (),
    "vyper": (),
}
# Slow to import: outside the chain adapter, inside functions only.
LAZY = {"eth_abi", "eth_account", "eth_keyfile", "eth_keys", "eth_utils", "coincurve"}
# What the top of a command's module may import; everything else waits for the command to run.
LIGHT = {"joynet_cli", "typer"} | {
    f"joynet_sdk.{name}"
    for name in ("environment", "errors", "paths", "progress", "types", "units")
}

FILES = sorted(SRC.rglob("*.py"))


def unit_of(module: str) -> str:
    """The row of the layer table that a dotted module belongs to; "" for the package itself."""
    first, _, rest = module.partition(".")
    return first if first != "joynet_sdk" else rest.partition(".")[0]


def module_of(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> list[str]:
    return list(path.relative_to(SRC).parent.parts)


def imported(node: ast.AST, path: Path) -> Iterator[str]:
    """Dotted names that one syntax node imports; `from a import b` gives a and a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = package_of(path)
        parents = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*parents, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            yield node.args[0].value


@cache
def imports(path: Path) -> set[str]:
    """Every import of a file, wherever it stands."""
    return {name for node in ast.walk(ast.parse(path.read_text())) for name in imported(node, path)}


@cache
def imports_at_the_top(path: Path) -> set[str]:
    """Imports that run when the module is imported: outside functions and TYPE_CHECKING."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        found |= set(imported(node, path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
    return found


def layer_faults(module: str, targets: set[str]) -> set[str]:
    """Imports that the layer table does not allow for `module`."""
    here = unit_of(module)
    faults = set()
    for target in targets:
        there = unit_of(target) if target.startswith(("joynet_sdk", "joynet_cli")) else ""
        if there not in RANK or there == here:
            continue
        is_above = RANK[there] < RANK.get(here, len(LAYERS))
        is_foreign_adapter = there in ADAPTERS and here in ADAPTERS | SERVICES
        if is_above or is_foreign_adapter:
            faults.add(target)
    return faults


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_imports_stay_in_their_layer(path):
    unit = unit_of(module_of(path))
    assert unit in RANK or path == SRC / "joynet_sdk" / "__init__.py", f"{unit} has no layer"
    if unit in RANK:
        assert not layer_faults(module_of(path), imports(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_heavy_dependencies_stay_in_their_home(path):
    here = path.relative_to(SRC).as_posix()
    used = {name.partition(".")[0] for name in imports(path)}
    assert not {dep for dep in used & ONE_HOME.keys() if not here.startswith(ONE_HOME[dep])}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_slow_ethereum_packages_are_imported_inside_functions(path):
    used = {name.partition(".")[0] for name in imports_at_the_top(path)}
    assert not used & LAZY or unit_of(module_of(path)) == "chain"


@pytest.mark.parametrize(
    "path", sorted((SRC / "joynet_cli").rglob("*.py")), ids=lambda path: path.stem
)
def test_commands_import_nothing_heavy_before_they_run(path):
    used = {name for name in imports_at_the_top(path) if name.startswith("joynet_sdk.")}
    used.discard("joynet_sdk.__version__")
    assert not {name for name in used if not any(f"{name}.".startswith(f"{x}.") for x in LIGHT)}


# --- the checks themselves


@pytest.mark.parametrize(
    ("module", "target", "is_fault"),
    [
        ("joynet_sdk.units", "joynet_sdk.types", False),
        ("joynet_sdk.units", "joynet_sdk.chain.rpc", True),
        ("joynet_sdk.chain.rpc", "joynet_sdk.storage.blocks", True),
        ("joynet_sdk.chain.rpc", "joynet_sdk.chain.abi", False),
        ("joynet_sdk.inference.client", "joynet_sdk.p2p", True),
        ("joynet_sdk.inference.client", "joynet_sdk.ports", False),
        ("joynet_sdk.node.daemon", "joynet_sdk.p2p", False),
        ("joynet_sdk.p2p.node", "joynet_sdk.node.daemon", True),
        ("joynet_sdk.client", "joynet_cli.main", True),
        ("joynet_cli.main", "joynet_sdk.client", False),
    ],
)
def test_the_layer_check_bites(module, target, is_fault):
    assert bool(layer_faults(module, {target})) is is_fault


def test_the_import_finder_sees_every_form(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "SRC", tmp_path)
    path = tmp_path / "joynet_sdk" / "chain" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import a.b\nfrom . import c\nfrom ..p2p import d\nif TYPE_CHECKING:\n    import e\n"
        "def f():\n    import g\n    importlib.import_module('h.i')\nclass C:\n    import j\n"
    )
    everything = {"a.b", "joynet_sdk.chain.c", "joynet_sdk.p2p", "e", "g", "h.i", "j"}
    assert everything <= imports(path)
    assert imports_at_the_top(path) & everything == everything - {"e", "g", "h.i"}
