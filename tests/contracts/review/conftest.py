"""The world of ProofOfInference's tests, for attacks that cross contracts."""

from ..inference.poi.conftest import *  # noqa: F403
