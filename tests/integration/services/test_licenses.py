"""Licences and sealed models on a real chain, through the real command line."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from joynet_sdk import keywrap
from joynet_sdk.client import AsyncJoyNet
from joynet_sdk.errors import AuthError, PendingError, RevertedError
from joynet_sdk.formats import parse_ref
from joynet_sdk.licenses import State
from joynet_sdk.licenses.selling import Sales
from joynet_sdk.settings import Settings
from joynet_sdk.storage.content_keys import ContentKeys
from joynet_sdk.storage.manifest import export_model, load_manifest

from .conftest import PASSWORD

JOY = 10**18
DAY = 86_400
PRICE = 5 * JOY
FEE_BPS = 250
RELEASE_WINDOW, DISPUTE_WINDOW = 600, 60  # of devnets


@pytest.fixture
def digits(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    source = Path(str(files("joynet_sdk"))) / "demo/digits.safetensors"
    shutil.copy(source, folder / "model.safetensors")
    (folder / "README.md").write_text("the secret recipe\n")
    return folder


def publish(person, folder, *options):
    command = ("model", "publish", folder, "--price", "0.01", "--license-price", "5", *options)
    return person.ask(*command)["model_id"]


@pytest.fixture
def sealed(alice, digits):
    """A sealed model of alice's."""
    return publish(alice, digits, "--encrypt", "--license-days", "365")


@pytest.fixture
def bob(person, alice, sealed):
    """Has every block of the model."""
    found = person("bob")
    shutil.copytree(alice.home / "store", found.home / "store")
    return found


def joynet(person):
    """The SDK of somebody."""
    settings = Settings(network=person.url, account=person.name)
    return closing(AsyncJoyNet(person.home, settings, password=lambda _: PASSWORD))


def call(person, function, *args):
    with joynet(person) as opened:
        return opened.chain.contract("ModelLicenses").call(function, *args)


def open_model(person, model_id, target):
    """As `pull` does it: content key, then plaintext."""
    with joynet(person) as opened:
        manifest = load_manifest(opened.store, parse_ref(model_id).model_id)
        key = opened.licenses.content_key(manifest)
        export_model(opened.store, manifest, target, content_key=key)


def pending(person, *argv):
    """Run a command that cannot finish yet."""
    done = person.joynet(*argv, "--timeout", "3", "--json")
    assert done.exit_code == 9, done
    return done.document["error"]


def buy_and_get_the_key(buyer, seller, model_id):
    assert "waits for its key" in pending(buyer, "model", "buy", model_id)["message"]
    (released,) = seller.ask("model", "release")
    assert released["state"] == "key posted"
    (job,) = buyer.ask("tx", "resume")["jobs"]
    assert job["state"] == "done"
    return released["license"]


def test_a_licence_holder_opens_what_a_stranger_with_the_blocks_cannot(
    alice, bob, person, sealed, digits, tmp_path
):
    stranger = person("carol")
    shutil.copytree(bob.home / "store", stranger.home / "store")
    refused = stranger.refused("model", "key", "export", sealed, "-o", tmp_path / "stolen")
    assert refused.exit_code == 4
    assert "is sealed, and you hold no licence of it" in refused.message
    assert refused.hint == f"joynet model buy {sealed}"
    refused = stranger.refused("model", "pull", sealed, "--to", tmp_path / "stolen")
    assert (refused.exit_code, refused.hint) == (4, f"joynet model buy {sealed}")
    assert not (tmp_path / "stolen").exists()

    before = bob.joy()
    assert alice.ask("model", "terms", sealed)["price_wei"] == str(PRICE)
    number = buy_and_get_the_key(bob, alice, sealed)
    assert bob.joy() == before - PRICE
    (mine,) = bob.ask("model", "licenses")
    assert (mine["license"], mine["valid"], mine["owner"]) == (number, True, bob.address)
    assert bob.ask("model", "licenses", sealed) == [mine]
    assert alice.ask("model", "licenses", "--sold") == [mine]
    assert stranger.ask("model", "licenses") == stranger.ask("model", "licenses", "--sold") == []

    bob.ask("model", "pull", sealed, "--to", tmp_path / "opened")
    for name in ("model.safetensors", "README.md"):
        assert (tmp_path / "opened" / name).read_bytes() == (digits / name).read_bytes()
    with pytest.raises(AuthError, match="you hold no licence"):
        open_model(stranger, sealed, tmp_path / "stolen")


def test_another_home_with_the_same_keyfile_opens_it_too(
    alice, bob, person, sealed, tmp_path, digits
):
    buy_and_get_the_key(bob, alice, sealed)
    again = person("bob", home="bob-elsewhere")
    shutil.copytree(bob.home / "store", again.home / "store")
    open_model(again, sealed, tmp_path / "opened")
    assert (tmp_path / "opened/README.md").read_text() == (digits / "README.md").read_text()


def test_a_key_that_another_home_posts_first_stops_no_other_release(alice, bob, sealed):
    pending(bob, "model", "buy", sealed)
    kept = ContentKeys(alice.home / "content-keys")
    with joynet(alice) as opened:

        class Overtaken:
            """Finds the key; by then the publisher's other home has posted it."""

            def get(self, key_hash):
                (first,) = Sales(opened.chain, kept).release_waiting()
                assert first.problem is None
                return kept.get(key_hash)

        (second,) = Sales(opened.chain, Overtaken()).release_waiting()
    assert isinstance(second.problem, RevertedError)
    assert second.problem.reason == "no key is awaited"
    assert second.licence.state == State.KEY_POSTED


def test_the_publisher_is_paid_after_the_dispute_window_only(alice, bob, sealed, anvil):
    buy_and_get_the_key(bob, alice, sealed)
    assert alice.ask("model", "settle") == {"settled": [], "to_models_wei": "0"}
    anvil.time_travel(DISPUTE_WINDOW)
    net = PRICE - PRICE * FEE_BPS // 10_000
    settled = alice.ask("model", "settle")
    assert settled == {"settled": [1], "to_models_wei": str(net)}
    before = alice.joy()
    assert alice.ask("royalty", "claim", sealed)["claimed_wei"] == str(net)
    assert alice.joy() == before + net
    (mine,) = bob.ask("model", "licenses")
    assert (mine["state"], mine["valid"], mine["escrow_wei"]) == ("settled", True, "0")


def test_a_publisher_who_never_releases_is_not_paid(alice, bob, sealed, anvil, tmp_path):
    before = bob.joy()
    pending(bob, "model", "buy", sealed)
    assert bob.refused("model", "refund", "1").exit_code == 9
    with pytest.raises(PendingError, match="waits for its key"):
        open_model(bob, sealed, tmp_path / "opened")
    anvil.time_travel(RELEASE_WINDOW)
    assert alice.ask("model", "release") == []
    refunded = bob.ask("model", "refund", "1")
    assert (refunded["state"], refunded["refunded_wei"]) == ("refunded", str(PRICE))
    assert bob.joy() == before
    assert alice.ask("model", "settle")["settled"] == []
    assert alice.ask("royalty", "show", sealed)["undistributed_wei"] == "0"
    with pytest.raises(AuthError, match="you hold no licence"):
        open_model(bob, sealed, tmp_path / "opened")


def test_resuming_after_the_deadline_takes_the_money_back(bob, sealed, anvil):
    before = bob.joy()
    pending(bob, "model", "buy", sealed)
    pending(bob, "tx", "resume")
    anvil.time_travel(RELEASE_WINDOW)
    (job,) = bob.ask("tx", "resume")["jobs"]
    assert job["state"] == "done"
    assert bob.joy() == before
    assert bob.ask("tx", "resume")["jobs"] == []


def post(seller, number, ephemeral, wrapped):
    """What a dishonest publisher writes by hand."""
    seller.ask(
        *("contracts", "call", "ModelLicenses", "release", number),
        *("0x" + ephemeral.hex(), "0x" + wrapped.hex(), "--send"),
    )


@pytest.mark.parametrize("ephemeral", [keywrap.public_key(b"\7" * 32), (1).to_bytes(32, "little")])
def test_a_wrong_key_is_proved_and_refunded(alice, bob, sealed, ephemeral):
    """Junk in place of the key, and an ephemeral key of small order."""
    before = bob.joy()
    pending(bob, "model", "buy", sealed)
    post(alice, 1, ephemeral, b"\1" * 32)
    done = bob.joynet("tx", "resume", "--json")
    assert (done.exit_code, done.document["error"]["code"]) == (10, "wrong_key")
    assert done.document["error"]["hint"].endswith("joynet model dispute 1")
    assert bob.ask("model", "dispute", "1")["refunded_wei"] == str(PRICE)
    assert bob.joy() == before
    assert call(bob, "license", 1)["state"] == 5
    assert bob.ask("tx", "resume")["jobs"][0]["state"] == "done"
    assert bob.refused("model", "dispute", "1").exit_code == 2


@pytest.mark.soak
def test_the_wrapped_key_of_another_purchase_is_a_wrong_key(alice, bob, person, sealed):
    carol = person("carol")
    shutil.copytree(bob.home / "store", carol.home / "store")
    pending(bob, "model", "buy", sealed)
    pending(carol, "model", "buy", sealed)
    assert [each["license"] for each in alice.ask("model", "release", sealed)] == [1, 2]
    pending(carol, "model", "buy", sealed)  # a second licence, with another key
    copied = call(alice, "license", 2)
    post(alice, 3, copied["ephemeral"], copied["wrapped"])
    assert call(alice, "license", 3)["buyer_key"] != copied["buyer_key"]
    done = carol.joynet("tx", "resume", "--json")
    assert (done.exit_code, done.document["error"]["code"]) == (10, "wrong_key")
    assert carol.ask("model", "dispute", "3")["state"] == "void"


def test_a_wrong_key_does_not_spoil_another_licence(alice, bob, sealed, tmp_path):
    pending(bob, "model", "buy", sealed)
    post(alice, 1, keywrap.public_key(b"\7" * 32), b"\1" * 32)
    pending(bob, "model", "buy", sealed)
    assert [each["license"] for each in alice.ask("model", "release", sealed)] == [2]
    open_model(bob, sealed, tmp_path / "opened")


def test_a_right_key_is_never_disputed(alice, bob, sealed):
    """It would tell everybody how to open the model."""
    buy_and_get_the_key(bob, alice, sealed)
    refused = bob.refused("model", "dispute", "1")
    assert (refused.exit_code, refused.message) == (2, "the key of licence 1 is right")


def test_buying_waits_for_a_publisher_who_watches(alice, bob, sealed, anvil):
    """One command of the buyer's, from quote to key, and money that collects itself."""
    command = [Path(sys.executable).with_name("joynet"), "model", "release", "--watch", "--json"]
    environ = os.environ | alice.env
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as watch:
        bought = bob.ask("model", "buy", sealed, "--max-price", "5")
        assert (bought["state"], bought["valid"]) == ("key posted", True)
        anvil.time_travel(DISPUTE_WINDOW)
        said = [json.loads(watch.stdout.readline()) for _ in range(2)]
        watch.send_signal(signal.SIGINT)
        assert watch.wait(20) == 130
    assert (said[0]["license"], said[0]["problem"]) == (1, None)
    assert said[1] == {"license": 1, "settled_wei": str(PRICE - PRICE * FEE_BPS // 10_000)}
    assert alice.ask("model", "settle")["settled"] == []


def test_limits_and_quotes(alice, bob, sealed):
    assert bob.refused("model", "buy", sealed, "--max-price", "4.9").exit_code == 8
    alice.ask("model", "terms", sealed, "--price", "2000")
    assert bob.refused("model", "buy", sealed).exit_code == 8  # more than bob has
    assert bob.ask("tx", "list", "--all") == []
    assert bob.ask("model", "licenses") == []
    refused = alice.joynet("model", "publish", "x", "--price", "1", "--encrypt")
    assert refused.exit_code == 2


def test_terms_of_another_key_are_not_bought(alice, bob, digits, tmp_path):
    """A publisher who commits to another key on chain could never be proved wrong."""
    (digits / "README.md").write_text("another model")
    model_id = alice.ask("model", "publish", digits, "--price", "1")["model_id"]
    terms = f'[{PRICE}, 0, "0x{"ab" * 32}", "0x{"00" * 20}", false, false, 0]'
    alice.ask(
        *("contracts", "call", "ModelLicenses", "set_terms", model_id, terms, "--send"),
    )
    shutil.rmtree(bob.home / "store")
    shutil.copytree(alice.home / "store", bob.home / "store")
    refused = bob.refused("model", "buy", model_id)
    assert refused.exit_code == 10
    assert "the terms promise the content key" in refused.message


def test_an_open_model_is_licensed_at_once_and_renewed(alice, person, digits, anvil):
    model_id = publish(alice, digits, "--license-days", "30", "--license-required")
    bob = person("bob")
    shutil.copytree(alice.home / "store", bob.home / "store")
    bought = bob.ask("model", "buy", model_id)
    assert (bought["state"], bought["valid"], bought["sealed"]) == ("settled", True, False)
    assert call(bob, "may_serve", parse_ref(model_id).model_id, bob.address, alice.address)
    anvil.time_travel(31 * DAY)
    (lapsed,) = bob.ask("model", "licenses")
    assert lapsed["valid"] is False
    assert not call(bob, "holds", parse_ref(model_id).model_id, bob.address)
    renewed = bob.ask("model", "renew", bought["license"], "--max-price", "5")
    assert renewed["valid"] is True
    assert renewed["expires_at"] > lapsed["expires_at"] + 30 * DAY
    net = 2 * (PRICE - PRICE * FEE_BPS // 10_000)
    assert alice.ask("royalty", "show", model_id)["undistributed_wei"] == str(net)


def test_an_expired_licence_opens_nothing(alice, bob, sealed, anvil, tmp_path):
    buy_and_get_the_key(bob, alice, sealed)
    anvil.time_travel(366 * DAY)
    with pytest.raises(AuthError, match="licence 1 has expired") as caught:
        open_model(bob, sealed, tmp_path / "opened")
    assert caught.value.hint == "joynet model renew 1"
    alice.ask("model", "settle")
    bob.ask("model", "renew", "1")
    open_model(bob, sealed, tmp_path / "opened")


def test_a_licence_that_was_sold_on_brings_no_key(alice, bob, person, digits, anvil, tmp_path):
    (digits / "README.md").write_text("resellable")
    model_id = publish(alice, digits, "--encrypt")
    alice.ask("model", "terms", model_id, "--transferable", "--resale-bps", "500")
    shutil.rmtree(bob.home / "store")
    shutil.copytree(alice.home / "store", bob.home / "store")
    number = buy_and_get_the_key(bob, alice, model_id)
    carol = person("carol")
    shutil.copytree(alice.home / "store", carol.home / "store")
    bob.ask("model", "key", "export", model_id, "-o", tmp_path / "model.key")
    anvil.time_travel(DISPUTE_WINDOW)
    alice.ask("model", "settle")  # until then the buyer may still dispute it
    bob.ask(
        *("contracts", "call", "ModelLicenses", "transferFrom"),
        *(bob.address, carol.address, number, "--send"),
    )
    with pytest.raises(AuthError, match="with the key of another wallet"):
        open_model(carol, model_id, tmp_path / "opened")
    with pytest.raises(AuthError, match="you hold no licence"):
        open_model(bob, model_id, tmp_path / "opened")
    carol.ask("model", "key", "import", tmp_path / "model.key")
    open_model(carol, model_id, tmp_path / "opened")
    assert (tmp_path / "opened/README.md").read_text() == "resellable"
    to, part = call(alice, "royaltyInfo", number, 1_000)
    assert (to, part) == (alice.address, 50)


def test_a_named_key_holder_releases_from_another_home(alice, bob, person, sealed, tmp_path):
    dora = person("dora")
    assert dora.ask("model", "release") == []
    alice.ask("model", "terms", sealed, "--key-holder", dora.address)
    pending(bob, "model", "buy", sealed)
    refused = dora.joynet("model", "release", "--json")
    assert refused.exit_code == 5
    assert "content key of model" in refused.document["error"]["message"]
    exported = alice.ask("model", "key", "export", sealed, "-o", tmp_path / "model.key")
    assert stat.S_IMODE(Path(exported["path"]).stat().st_mode) == 0o600
    dora.ask("model", "key", "import", tmp_path / "model.key")
    assert [each["license"] for each in dora.ask("model", "release")] == [1]
    assert bob.ask("tx", "resume")["jobs"][0]["state"] == "done"


def test_no_command_prints_a_content_key(alice, sealed, tmp_path):
    (kept,) = (alice.home / "content-keys").iterdir()
    secret = json.loads(kept.read_text())["key"].removeprefix("0x")
    said = [
        alice.joynet(*argv)
        for argv in (
            ("model", "key", "list", "--json"),
            ("model", "key", "list"),
            ("model", "key", "export", sealed, "-o", tmp_path / "out", "--json"),
            ("model", "terms", sealed, "--json"),
            ("tx", "list", "--all", "--json"),
        )
    ]
    assert all(done.exit_code == 0 for done in said)
    written = "".join(done.stdout + done.stderr for done in said) + (tmp_path / "out").read_text()
    assert secret not in written
    for log in (alice.home / "logs").iterdir():
        assert secret not in log.read_text()


def test_dry_runs_send_nothing(alice, bob, sealed):
    bought = bob.joynet("model", "buy", sealed, "--dry-run", "--json")
    assert bought.exit_code == 0
    assert bought.value["joy_change_wei"] in (None, "0")  # the approval comes first
    pending(bob, "model", "buy", sealed)
    plan = alice.joynet("model", "release", "--dry-run", "--json")
    assert plan.value["licenses"] == [1]
    assert call(bob, "license", 1)["state"] == 1


def test_nothing_is_bought_unseen(alice, person, sealed):
    """Without the manifest nobody can tell whether the terms sell its key."""
    carol = person("carol")
    refused = carol.refused("model", "buy", sealed)
    assert refused.exit_code == 6
    assert "no peer gives the manifest" in refused.message
    assert carol.refused("model", "buy", "0x" + "5a" * 32).exit_code == 5
    assert carol.ask("tx", "list", "--all") == []


def test_an_open_model_without_terms_is_not_sold(alice, digits):
    model_id = alice.ask("model", "publish", digits, "--price", "1")["model_id"]
    refused = alice.refused("model", "buy", model_id)
    assert (refused.exit_code, refused.message) == (5, f"no such licences of model: {model_id}")
    assert alice.ask("model", "terms", model_id) is None
    assert "no licences on offer" in alice.joynet("model", "terms", model_id).stdout
