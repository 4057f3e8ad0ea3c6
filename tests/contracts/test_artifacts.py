"""The committed artifacts are what the sources compile to, and fit EIP-170 and EIP-3860."""

import importlib.util
from pathlib import Path

import pytest

from joynet_sdk.chain import artifacts
from joynet_sdk.chain.deploy import TABLE

ROOT = Path(__file__).resolve().parents[2]
MAX_RUNTIME_BYTES = 24_576  # EIP-170
MAX_INITCODE_BYTES = 49_152  # EIP-3860
MAX_CONSTRUCTOR_BYTES = 1_024  # room for the arguments that follow the bytecode


def _script():
    path = ROOT / "scripts" / "compile_contracts.py"
    spec = importlib.util.spec_from_file_location("compile_contracts", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


compiler = _script()
SOURCES = compiler.sources()


@pytest.mark.parametrize("name", SOURCES)
def test_artifact_is_what_its_source_compiles_to(name):
    rendered = compiler.render(compiler.compile_contract(SOURCES[name]))
    committed = compiler.ARTIFACTS / f"{name}.json"
    assert committed.exists(), f"{name} has no artifact: python scripts/compile_contracts.py"
    if committed.read_bytes() != rendered:
        pytest.fail(f"{name} is stale: python scripts/compile_contracts.py {name}")


def test_every_artifact_has_a_source():
    assert artifacts.names() == sorted(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_code_fits_the_limits(name):
    artifact = artifacts.load(name)
    assert artifact.runtime_size <= MAX_RUNTIME_BYTES
    assert len(artifact.bytecode) + MAX_CONSTRUCTOR_BYTES <= MAX_INITCODE_BYTES


def test_every_contract_is_deployed():
    assert sorted(entry.name for entry in TABLE) == sorted(SOURCES)
