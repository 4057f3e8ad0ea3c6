from types import SimpleNamespace

import pytest

from joynet_sdk.node.ledger import Ledger
from joynet_sdk.node.money import EscrowView, Redeemer
from joynet_sdk.node.serving import Identity, InferenceServer

from . import world


@pytest.fixture
def node(tmp_path):
    """A server with its real ledger and money, over a counted contract; `restart` reopens it."""
    coordinator, catalogue = world.Coordinator(), world.Catalogue()
    identity = Identity(world.DOMAIN, world.OPERATOR.address, "16Uiu2HAm", world.OPERATOR)
    node = SimpleNamespace(coordinator=coordinator, catalogue=catalogue, identity=identity)

    def restart(path=tmp_path / "ledger.db", unsecured_limit=0):
        if hasattr(node, "ledger"):
            node.ledger.close()
        node.ledger = Ledger(path)
        me = Identity(*(world.DOMAIN, world.OPERATOR.address, "16Uiu2HAm", world.OPERATOR))
        if unsecured_limit:
            me = Identity(me.domain, me.operator, me.peer_id, me.signer, unsecured_limit)
        escrow = EscrowView(coordinator, me.operator)
        node.server = InferenceServer(me, node.ledger, catalogue, escrow)
        node.redeemer = Redeemer(coordinator, 1, me.operator, node.ledger)

    node.restart = restart
    restart()
    coordinator.allocate(world.PAYER.address, 1000)
    yield node
    node.ledger.close()
