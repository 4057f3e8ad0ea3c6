"""The harness that makes the internal functions of the small modules callable."""

import boa
import pytest

LINK_DELAY = 86_400  # seconds
OUTFLOW_BPS = 1_000
OUTFLOW_FLOOR = 100  # units
RATE_CAPACITY = 5  # units
RATE_WINDOW = 50  # seconds


@pytest.fixture
def harness(deploy, owner, guardian):
    with boa.env.prank(owner):
        return deploy(
            "testing/ModuleHarness.vy",
            LINK_DELAY,
            guardian,
            OUTFLOW_BPS,
            OUTFLOW_FLOOR,
            RATE_CAPACITY,
            RATE_WINDOW,
        )


@pytest.fixture(scope="session")
def deploy_harness(deploy, guardian):
    """Return a function that deploys the harness with some constructor arguments changed."""

    def _deploy(**changed):
        arguments = {
            "link_delay": LINK_DELAY,
            "guardian": guardian,
            "outflow_bps": OUTFLOW_BPS,
            "outflow_floor": OUTFLOW_FLOOR,
            "capacity": RATE_CAPACITY,
            "window": RATE_WINDOW,
        }
        return deploy("testing/ModuleHarness.vy", *(arguments | changed).values())

    return _deploy
