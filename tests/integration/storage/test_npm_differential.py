"""Our importer, the frozen vectors and npm's ipfs-unixfs-importer give the same CIDs."""

import json
from pathlib import Path
from typing import Any

import pytest

from joynet_sdk.storage.importer import HashOnly, import_path

from ...unit.storage import trees
from ..npm import installed, run

JS = Path(__file__).parent / "js"


@pytest.fixture(scope="session")
def importer_js(pytestconfig: pytest.Config) -> Path:
    """The reference importer."""
    return installed(JS, pytestconfig.cache) / "import.mjs"


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
