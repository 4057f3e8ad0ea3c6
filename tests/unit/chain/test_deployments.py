import json

import pytest

from joynet_sdk.chain.deployments import (
    Deployed,
    changed,
    deployment_path,
    read_deployment,
    write_deployment,
)
from joynet_sdk.errors import ConfigError, NotFoundError

GENESIS = "0x" + "ab" * 32
TOKEN = Deployed("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "aa" * 32, 3)
MARKET = Deployed("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", "bb" * 32, 9)


def test_file_has_the_form_of_the_spec(tmp_path):
    write_deployment(tmp_path, changed(None, 412_346_001, GENESIS, {"JoyToken": TOKEN}))
    assert json.loads(deployment_path(tmp_path, 412_346_001).read_text()) == {
        "format": "joynet-deployments/1",
        "chainId": "412346001",
        "genesis": GENESIS,
        "block": "3",
        "version": 1,
        "contracts": {
            "JoyToken": {"address": TOKEN.address, "artifact": "aa" * 32, "block": "3"},
        },
        "history": [],
    }


def test_each_change_is_a_version_and_the_old_one_is_kept(tmp_path):
    first = changed(None, 7, GENESIS, {"JoyToken": TOKEN})
    second = changed(first, 7, GENESIS, {"JoyToken": TOKEN, "ModelMarketplace": MARKET})
    write_deployment(tmp_path, second)
    read = read_deployment(tmp_path, 7, GENESIS)
    assert read == second
    assert (read.version, read.block, read.first_block) == (2, 9, 3)
    assert [old["version"] for old in read.history] == [1]
    assert changed(read, 7, GENESIS, read.contracts) is read


def test_another_genesis_starts_anew(tmp_path):
    first = changed(None, 7, GENESIS, {"JoyToken": TOKEN})
    write_deployment(tmp_path, first)
    with pytest.raises(ConfigError, match="devnet was reset|genesis"):
        read_deployment(tmp_path, 7, "0x" + "cd" * 32)
    assert changed(first, 7, "0x" + "cd" * 32, {"JoyToken": MARKET}).version == 1


def test_unknown_chain_and_contract_have_hints(tmp_path):
    with pytest.raises(ConfigError, match="not known on chain 7") as caught:
        read_deployment(tmp_path, 7, GENESIS)
    assert "contracts deploy" in caught.value.hint
    with pytest.raises(NotFoundError, match="ModelMarketplace"):
        changed(None, 7, GENESIS, {"JoyToken": TOKEN}).address("ModelMarketplace")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other"}', '{"format": 1, "x": 2}'])
def test_malformed_file_is_a_config_error(tmp_path, text):
    path = deployment_path(tmp_path, 7)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ConfigError, match="joynet-deployments/1"):
        read_deployment(tmp_path, 7, GENESIS)
