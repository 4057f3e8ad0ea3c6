"""One runtime a device for the whole session: compiling kernels is what takes time."""

from pathlib import Path

import pytest

from joynet_sdk.proofs.devices import list_devices
from joynet_sdk.proofs.runtime import Runtime

# Compiled kernels outlive a run, as the anvil binary does.
BUILD = Path(__file__).resolve().parents[2] / ".build"

DEVICES = list(range(len(list_devices())))


@pytest.fixture(scope="session", params=DEVICES, ids=lambda number: f"device{number}")
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Each OpenCL device of this machine."""
    return Runtime.open(str(request.param), cache=BUILD / "kernels")
