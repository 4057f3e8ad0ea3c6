"""A pipeline of MiniLM and a head: composed, published with its parents, fetched and served."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from joynet_cli.testing import run_cli
from joynet_sdk import qmodel
from joynet_sdk.node.control import ask
from joynet_sdk.quickstart import MINILM_FILES

from ..integration.compositions.sentences import HELD_OUT, MINILM, SENTENCES, TOPICS, topics
from ..integration.compositions.test_pipeline import by_hand
from .harness import Network, environment, wait_until

pytestmark = pytest.mark.xdist_group("e2e")

TOLERANCE = 0.02  # in probability; the composition's own is stated in its manifest


def joynet(home: Path, *argv: str | Path) -> dict:
    """A command in a home; in this process, which is faster."""
    return run_cli([*argv, "--yes", "--json"], env=environment(home)).value


class Publisher:
    """Somebody who runs node 1 and publishes from its home, so that others can fetch."""

    def __init__(self, network: Network) -> None:
        self.network, self.home = network, network.node_home(1)
        shutil.copy(network.home / "keys/quickstart.json", self.home / "keys")

    def run(self, *argv: str | Path) -> dict:
        return joynet(self.home, *argv, "--account", "quickstart")

    def publish(self, folder: Path, title: str, *options: str) -> str:
        command = ("model", "publish", folder, "--price", "0.001", "--title", title, *options)
        done = self.run(*command)
        self.network.report["models"][title] = done["model_id"]  # the books hold it from now on
        return done["model_id"]


@pytest.fixture
def node(network: Network):
    """Node 2, which has none of the parts; what it offers here it takes back."""
    home, offered = network.node_home(2), []
    shutil.copy(network.home / "keys/vault-2.json", home / "keys")

    def offer(model_id: str) -> None:
        joynet(home, "node", "offer", model_id, "--price", "0.01", "--account", "vault-2")
        offered.append(model_id)

        def is_ready() -> bool:
            found = {m["model_id"]: m for m in ask(home, "status")["models"]}
            assert not found.get(model_id, {}).get("problem"), found
            return found.get(model_id, {}).get("state") in ("warm", "hot")

        wait_until(is_ready, "the composition on node 2", 120)

    yield offer
    for model_id in offered:
        joynet(home, "node", "offer", model_id, "--remove", "--account", "vault-2")


def test_a_node_serves_a_pipeline_that_it_fetched_part_by_part(
    network: Network, node, tmp_path: Path
):
    minilm = tmp_path / "minilm"
    minilm.mkdir()
    for name in MINILM_FILES:
        shutil.copy(MINILM / name, minilm / name)
    alice = Publisher(network)
    first = alice.publish(minilm, "MiniLM")
    second = alice.publish(topics().head, "Topics", "--labels", ",".join(TOPICS))

    folder, (text, topic) = tmp_path / "topic-of", HELD_OUT[0]
    models = (f"minilm={first}", f"head={second}")
    made = alice.run("fuse", "compose", "pipeline", *models, "--out", folder)
    assert [each["adapters"] for each in made["connections"]] == [
        [], ["quantise"], ["probabilities"]
    ]  # fmt: skip

    questions = tmp_path / "topics.jsonl"
    lines = [json.dumps({"input": each, "label": TOPICS[number]}) for each, number in HELD_OUT]
    questions.write_text("\n".join(lines))
    tested = alice.run("fuse", "test", folder, "--task", questions)
    assert tested["smoke"]["passed"], tested

    shares = ("--share", f"{first}=20%", "--share", f"{second}=30%")
    command = ("fuse", "publish", folder, "--price", "0.01", "--title", "Topic of a text")
    done = alice.run(*command, *shares)
    network.report["models"]["topic-of"] = done["model_id"]
    assert {p["model_id"]: p["share_bps"] for p in done["parents"]} == {first: 2000, second: 3000}

    node(done["model_id"])
    answer = joynet(network.home, "infer", "run", done["model_id"], text)
    vector = topics().vectors[SENTENCES.index((text, topic))]
    want = by_hand(qmodel.load(topics().head / "model.safetensors"), vector)
    assert answer["label"] == TOPICS[topic]
    got = [answer["probabilities"][label] for label in TOPICS]
    np.testing.assert_allclose(got, want, atol=TOLERANCE)
    receipt = answer["receipt"]["receipt"]
    assert (receipt["modelId"], receipt["engineProfile"]) == (done["model_id"], "composition/1")
    assert receipt["operator"] == network.report["nodes"][1]["operator"]

    joynet(network.node_home(2), "node", "redeem")
    price = 10**16  # of the one call
    told = joynet(network.home, "royalty", "preview", done["model_id"], "0.01")
    with closing(network.session()) as chain:
        market = chain.contract("ModelMarketplace")

        def earned(model_id: str) -> int:
            return market.call("account_of", bytes.fromhex(model_id[2:]))

        assert earned(done["model_id"]) == price
        before = earned(first), earned(second)
        alice.run("royalty", "claim", done["model_id"])
        assert (earned(first) - before[0], earned(second) - before[1]) == (2 * 10**15, 3 * 10**15)
    assert sum(map(int, told["accounts"].values())) == price
