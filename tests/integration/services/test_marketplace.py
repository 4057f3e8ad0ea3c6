"""Publishing again, prices, search through reorganisations, files, royalties: on a real chain."""

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from joynet_sdk.chain.rpc import Rpc

JOY = 10**18
DAY = 86_400
README = """---
license: mit
pipeline_tag: image-classification
tags: [digits, integer]
datasets: optdigits
language: no
version: 1.0.0
---
# Digits

Tells handwritten digits apart.
"""


@pytest.fixture
def digits(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    demo = Path(str(files("joynet_sdk"))) / "demo/digits.safetensors"
    shutil.copy(demo, folder / "model.safetensors")
    (folder / "README.md").write_text(README)
    return folder


def publish(person, folder, *options, price="0.01", title="Digits"):
    return person.ask("model", "publish", folder, "--price", price, "--title", title, *options)


def test_a_card_and_its_versions(alice, digits):
    alice.ask("domain", "register", "digits.joy")
    first = publish(alice, digits, "--name", "digits.joy")
    assert (first["version"], first["license"], first["previous"]) == ("1.0.0", "MIT", None)
    shown = alice.ask("model", "show", "digits.joy")
    assert shown["manifest"]["card"] == {
        "summary": "Tells handwritten digits apart.",
        "task": "image-classification",
        "tags": ["digits", "integer"],
        "languages": ["no"],
        "datasets": ["optdigits"],
        "base_models": [],
    }
    assert shown["manifest"]["quantization"] == "int8"
    refused = alice.refused(
        *("model", "publish", digits, "--price", "1", "--license", "Apache-2.0")
    )
    assert refused.exit_code == 2
    assert "README.md says MIT" in refused.message

    labels = ",".join(map(str, range(10)))
    second = alice.ask("model", "update", "digits.joy", "--labels", labels, "--delist")
    assert (second["version"], second["previous"]) == ("1.0.1", first["model_id"])
    assert second["price_wei"] == first["price_wei"]
    assert alice.ask("model", "show", "digits.joy")["model_id"] == second["model_id"]
    assert alice.ask("model", "show", "digits.joy@1.0.1")["model_id"] == second["model_id"]
    assert alice.ask("model", "show", first["model_id"])["active"] is False

    (digits / "README.md").write_text(README.replace("apart", "asunder"))
    third = alice.ask("model", "update", "digits.joy", digits, "--price", "0.004")
    shown = alice.ask("model", "show", "digits.joy")
    assert shown["manifest"]["output"]["labels"] == labels.split(",")  # taken over
    assert [(each["version"], each["model_id"]) for each in shown["versions"]] == [
        ("1.0.2", third["model_id"]),
        ("1.0.1", second["model_id"]),
        ("1.0.0", first["model_id"]),
    ]
    text = alice.joynet("model", "show", "digits.joy", "--files").stdout
    assert "Tells handwritten digits asunder.\n" in text
    assert f"before     1.0.1: {second['model_id']}" in text
    assert "model.safetensors" in text


def test_only_the_publisher_changes_a_model(alice, person, digits):
    model = publish(alice, digits)["model_id"]
    bob = person("bob")
    for command in (
        ("model", "update", model, "--title", "Mine"),
        ("model", "price", model, "1"),
        ("model", "delist", model),
        ("model", "publish", digits, "--price", "1", "--previous", model),
    ):
        assert bob.refused(*command).exit_code == 4
    assert bob.ask("tx", "list", "--all") == []
    assert alice.refused("model", "update", model).exit_code == 2


def test_prices(alice, digits, anvil):
    model = publish(alice, digits)["model_id"]
    assert alice.ask("model", "price", model)["price_wei"] == str(JOY // 100)
    lower = alice.ask("model", "price", model, "0.004")
    assert (lower["price_wei"], lower["effective_at"]) == (str(4 * JOY // 1000), None)
    alice.ask("model", "price", model, "0.004", "--tokens", "0.5")
    waiting = alice.joynet("model", "price", model)
    assert "0.004 JOY a call and 0.5 JOY per 1,000 output tokens" in waiting.stdout
    assert "a day's notice" in waiting.stderr
    assert alice.ask("model", "price", model)["token_price_wei"] == "0"
    anvil.time_travel(DAY)
    assert alice.ask("model", "price", model)["token_price_wei"] == str(JOY // 2)
    assert alice.refused("model", "price", model, "--tokens", "1").exit_code == 2


def test_delist_and_relist(alice, digits):
    model = publish(alice, digits)["model_id"]
    assert alice.ask("model", "delist", model)["changed"] is True
    assert alice.ask("model", "delist", model)["changed"] is False
    assert alice.ask("model", "search")["models"] == []
    assert len(alice.ask("model", "search", "--all")["models"]) == 1
    assert alice.ask("model", "relist", model)["active"] is True
    assert len(alice.ask("model", "search")["models"]) == 1


def test_scan_stores_nothing_and_refuses_pickles(alice, digits):
    found = alice.ask("model", "scan", digits)
    assert (found["format"], found["quantization"]) == ("safetensors", "int8")
    assert [file["kind"] for file in found["files"]] == ["document", "weights"]
    assert (found["card"]["license"], found["not_publishable"]) == ("MIT", None)
    assert not (alice.home / "store").exists()
    (digits / "model.bin").write_bytes(b"\x80\x04evil")
    assert "pickle" in alice.refused("model", "scan", digits).message


def test_verify_names_every_file_that_differs(alice, digits):
    model = publish(alice, digits)["model_id"]
    assert alice.ask("model", "verify", model)["verified"] is True
    assert alice.ask("model", "verify", model, digits)["verified"] is True
    (digits / "README.md").write_text(README + "more")
    (digits / "NOTICE").write_text("new")
    (digits / "model.safetensors").unlink()
    run = alice.joynet("model", "verify", model, digits, "--json")
    assert run.exit_code == 10
    problems = {each["path"]: each["problem"] for each in run.document["result"]["files"]}
    assert problems["model.safetensors"] == "is missing"
    assert problems["NOTICE"] == "is not in the manifest"
    assert "bytes, the manifest says" in problems["README.md"]
    assert "3 of 3 files differ" in run.document["error"]["message"]


def test_search(alice, digits, person, anvil):
    evil = "\x1b[2J zero\u202e digits"
    first = publish(alice, digits)["model_id"]
    second = publish(alice, digits, title=evil, price="0.5")["model_id"]

    def found(*options):
        return [hit["model_id"] for hit in alice.ask("model", "search", *options)["models"]]

    assert found("digits", "handw", "--sort", "price") == [first, second]
    assert found("zero") == [second]
    assert found("--max-price", "0.1") == [first]
    assert found("--task", "image-classification", "--license", "MIT", "--sort", "newest") == [
        second,
        first,
    ]
    assert found("--task", "fill-mask") == found("--class", "tolerant") == []
    assert found("--publisher", alice.address, "--architecture", "qmodel/2", "--limit", "1")
    assert found("--publisher", "0x" + "11" * 20) == []
    text = alice.joynet("model", "search", "zero").stdout
    assert "\x1b" not in text
    assert "\\x1b[2J zero\\u202e digits" in text
    offline = alice.joynet("model", "search", "zero", "--offline", JOYNET_NETWORK=anvil.url)
    assert "not asked for more" in offline.stderr
    stranger = person("carol", joy=0)  # has no manifests, and nobody to ask
    seen = stranger.ask("model", "search")
    assert (len(seen["models"]), seen["index"]["unknown"]) == (2, 2)
    assert seen["models"][0]["title"] is None
    assert alice.refused("model", "search", "--sort", "random").exit_code == 2
    assert alice.refused("model", "search", "?").exit_code == 2


def test_the_index_survives_a_reorganisation(alice, digits, anvil):
    kept = publish(alice, digits)["model_id"]
    alice.ask("model", "search")
    with Rpc(anvil.url) as rpc:
        snapshot = rpc.call("evm_snapshot")
        lost = publish(alice, digits, title="Lost")["model_id"]
        alice.ask("model", "price", kept, "0.001")
        before = alice.ask("model", "search", "--sort", "title")
        assert [hit["model_id"] for hit in before["models"]] == [kept, lost]
        assert before["models"][0]["price_wei"] == str(JOY // 1000)

        assert rpc.call("evm_revert", snapshot)
        shorter = alice.ask("model", "search")
        assert [hit["model_id"] for hit in shorter["models"]] == [kept]
        assert shorter["models"][0]["price_wei"] == str(JOY // 100)
        assert shorter["index"]["forgotten"] == 2
        assert alice.ask("model", "search")["index"]["forgotten"] == 0

        rpc.call("anvil_mine", "0x40")  # another chain, as long as the one that was indexed
        assert alice.ask("model", "search")["index"]["models"] == 1


def test_a_reorganisation_of_the_same_length(alice, digits, anvil):
    with Rpc(anvil.url) as rpc:
        alice.ask("model", "search")
        snapshot = rpc.call("evm_snapshot")
        publish(alice, digits)
        rpc.call("anvil_mine", "0x5")
        assert len(alice.ask("model", "search")["models"]) == 1
        indexed = alice.ask("model", "search")["index"]["block"]
        assert rpc.call("evm_revert", snapshot)
        while int(rpc.call("eth_blockNumber"), 16) < indexed:
            rpc.call("anvil_mine", "0x1")
        after = alice.ask("model", "search")
        assert (after["models"], after["index"]["forgotten"]) == ([], 1)


def test_lineage_of_a_model_without_relatives(alice, digits):
    model = publish(alice, digits)["model_id"]
    found = alice.ask("model", "lineage", model)
    assert (found["title"], found["parents"], found["children"]) == ("Digits", [], [])
    assert "nothing" in alice.joynet("model", "lineage", model).stdout


def test_royalties_are_previewed_split_paid_and_listed(alice, person, digits):
    bob = person("bob")
    model = publish(alice, digits)["model_id"]
    split = ("royalty", "split", "set", model)
    assert alice.refused(*split, f"{bob.address}=3000").exit_code == 2
    assert bob.refused(*split, f"{bob.address}=10000").exit_code == 2
    assert alice.refused(*split, "bob:3000").exit_code == 2
    owners = alice.ask(*split, f"{alice.address}=6667", f"{bob.address}=3333")["owners"]
    assert [(each["whom"], each["share_bps"]) for each in owners] == [
        (alice.address, 6667),
        (bob.address, 3333),
    ]
    amount = 10**18 + 7
    paid = f"{amount // JOY}.{amount % JOY:018}"
    expected = alice.ask("royalty", "preview", model, paid)["accounts"]
    assert sum(map(int, expected.values())) == amount
    for step in (("approve", "ModelMarketplace", paid),):
        alice.ask("token", *step)
    pay = ("contracts", "call", "ModelMarketplace", "pay", model, str(amount), "--send")
    alice.ask(*pay)
    assert alice.ask("royalty", "show", model)["undistributed_wei"] == str(amount)
    assert alice.ask("royalty", "claim", model)["claimed_wei"] == expected[alice.address]
    assert bob.ask("royalty", "claim")["claimed_wei"] == expected[bob.address]
    history = alice.ask("royalty", "history", model)
    assert [(each["kind"], each["amount_wei"]) for each in history] == [
        ("paid", str(amount)),
        ("distributed", str(amount)),
    ]
    mine = bob.ask("royalty", "history")
    assert [each["amount_wei"] for each in mine] == [expected[bob.address]]
    assert "owner" in alice.joynet("royalty", "preview", model, paid).stdout.lower()


def test_dry_runs_send_nothing(alice, digits):
    model = publish(alice, digits)["model_id"]
    jobs = len(alice.ask("tx", "list", "--all"))
    for command in (
        ("model", "update", model, "--title", "New"),
        ("model", "price", model, "0.001"),
        ("model", "delist", model),
        ("model", "pull", model, "--to", digits.parent / "copy"),
        ("royalty", "split", "set", model, f"{alice.address}=10000"),
    ):
        assert "would" in alice.joynet(*command, "--dry-run").stdout
    assert len(alice.ask("tx", "list", "--all")) == jobs
