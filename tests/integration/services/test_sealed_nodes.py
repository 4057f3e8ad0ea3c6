"""Nodes and licences: who may offer a model, who can open a sealed one, what happens at its end."""

import asyncio
import json
import shutil
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from joynet_sdk.chain import Account, ChainSession, Keys
from joynet_sdk.client import AsyncJoyNet
from joynet_sdk.compute.workers import Workers
from joynet_sdk.errors import AuthError, RevertedError
from joynet_sdk.formats import parse_ref
from joynet_sdk.inference.routing import routes
from joynet_sdk.node.licences import ModelKeys
from joynet_sdk.node.shelf import Shelf
from joynet_sdk.p2p.identity import Identity
from joynet_sdk.settings import Settings
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.manifest import load_manifest

from .conftest import PASSWORD, SCRYPT_N, give_eth

JOY = 10**18
DAY = 86_400
OPERATOR_KEY = (4_242).to_bytes(32, "big")
OPERATOR = Account.from_key(OPERATOR_KEY, name="node-operator")


@pytest.fixture
def vault(person, anvil):
    """Owns a node; its home holds the operator's key too."""
    found = person("vault")
    Keys(found.home, scrypt_n=SCRYPT_N).import_key("node-operator", OPERATOR_KEY, PASSWORD)
    give_eth(anvil.url, OPERATOR.address)
    settings = Settings(network=anvil.url, account="vault")
    with closing(AsyncJoyNet(found.home, settings, password=lambda _: PASSWORD)) as opened:
        opened.nodes.register(
            operator=OPERATOR.address,
            payout=found.address,
            peer_key=Identity.generate(),
            endpoint=["/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAm"],
            stake=100 * JOY,
        )
    return found


@pytest.fixture
def model_id(alice, vault, tmp_path):
    """Sealed, for 30 days, and nodes need a licence; the vault has its blocks."""
    folder = tmp_path / "digits"
    folder.mkdir()
    source = Path(str(files("joynet_sdk"))) / "demo/digits.safetensors"
    shutil.copy(source, folder / "model.safetensors")
    published = alice.ask(
        *("model", "publish", folder, "--price", "0.01", "--encrypt", "--license-price", "5"),
        *("--license-days", "30", "--license-required"),
    )
    shutil.copytree(alice.home / "store", vault.home / "store")
    return published["model_id"]


@pytest.fixture
def chain(anvil, vault):
    """The session of the node's daemon: only the operator's key."""
    with ChainSession(anvil.url, vault.home, account=OPERATOR, timeout_s=30) as session:
        yield session


@pytest.fixture
def node(vault, chain, model_id, tmp_path):
    """Its shelf, and what opens models for it."""
    with DiskBlockStore(vault.home / "store") as store:
        keys = ModelKeys(
            chain, vault.address, vault.home, lambda model_id: load_manifest(store, model_id)
        )
        workers = Workers()

        async def fetch(cid, most):
            assert store.has(cid)  # every block is here already

        shelf = Shelf(
            *(chain, 1, store, tmp_path / "models", workers, fetch),
            content_key=keys.content_key,
        )
        shelf.workers, shelf.keys, shelf.store = workers, keys, store
        yield shelf


def raw(model_id):
    return parse_ref(model_id).model_id


def buy_for_the_node(vault, alice, model_id):
    waiting = vault.joynet("model", "buy", model_id, "--for-node", "--timeout", "3", "--json")
    assert waiting.exit_code == 9, waiting
    alice.ask("model", "release")
    assert vault.ask("tx", "resume")["jobs"][0]["state"] == "done"


def offer_on_chain(vault, model_id):
    with ChainSession(vault.url, vault.home, account=vault.account, timeout_s=30) as session:
        session.contract("NodeCoordinator").transact("set_offer", 1, raw(model_id), JOY // 100, 0)


def test_a_node_serves_a_sealed_model_with_a_licence_and_not_after_it(
    alice, vault, model_id, chain, node, anvil
):
    manifest = load_manifest(node.store, raw(model_id))
    with pytest.raises(AuthError, match="--for-node --account VAULT"):
        node.keys.content_key(manifest)
    with pytest.raises(RevertedError, match="model needs a licence"):
        offer_on_chain(vault, model_id)

    buy_for_the_node(vault, alice, model_id)
    offer_on_chain(vault, model_id)
    (mine,) = vault.ask("model", "licenses")
    assert (mine["owner"], mine["valid"]) == (vault.address, True)
    # The vault holds the licence, the operator's wallet opens: the vault's own cannot.
    refused = vault.refused("model", "key", "export", model_id, "-o", vault.home / "key")
    assert (refused.exit_code, "another wallet" in refused.message) == (4, True)

    async def serve():
        try:
            await node.refresh()
            assert node.problems() == {}
            assert (await node.served(raw(model_id))).manifest == manifest
            answer = await node.run(manifest, bytes(64))
            assert len(answer) == 10
            anvil.time_travel(31 * DAY)
            await node.refresh()
            assert await node.served(raw(model_id)) is None
            (problem,) = node.problems().values()
            assert "may be served only with a licence" in problem
        finally:
            await node.workers.close()

    asyncio.run(serve())
    (route,) = routes(chain, raw(model_id), 0)
    assert (route.is_eligible, route.reason) == (False, "its licence of the model has ended")
    alice.ask("model", "settle")
    vault.ask("model", "renew", mine["license"])
    assert routes(chain, raw(model_id), 0)[0].is_eligible


def test_the_publishers_own_node_needs_no_licence(alice, model_id, node, vault):
    """Its home holds the content key, as that of a key holder does."""
    with pytest.raises(AuthError):
        node.keys.content_key(load_manifest(node.store, raw(model_id)))
    shutil.copytree(alice.home / "content-keys", vault.home / "content-keys")
    (kept,) = (alice.home / "content-keys").iterdir()
    key = node.keys.content_key(load_manifest(node.store, raw(model_id)))
    assert "0x" + key.hex() == json.loads(kept.read_text())["key"]


def test_a_wrong_key_for_a_node_is_disputed_by_its_vault(alice, vault, model_id):
    before = vault.joy()
    vault.joynet("model", "buy", model_id, "--for-node", "--timeout", "3")
    alice.ask(
        *("contracts", "call", "ModelLicenses", "release", "1"),
        *("0x" + "09" + "00" * 31, "0x" + "01" * 32, "--send"),
    )
    assert vault.refused("model", "dispute", "1").exit_code == 4  # not with the vault's wallet
    assert vault.ask("model", "dispute", "1", "--for-node")["refunded_wei"] == str(5 * JOY)
    assert vault.joy() == before
