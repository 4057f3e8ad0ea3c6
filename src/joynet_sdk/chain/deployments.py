"""Where the contracts live on a chain: docs/spec/deployments.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from joynet_sdk.errors import ConfigError, NotFoundError
from joynet_sdk.paths import Home, atomic_write, file_errors

FORMAT = "joynet-deployments/1"
MAX_HISTORY = 100


@dataclass(frozen=True)
class Deployed:
    """One contract on one chain.

    Attributes:
        address: EIP-55.
        artifact: SHA-256 of the artifact JSON it was deployed from, hex.
        block: Block it was deployed in.
    """

    address: str
    artifact: str
    block: int


@dataclass(frozen=True)
class Deployment:
    """All contracts on one chain.

    Attributes:
        chain_id: EIP-155 chain id.
        genesis: Hash of block 0.
        block: Block of the latest change.
        version: 1, then one more with every change of an address.
        contracts: By name.
        history: Older versions, oldest first, in file form.
    """

    chain_id: int
    genesis: str
    block: int = 0
    version: int = 0
    contracts: Mapping[str, Deployed] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()

    def address(self, name: str) -> str:
        """Address of a contract.

        Raises:
            NotFoundError: It is not deployed on this chain.
        """
        if name not in self.contracts:
            raise NotFoundError(
                "contract on this chain", name, hint="joynet contracts deploy, or check --network"
            )
        return self.contracts[name].address

    @property
    def first_block(self) -> int:
        """Block of the oldest contract: no event is older."""
        return min((c.block for c in self.contracts.values()), default=0)


def deployment_path(home: Path, chain_id: int) -> Path:
    """`$JOYNET_HOME/deployments/<chainId>.json`."""
    return Home(home).deployments / f"{chain_id}.json"


def read_deployment(home: Path, chain_id: int, genesis: str) -> Deployment:
    """The deployment of a chain: the home's file, else the one shipped with the package.

    Raises:
        ConfigError: None, malformed, or of another genesis.
    """
    path = deployment_path(home, chain_id)
    shipped = resources.files(__package__) / "deployments" / f"{chain_id}.json"
    with file_errors(path):
        if path.exists():
            raw = path.read_bytes()
        elif shipped.is_file():
            raw = shipped.read_bytes()
        else:
            raise ConfigError(
                f"JoyNet's contracts are not known on chain {chain_id}",
                hint="joynet contracts deploy, or check --network",
            )
    deployment = _parse(raw, path)
    if deployment.genesis != genesis or deployment.chain_id != chain_id:
        raise ConfigError(
            f"{path} is for genesis {deployment.genesis[:18]}, this chain has {genesis[:18]}",
            hint="the devnet was reset: joynet contracts deploy",
        )
    return deployment


def write_deployment(home: Path, deployment: Deployment) -> Path:
    """Write the home's file, whole or not at all."""
    path = deployment_path(home, deployment.chain_id)
    document = {"format": FORMAT, **_form(deployment), "history": list(deployment.history)}
    atomic_write(path, json.dumps(document, indent=2) + "\n", mode=0o644)
    return path


def changed(
    old: Deployment | None, chain_id: int, genesis: str, contracts: Mapping[str, Deployed]
) -> Deployment:
    """The deployment after contracts were added or moved: one version up, the old one kept."""
    if old is None or old.genesis != genesis:
        old = Deployment(chain_id, genesis)
    if dict(old.contracts) == dict(contracts):
        return old
    block = max((c.block for c in contracts.values()), default=0)
    history = (*old.history, _form(old))[-MAX_HISTORY:] if old.version else old.history
    return Deployment(chain_id, genesis, block, old.version + 1, dict(contracts), history)


def _form(deployment: Deployment) -> dict[str, Any]:
    return {
        "chainId": str(deployment.chain_id),
        "genesis": deployment.genesis,
        "block": str(deployment.block),
        "version": deployment.version,
        "contracts": {
            name: {"address": c.address, "artifact": c.artifact, "block": str(c.block)}
            for name, c in sorted(deployment.contracts.items())
        },
    }


def _parse(raw: bytes, path: Path) -> Deployment:
    try:
        document = json.loads(raw)
        if document["format"] != FORMAT:
            raise ValueError(document["format"])
        return Deployment(
            chain_id=int(document["chainId"]),
            genesis=document["genesis"],
            block=int(document["block"]),
            version=int(document["version"]),
            contracts={
                name: Deployed(c["address"], c["artifact"], int(c["block"]))
                for name, c in document["contracts"].items()
            },
            history=tuple(document.get("history", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is not a {FORMAT} file: {error!r}",
            hint="joynet contracts deploy writes it anew",
        ) from None
