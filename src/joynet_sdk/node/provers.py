"""The prover of this machine, for nodes and clients."""

from pathlib import Path

from joynet_sdk.inference.proven import srs_digest
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

    return InferenceProver(Home(home), srs_digest=srs_digest(chain))
