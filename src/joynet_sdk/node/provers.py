"""The prover of this machine, for nodes and clients."""

from pathlib import Path

from joynet_sdk.errors import ConfigError
from joynet_sdk.inference.prover import Prover
from joynet_sdk.paths import Home
from joynet_sdk.ports import Chain


def open_prover(home: Path, chain: Chain) -> Prover:
    """The prover of a home, for the structured reference string of a chain's verifier. What takes
    time, its device and the points, is opened when it is first used.

    Raises:
        ConfigError: The chain checks no proofs.
    """
    from joynet_sdk.proofs.inference import InferenceProver

    if "InferenceVerifier" not in chain.deployment.contracts:
        raise ConfigError(
            f"chain {chain.chain_id} checks no proofs: it has no InferenceVerifier",
            hint="joynet contracts list",
        )
    digest: bytes = chain.contract("InferenceVerifier").call("srs_digest")
    return InferenceProver(Home(home), srs_digest=digest)
