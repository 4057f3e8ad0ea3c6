"""Our importer, the frozen vectors and npm's ipfs-unixfs-importer give the same CIDs."""

import hashlib
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from joynet_sdk.storage.importer import HashOnly, import_path

HERE = Path(__file__).parent
JS = HERE / "js"
UNIT = HERE.parents[1] / "unit" / "storage"
INSTALL_TIMEOUT_S = 200

_spec = importlib.util.spec_from_file_location("joynet_storage_trees", UNIT / "trees.py")
assert _spec is not None
assert _spec.loader is not None
trees = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(trees)


def run(command: list[str], folder: Path) -> str:
    """Run a tool; a failure shows what it said."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is needed: install Node.js 20 or later")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed in {folder}:\n{done.stderr[-2000:]}")
    return done.stdout


@pytest.fixture(scope="session")
def importer_js(pytestconfig: pytest.Config) -> Path:
    """The reference importer, installed once per lock file."""
    assert pytestconfig.cache is not None
    lock = (JS / "package-lock.json").read_bytes()
    folder = pytestconfig.cache.mkdir("npm-unixfs-" + hashlib.sha256(lock).hexdigest()[:16])
    for name in ("package.json", "package-lock.json", "import.mjs"):
        shutil.copy(JS / name, folder / name)
    if not (folder / "installed").exists():
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        (folder / "installed").touch()
    return folder / "import.mjs"


def js_options(case: dict[str, Any]) -> dict[str, Any]:
    profile = trees.profile_of(case)
    return {
        "profile": profile.name if profile.name.startswith("unixfs-") else None,
        "chunk": profile.chunk_bytes,
        "links": profile.max_links,
        "threshold": profile.shard_threshold,
        "strategy": profile.shard_measure,
    }


def test_every_vector_equals_the_reference_importer(importer_js: Path, tmp_path: Path) -> None:
    cases = trees.load_vectors()
    requests = []
    for number, case in enumerate(cases):
        root = trees.write_tree(case, tmp_path / str(number))
        requests.append({"name": case["name"], "path": str(root), "options": js_options(case)})
    (tmp_path / "cases.json").write_text(json.dumps(requests))
    found = json.loads(run(["node", str(importer_js), str(tmp_path / "cases.json")], tmp_path))
    assert {case["name"]: case["cid"] for case in cases} == {
        name: answer["cid"] for name, answer in found.items()
    }
    for number, case in enumerate(cases):
        node = import_path(tmp_path / str(number), HashOnly(), trees.profile_of(case))
        assert (str(node.cid), node.tsize) == (case["cid"], found[case["name"]]["bytes"])
