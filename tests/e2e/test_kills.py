"""kill -9 of everything, at the worst moments. Nobody pays twice, nobody waits for ever."""

import os
import signal
import subprocess
from contextlib import closing

import pytest

from joynet_sdk.chain import Contract
from joynet_sdk.inference.committee import COMMIT, SETTLED
from joynet_sdk.node.control import ask
from joynet_sdk.quickstart import SAMPLE

from .harness import Network, finish, start, wait_until

pytestmark = pytest.mark.xdist_group("e2e")

DRAWN, COMMITTED, REVEALED = 0, 1, 2
FEE, MODEL_PRICE = 10**16, 10**16  # of a seat, and of the digits model


@pytest.fixture
def proof(network: Network) -> Contract:
    """ProofOfInference, to watch."""
    with closing(network.session()) as chain:
        yield chain.contract("ProofOfInference")


def start_committee(network: Network) -> subprocess.Popen:
    """`joynet infer run digits.joy SAMPLE --verify redundant:3`, not waited for."""
    return start(
        network.home, "infer", "run", "digits.joy", SAMPLE, "--verify", "redundant:3", "--quiet"
    )


def jobs(proof: Contract) -> list[int]:
    """Every job id that was ever requested."""
    return [event.args["job_id"] for event in proof.events("Requested")]


def drawn_job(proof: Contract, before: list[int]) -> int:
    """The id of the new job, once its committee commits."""

    def find() -> int:
        new = [job for job in jobs(proof) if job not in before]
        return new[0] if new and proof.call("job", new[0])["status"] == COMMIT else 0

    return wait_until(find, "a drawn committee")


def member(proof: Contract, job: int, node_id: int) -> dict:
    """A node's seat."""
    [seat] = [seat for seat in proof.call("members", job) if seat["node_id"] == node_id]
    return seat


def is_committed(proof: Contract, job: int, *node_ids: int) -> bool:
    """Whether these nodes have committed."""
    return all(member(proof, job, node_id)["state"] >= COMMITTED for node_id in node_ids)


def test_a_node_killed_between_commit_and_reveal_reveals(network, proof):
    slow = network.node_process(3)
    os.kill(slow.pid, signal.SIGSTOP)  # so that nobody can reveal yet
    try:
        before = jobs(proof)
        client = start_committee(network)
        job = drawn_job(proof, before)
        wait_until(lambda: is_committed(proof, job, 1, 2), "two commits")
        network.kill(1)
        assert member(proof, job, 1)["state"] == COMMITTED
    finally:
        os.kill(slow.pid, signal.SIGCONT)
    network.restart(1)
    answer = finish(client).value
    assert answer["label"] == "7"
    assert sorted(answer["committee"]["winners"]) == [1, 2, 3]
    assert member(proof, job, 1)["state"] == REVEALED
    network.wait_ready(1)


def test_a_node_that_stays_dead_burns_its_bond_and_the_others_answer(network, proof):
    token = proof.session.contract("JoyToken")
    supply = token.call("totalSupply")
    network.kill(2)
    before = jobs(proof)
    client = start_committee(network)
    job = drawn_job(proof, before)
    wait_until(lambda: is_committed(proof, job, 1, 3), "the living commit")
    network.run("devnet", "time-travel", "31")  # the commit window
    wait_until(lambda: member(proof, job, 1)["state"] == REVEALED, "reveal of node 1")
    wait_until(lambda: member(proof, job, 3)["state"] == REVEALED, "reveal of node 3")
    answer = finish(client).value
    assert answer["label"] == "7"
    assert sorted(answer["committee"]["winners"]) == [1, 3]
    assert answer["committee"]["votes"]["silent"] == 1
    assert token.call("totalSupply") < supply, "the bond of the silent one is burned"
    assert proof.call("job", job)["status"] == SETTLED
    network.restart(2)
    network.wait_ready(2)
    network.check_books()


@pytest.mark.parametrize("noun", ["tx", "infer"])
def test_a_client_killed_before_the_draw_resumes_and_pays_once(network, proof, noun):
    wallet = int(network.run("payment", "balance").value["wallet_wei"])
    before = jobs(proof)
    client = start_committee(network)
    wait_until(lambda: len(jobs(proof)) > len(before), "the request")
    client.kill()
    client.communicate()
    [job] = [job for job in jobs(proof) if job not in before]
    [open_job] = network.run("tx", "list").value
    assert open_job["kind"] == "infer.committee"
    done = network.run(noun, "resume").value
    if noun == "tx":
        assert [each["state"] for each in done["jobs"]] == ["done"]
    else:
        assert (done["label"], done["committee"]["job"]) == ("7", job)
    assert jobs(proof) == [*before, job]
    assert proof.call("job", job)["status"] == SETTLED
    cost = wallet - int(network.run("payment", "balance").value["wallet_wei"])
    winners = bin(next(iter(proof.events("Finalised", filters={"job_id": job}))).args["winners"])
    assert cost == winners.count("1") * FEE + MODEL_PRICE
    assert network.run("tx", "resume").value["jobs"] == []
    network.check_books()


def test_nodes_and_clients_survive_a_killed_chain(network):
    status = network.run("devnet", "status").value
    block, nodes = status["block"], [node["node_id"] for node in network.report["nodes"]]
    before = {node_id: network.node_process(node_id) for node_id in nodes}
    keeper = network.keeper()
    os.kill(keeper.pid, signal.SIGKILL)
    os.kill(status["pid"], signal.SIGKILL)
    wait_until(lambda: not keeper.is_alive(), "the end of the chain")
    down = network.infer(check=False)
    assert down.exit_code == 6
    up = network.run("devnet", "up").value
    assert (up["chain_id"], up["url"]) == (status["chain_id"], status["url"])
    assert up["block"] >= block - 2, "at most the last second is lost"
    assert network.infer().value["label"] == "7"
    assert network.infer("--verify", "redundant:3").value["committee"]["losers"] == []
    assert {node_id: network.node_process(node_id) for node_id in nodes} == before
    assert all(ask(network.node_home(node_id), "status")["peers"] for node_id in nodes)
    network.check_books()
