"""`joynet model` on a real chain, with the digits model that ships."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from joynet_sdk.models import describe
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.library import Library

JOY = 10**18
DAY = 86_400
LABELS = ",".join(map(str, range(10)))


@pytest.fixture
def digits(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    shutil.copy(
        Path(str(files("joynet_sdk"))) / "demo/digits.safetensors", folder / "model.safetensors"
    )
    return folder


def publish(person, folder, *options, price="0.01"):
    return person.ask(
        *("model", "publish", folder, "--price", price, "--title", "Digits", *options)
    )


def test_publish_show_and_name(alice, digits):
    alice.ask("domain", "register", "digits.joy")
    done = publish(alice, digits, "--labels", LABELS, "--name", "digits.joy")
    assert done["class"] == "exact"
    assert (done["files"], done["name"], done["price_wei"]) == (1, "digits.joy", str(JOY // 100))
    shown = alice.ask("model", "show", "digits.joy")
    assert shown["publisher"] == alice.address
    assert (shown["price_wei"], shown["nodes"], shown["active"]) == (str(JOY // 100), 0, True)
    assert shown["model_id"] == done["model_id"]
    assert shown["manifest"]["output"]["labels"] == LABELS.split(",")
    for ref in (done["model_id"], done["cid"]):
        assert alice.ask("model", "show", ref) == shown
    assert alice.ask("domain", "resolve", "digits.joy")["model"] == done["model_id"]
    pinned = {pin["cid"] for pin in alice.ask("store", "pin", "ls")}
    assert {done["cid"], done["root"]} <= pinned
    text = alice.joynet("model", "show", "digits.joy").stdout
    assert text.startswith("Digits (Apache-2.0)\n")
    assert "price      0.01 JOY a call, and the node's own price" in text
    assert "offered by 0 nodes" in text


def test_publishing_twice_lists_once_and_may_change_the_price(alice, digits, anvil):
    first = publish(alice, digits)
    jobs = len(alice.ask("tx", "list", "--all"))
    assert publish(alice, digits) == first
    assert len(alice.ask("tx", "list", "--all")) == jobs  # nothing was sent

    assert publish(alice, digits, price="0.004")["price_wei"] == str(4 * JOY // 1000)
    dearer = alice.joynet(
        *("model", "publish", str(digits), "--price", "0.02", "--title", "Digits")
    )
    assert "price     0.004 JOY a call" in dearer.stdout
    assert "0.02 JOY a call holds from tomorrow" in dearer.stderr
    jobs = len(alice.ask("tx", "list", "--all"))
    publish(alice, digits, price="0.02")  # it waits already: the notice does not begin anew
    assert len(alice.ask("tx", "list", "--all")) == jobs
    anvil.time_travel(DAY)
    assert alice.ask("model", "show", first["model_id"])["price_wei"] == str(2 * JOY // 100)


def test_the_same_files_are_another_model_of_another_publisher(alice, digits, person):
    published = publish(alice, digits)
    alice.ask("domain", "register", "alice.joy")
    bob = person("bob")
    command = ("model", "publish", digits, "--price", "1", "--title", "Digits")
    assert bob.refused(*command, "--name", "alice.joy").exit_code == 4
    assert bob.refused(*command, "--name", "nobody.joy").exit_code == 5
    assert bob.ask("tx", "list", "--all") == []
    assert bob.ask(*command)["model_id"] != published["model_id"]
    listing = bob.ask("model", "show", published["model_id"])
    assert listing["publisher"] == alice.address
    stranger = person("carol", joy=0)  # has no copy of the manifest
    assert stranger.ask("model", "show", published["model_id"])["manifest"] is None


def test_a_copied_listing_is_refused(alice, digits, person):
    """Who sees a manifest before it is listed can list it first, and gains nothing."""
    mallory = person("mallory")
    card = describe(digits, title="Digits", license_id="Apache-2.0").by(alice.address)
    with DiskBlockStore(alice.home / "store") as blocks:
        manifest = Library(blocks).add(digits, card)
    model_id = "0x" + manifest.model_id.hex()
    mallory.ask(
        *("contracts", "call", "ModelMarketplace", "list_model"),
        *(model_id, "1", "0", "0", "0", "[]", "--send"),
    )
    refused = alice.refused("model", "show", model_id)
    assert refused.exit_code == 10
    assert mallory.address in refused.message
    assert alice.address in refused.message


def test_unknown_models(alice):
    refused = alice.refused("model", "show", "0x" + "5a" * 32)
    assert refused.exit_code == 5
    assert alice.refused("model", "show", "five").exit_code == 2


def refused_folder(alice, folder, *options):
    error = alice.refused("model", "publish", folder, "--price", "1", *options)
    assert alice.ask("tx", "list", "--all") == []
    return error


@pytest.mark.parametrize("name", ["model.pkl", "pytorch_model.bin", "weights.json"])
def test_a_pickle_is_refused_under_any_name(alice, digits, name):
    (digits / name).write_bytes(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}.")
    error = refused_folder(alice, digits)
    assert (error.exit_code, "pickle" in error.message) == (2, True)
    assert "safetensors" in error.hint


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "bert", "hidden_size": 10**9, "num_hidden_layers": 10**6}, "config.json"),
        ({"model_type": "bert"}, "hidden_size"),
        ({"model_type": "bert", "hidden_size": 4096}, "hidden_size is 4096"),
        ({"model_type": "bert", "hidden_size": "many"}, "config.json"),
        ([1, 2], "config.json"),
    ],
)
def test_an_absurd_config_is_refused(alice, digits, config, reason):
    (digits / "config.json").write_text(json.dumps(config))
    error = refused_folder(alice, digits)
    assert (error.exit_code, reason in error.message) == (2, True)


def test_a_config_bomb_is_refused(alice, digits):
    (digits / "config.json").write_bytes(b"[" * 900_000)
    assert refused_folder(alice, digits).exit_code == 2
    (digits / "config.json").write_bytes(b'{"a": "' + b"x" * 2**21 + b'"}')
    assert refused_folder(alice, digits).exit_code == 2


def test_other_things_that_are_no_model(alice, digits, tmp_path):
    assert refused_folder(alice, digits / "model.safetensors").exit_code == 2
    assert refused_folder(alice, tmp_path / "nowhere").exit_code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no weights" in refused_folder(alice, empty).message
    assert refused_folder(alice, digits, "--labels", "a,b").message == "2 labels, expected 10"
    weights = digits / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert refused_folder(alice, digits).exit_code == 2
    weights.unlink()
    weights.symlink_to("/etc/hostname")
    assert refused_folder(alice, digits).exit_code == 2
    price = alice.refused("model", "publish", digits, "--price", "free")
    assert (price.exit_code, "'free'" in price.message) == (2, True)
