"""Compiled contracts, shipped as JSON: no compiler is needed at run time.

`scripts/compile_contracts.py` writes them, `tests/contracts/test_artifacts.py` compares.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from joynet_sdk.chain.abi import Abi
from joynet_sdk.errors import NotFoundError


@dataclass(frozen=True)
class Artifact:
    """One compiled contract.

    Attributes:
        name: Contract name, e.g. "JoyToken".
        abi: Its ABI.
        bytecode: Deployment bytecode, constructor arguments not included.
        runtime_size: Deployed bytes, at most 24,576 (EIP-170).
        digest: SHA-256 of the artifact JSON, hex; deployments record it.
    """

    name: str
    abi: Abi
    bytecode: bytes
    runtime_size: int
    digest: str


@cache
def load(name: str) -> Artifact:
    """Load one compiled contract.

    Raises:
        NotFoundError: This version ships no such contract.
    """
    raw = _read(name)
    document = json.loads(raw)
    return Artifact(
        name=name,
        abi=Abi(name, document["abi"]),
        bytecode=bytes.fromhex(document["bytecode"].removeprefix("0x")),
        runtime_size=document["runtimeSize"],
        digest=hashlib.sha256(raw).hexdigest(),
    )


def names() -> list[str]:
    """Every contract this version ships, sorted."""
    folder = resources.files(__package__) / "artifacts"
    return sorted(
        f.name.removesuffix(".json") for f in folder.iterdir() if f.name.endswith(".json")
    )


def contract_type(name: str) -> Any:
    """The same contract as an ethpm `ContractType`, which is what Ape takes."""
    from ethpm_types import ContractType

    document = json.loads(_read(name))
    return ContractType.model_validate(
        {
            "contractName": name,
            "abi": document["abi"],
            "deploymentBytecode": {"bytecode": document["bytecode"]},
        }
    )


def _read(name: str) -> bytes:
    file = resources.files(__package__) / "artifacts" / f"{name}.json"
    if not name.isidentifier() or not file.is_file():
        raise NotFoundError("contract", name, hint=f"this version has: {', '.join(names())}")
    return file.read_bytes()
