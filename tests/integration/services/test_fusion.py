"""`joynet fuse` on a real chain: from two published parents to a published child, rebuilt."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from joynet_sdk.formats import Parent
from joynet_sdk.fusion.mergekit_yaml import read_spec
from joynet_sdk.fusion.spec import decode_spec
from joynet_sdk.models import describe
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.library import Library
from joynet_sdk.storage.manifest import load_manifest
from joynet_sdk.storage.texts import Texts

from .test_pull import Gate, at, serving

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "##s"]


def encoder(folder: Path, seed: int) -> Path:
    """A tiny sentence encoder: seed 0 is the base of the others."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.01 * seed * torch.randn(parameter.shape, generator=random)
    model.save_pretrained(folder)
    vocab = {word: place for place, word in enumerate(WORDS)}
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocab},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(document))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64}
    settings |= {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    return [encoder(root / name, seed) for seed, name in enumerate(["base", "left", "right"])]


def publish(person, folder):
    command = ("model", "publish", folder, "--price", "0.01", "--title", folder.name)
    return person.ask(*command, "--license", "MIT")["model_id"]


def copy(person, folder, publisher):
    """Put somebody's model into a person's store, as a pull does."""
    card = describe(folder, title=folder.name, license_id="MIT").by(publisher.address)
    with DiskBlockStore(person.home / "store") as store:
        return "0x" + Library(store).add(folder, card).model_id.hex()


@pytest.fixture
def family(alice, person, encoders):
    """Alice's base and left, Bob's right; all of them stored in Alice's home."""
    bob = person("bob")
    base, left = (publish(alice, folder) for folder in encoders[:2])
    right = publish(bob, encoders[2])
    assert copy(alice, encoders[2], bob) == right
    return bob, base, left, right


def write_spec(path, base, left, right):
    path.write_text(
        f"merge_method: task_arithmetic\nbase_model: '{base}'\n"
        f"models:\n  - {{model: '{left}', parameters: {{weight: 0.6}}}}\n"
        f"  - {{model: '{right}', parameters: {{weight: 0.4}}}}\n"
    )
    return path


def test_child_is_built_published_and_rebuilt(alice, family, person, tmp_path, treasury):
    bob, base, left, right = family
    spec = write_spec(tmp_path / "spec.yaml", base, left, right)
    planned = alice.ask("fuse", "plan", spec)
    assert planned["peak_bytes"] == 4 * planned["largest_tensor_bytes"]
    child = tmp_path / "child"
    built = alice.ask("fuse", "build", spec, "--out", child)
    assert built["smoke"] is True
    again = tmp_path / "again"
    alice.ask("fuse", "build", spec, "--out", again, "--no-smoke-test")
    assert (again / "model.safetensors").read_bytes() == (child / "model.safetensors").read_bytes()

    command = ("fuse", "publish", child, "--price", "0.05", "--license", "MIT")
    shares = ("--share", f"{base}=1%", "--share", f"{left}=10%")
    refused = alice.refused(*command, *shares)
    assert refused.exit_code == 2
    assert f"parent {right} of {bob.address} allows no derivatives" in refused.message
    assert bob.ask("fuse", "terms", right)["allowed"] is False
    told = bob.ask("fuse", "terms", right, "--allow", "--min-share", "5%")
    assert (told["allowed"], told["min_share_bps"]) == (True, 500)
    assert alice.refused("fuse", "terms", right, "--forbid").exit_code == 7
    low = alice.refused(*command, *shares, "--share", f"{right}=4.99%")
    assert "asks for 500 bps, got 499" in low.message
    assert "expected at least 1 bps" in alice.refused(*command).message

    done = alice.ask(*command, *shares)
    model_id = bytes.fromhex(done["model_id"][2:])
    market = treasury.contract("ModelMarketplace").call("parents_of", model_id)
    found = {"0x" + bytes(one["model_id"]).hex(): one["bps"] for one in market}
    assert found == {base: 100, left: 1000, right: 500}
    fusion = treasury.contract("ModelFusionContract").call("fusion", model_id)
    assert "0x" + bytes(fusion["spec_digest"]).hex() == done["spec"]
    with DiskBlockStore(alice.home / "store") as store:
        manifest = load_manifest(store, model_id)
        published = decode_spec(Texts(store).get(bytes.fromhex(done["spec"][2:])) or b"")
    assert manifest.fusion == done["spec"]
    assert {parent.model: parent.share_bps for parent in manifest.parents} == found
    assert [type(parent) for parent in manifest.parents] == [Parent] * 3
    assert set(published.references) == set(found)
    assert str(tmp_path) not in published.encode().decode()

    verified = alice.ask("fuse", "verify", done["model_id"])
    assert verified["same"] is True
    assert set(verified["files"].values()) == {"same"}
    assert alice.ask(*command, *shares)["model_id"] == done["model_id"]  # it stays as it is

    carol = person("carol", joy=0)  # another machine, where nothing is
    with DiskBlockStore(alice.home / "store") as store, serving(Gate(store)) as addresses:
        for place, each in enumerate((base, left, right, done["model_id"])):
            at(carol, addresses).ask("model", "pull", each, "--to", tmp_path / f"pulled-{place}")
    assert carol.ask("fuse", "verify", done["model_id"])["same"] is True


def test_untested_and_foreign_folders(alice, family, encoders, tmp_path):
    bob, base, left, right = family
    bob.ask("fuse", "terms", right, "--allow", "--min-share", "5%")
    spec = write_spec(tmp_path / "spec.yaml", encoders[0], encoders[1], right)
    child = tmp_path / "child"
    alice.ask("fuse", "build", spec, "--out", child, "--no-smoke-test")
    command = ["fuse", "publish", child, "--price", "0.05", "--license", "MIT"]
    assert "is a folder, expected a published model" in alice.refused(*command).message
    names = ["--parent", f"{encoders[0]}={base}", "--parent", f"{encoders[1]}={left}"]
    wrong = ["--parent", f"{encoders[0]}={left}", "--parent", f"{encoders[1]}={base}"]
    assert "differs" in alice.refused(*command, *wrong).message
    command += [*names, "--share", f"{base}=1%", "--share", f"{left}=1%"]
    assert "smoke record" in alice.refused(*command).message
    done = alice.ask(*command, "--no-smoke-test")
    card = alice.ask("model", "show", done["model_id"])["manifest"]["card"]
    assert card["tags"] == ["no-smoke-test"]
    assert alice.ask("fuse", "verify", done["model_id"])["same"] is True


def test_other_spec_does_not_verify(alice, family, tmp_path):
    bob, base, left, right = family
    bob.ask("fuse", "terms", right, "--allow", "--min-share", "5%")
    child = tmp_path / "child"
    spec = write_spec(tmp_path / "spec.yaml", base, left, right)
    alice.ask("fuse", "build", spec, "--out", child)
    shares = ("--share", f"{base}=1%", "--share", f"{left}=1%")
    done = alice.ask("fuse", "publish", child, "--price", "0.05", "--license", "MIT", *shares)
    with DiskBlockStore(alice.home / "store") as store:
        data = Texts(store).get(bytes.fromhex(done["spec"][2:]))
    assert data is not None
    other = tmp_path / "other.json"
    other.write_bytes(data.replace(b'"0.6"', b'"0.5"'))
    run = alice.joynet("fuse", "verify", done["model_id"], "--spec", other, "--json")
    assert run.exit_code == 10
    assert run.document["result"]["files"]["model.safetensors"] == "differs"
    claim = ("fuse", "claim", "open", done["model_id"], "--parent", right, "--spec", other)
    assert "does not rebuild" in alice.refused(*claim).message
    assert alice.ask("fuse", "claim", "show", done["model_id"]) == []
    assert alice.refused("fuse", "claim", "show", "1").exit_code == 5
    shutil.rmtree(child)


@pytest.fixture
def court(treasury, alice, deployed_home, tmp_path):
    """The DAO of .joy, which decides claims."""
    home = tmp_path / "chair"
    shutil.copytree(deployed_home / "deployments", home / "deployments")
    chair = type(alice)("chair", 9001, home, alice.url)  # the treasury's key
    return chair.ask(
        *("dao", "create", "joy", "--threshold", 200, "--quorum", 50, "--voting-delay", 60),
        *("--voting-period", 300, "--late-extension", 0, "--delay", "1d", "--grace", "3d"),
        *("--guardian", chair.address, "--guardian-days", 30),
    )


def test_left_out_parent_claims_and_the_other_side_denies(
    alice, family, encoders, court, tmp_path, anvil
):
    bob, base, left, right = family
    bob.ask("fuse", "terms", right, "--allow", "--min-share", "5%")
    spec = write_spec(tmp_path / "spec.yaml", base, left, right)
    child = tmp_path / "copycat"
    alice.ask("fuse", "build", spec, "--out", child, "--no-smoke-test")
    anvil.time_travel(60)  # a parent is older than its child
    copycat = publish(alice, child)  # as an original, without its parents
    for folder, theirs in ((encoders[0], base), (encoders[1], left), (child, copycat)):
        assert copy(bob, folder, alice) == theirs
    evidence = tmp_path / "evidence.json"
    evidence.write_bytes(read_spec(spec).encode())

    before = bob.joy()
    claim = ("fuse", "claim", "open", copycat, "--parent", right, "--spec", evidence)
    opened = bob.ask(*claim)
    assert (opened["state"], opened["share_bps"], opened["child"]) == ("open", 500, copycat)
    assert opened["claimant"] == bob.address
    bond = int(opened["bond_wei"])
    assert before - bob.joy() == bond
    number = str(opened["claim_id"])
    assert alice.ask("fuse", "claim", "show", copycat) == [opened]
    assert bob.refused(*claim).message.endswith("claimed before")
    assert bob.refused("fuse", "claim", "defend", number).exit_code == 7
    denied = alice.ask("fuse", "claim", "defend", number)
    assert denied["defender"] == alice.address
    assert alice.refused("fuse", "claim", "lapse", number).exit_code == 7
    anvil.time_travel(61 * 86_400)
    closed = alice.ask("fuse", "claim", "lapse", number)
    assert (closed["state"], closed["deadline"]) == ("lapsed", 0)
    freed = [int(who.ask("fuse", "claim", "withdraw")["amount_wei"]) for who in (alice, bob)]
    assert sum(freed) == 2 * bond
    assert freed[0] > bond > freed[1]  # the delay is paid by the claimant
    assert alice.ask("fuse", "claim", "withdraw") == {"amount_wei": "0"}
