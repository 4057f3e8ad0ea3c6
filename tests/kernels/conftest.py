"""One runtime a device for the whole session: compiling kernels is what takes time."""

import os
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / ".build"
# PoCL reads this when it starts. Compiled kernels outlive a run, as the anvil binary does.
os.environ.setdefault("POCL_CACHE_DIR", str(BUILD / "pocl"))

from joynet_sdk.proofs.devices import list_devices  # noqa: E402
from joynet_sdk.proofs.runtime import Runtime  # noqa: E402

DEVICES = list(range(len(list_devices())))


@pytest.fixture(scope="session", params=DEVICES, ids=lambda number: f"device{number}")
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Each OpenCL device of this machine."""
    return Runtime.open(str(request.param), cache=BUILD / "kernels")
