"""Every contract on a real chain, with the code size limit on."""

import json

import pytest

from joynet_sdk.chain.deploy import DEVNET, LINKS, SERVICES, TABLE, deploy_all
from joynet_sdk.errors import InvalidInputError, NotFoundError

NAMES = [entry.name for entry in TABLE]


def test_everything_is_deployed_linked_and_admitted(session, owner, home):
    deployment = deploy_all(session, DEVNET)
    assert sorted(deployment.contracts) == sorted(NAMES)
    for holder, target in LINKS:
        assert session.contract(holder).call("link", target) == deployment.address(target)
    token = session.contract("JoyToken")
    for service in SERVICES:
        assert token.call("is_service", deployment.address(service))
    assert token.call("balanceOf", owner.address) == token.call("totalSupply")
    for name in NAMES:
        contract = session.contract(name)
        if "owner" in contract.abi.function_names:
            assert contract.call("owner") == owner.address
    path = home / "deployments" / f"{session.chain_id}.json"
    assert json.loads(path.read_text())["version"] == 1
    jobs = len(session.journal.jobs())
    assert deploy_all(session, DEVNET) == deployment  # nothing left to do
    assert len(session.journal.jobs()) == jobs


def test_missing_contract_is_added_and_linked(session):
    first = deploy_all(session, DEVNET, names=["JoyToken", "PermaNetDomainRegistry"])
    both = deploy_all(session, DEVNET, names=["TldRegistry"])
    assert both.version == 2
    assert both.address("JoyToken") == first.address("JoyToken")
    registry = session.contract("PermaNetDomainRegistry")
    assert registry.call("link", "TldRegistry") == both.address("TldRegistry")
    tld = session.contract("TldRegistry")
    assert tld.call("label_of", tld.call("node_at", 1)) == "joy"


def test_fresh_deployment_is_a_new_version(session):
    first = deploy_all(session, DEVNET, names=["JoyToken"])
    second = deploy_all(session, DEVNET, names=["JoyToken"], is_fresh=True)
    assert second.version == 2
    assert second.address("JoyToken") != first.address("JoyToken")
    assert session.contract("JoyToken").address == second.address("JoyToken")


def test_contract_without_its_token_is_refused(session):
    with pytest.raises(InvalidInputError, match="needs JoyToken"):
        deploy_all(session, DEVNET, names=["ModelMarketplace"])
    with pytest.raises(NotFoundError, match="Nonsense"):
        deploy_all(session, DEVNET, names=["Nonsense"])
