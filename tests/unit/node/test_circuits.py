"""A model whose registered circuit is another model's is not served: a proof could cost a bond."""

import asyncio
from types import SimpleNamespace

import pytest

from joynet_sdk.errors import ConfigError, NotFoundError, VerificationError
from joynet_sdk.node.shelf import Shelf, _Entry

from . import world


@pytest.fixture
def shelf(tmp_path):
    """A shelf with one ready model; `problem` is what the check of its circuit raises."""

    async def check(model_id, folder):
        assert (model_id, folder) == (world.MODEL, tmp_path)
        if made.problem is not None:
            raise made.problem

    licences = {"node": {"vault": "0x1", "operator": "0x2"}, "may_serve": True}
    contract = SimpleNamespace(call=lambda function, *args: licences[function])
    chain = SimpleNamespace(contract=lambda name: contract)
    made = Shelf(chain, 1, None, tmp_path / "models", None, None, check_circuit=check)
    made._entries[world.MODEL] = _Entry(world.PRICE, world.MANIFEST, tmp_path)
    made._offered = lambda: {world.MODEL: world.PRICE}
    made.problem = None
    return made


def served(shelf):
    asyncio.run(shelf.refresh())
    return asyncio.run(shelf.served(world.MODEL))


@pytest.mark.parametrize("problem", [None, NotFoundError("circuit", 1), ConfigError("no device")])
def test_model_without_a_circuit_or_that_cannot_be_compiled_is_served(shelf, problem):
    shelf.problem = problem
    assert served(shelf) is not None


def test_model_with_another_circuit_is_not_served_any_more(shelf):
    assert served(shelf) is not None
    shelf.problem = VerificationError("its files give another circuit")
    assert served(shelf) is None
    assert shelf.problems() == {world.MODEL: "its files give another circuit"}
    shelf.problem = None  # the registration is for good, and so is the verdict
    assert served(shelf) is None
