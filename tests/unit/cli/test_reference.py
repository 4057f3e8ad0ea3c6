"""docs/reference/cli.md is what the commands say today."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_cli_reference.py"


def test_the_reference_page_is_fresh():
    spec = importlib.util.spec_from_file_location("make_cli_reference", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    fresh = script.TARGET.read_text() == script.reference()
    assert fresh, f"it is stale: python scripts/{SCRIPT.name}"
