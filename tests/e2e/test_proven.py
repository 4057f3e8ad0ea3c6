"""`--verify zk` on a network with a liar: proofs are made, checked by the contract, and paid."""

from contextlib import closing

import pytest

from ..conftest import share_kernels
from .harness import finish, quickstart, start, wait_until

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture
def proving(home):
    """Three nodes, the third one a liar, and a registered circuit.

    `quickstart` gives the kernels of its home to the nodes; compiling them is for tests/kernels.
    """
    share_kernels(home)
    return quickstart(home, "--lite", "--byzantine", "1", "--zk")


def test_a_proof_is_paid_and_a_lie_is_refunded(proving):
    assert proving.report["proved"]["label"] == "7"
    assert proving.report["reconciliation"]["balanced"]
    [liar] = [node["node_id"] for node in proving.report["nodes"] if node["byzantine"]]

    done = finish(start(proving.home, "proof", "check", "digits.joy"))
    assert done.value == {"circuit_id": proving.report["proved"]["circuit"], "matches": True}

    with closing(proving.session()) as session:
        contract = session.contract("ProvenInference")
        token, payer = session.contract("JoyToken"), proving.payer
        model = bytes.fromhex(proving.report["models"]["digits.joy"][2:])

        def offers() -> bool:
            return contract.call("terms", liar, model)["max_open"] > 0

        wait_until(offers, "the liar offers proofs", 180)
        burned = token.call("totalSupply")
        before = token.call("balanceOf", payer)

        lied = proving.infer("--verify", "zk", "--only", str(liar), "--json", check=False)
        assert lied.exit_code == 6, lied
        assert "its proof was false; the node lost its bond" in lied.document["error"]["message"]
        assert token.call("balanceOf", payer) == before
        assert token.call("totalSupply") < burned  # the bond

        told = proving.infer("--verify", "zk", "--ignore", str(liar), "--json")
        assert told.value["label"] == "7"
        assert token.call("balanceOf", payer) < before
        check_proof_from_chain(proving, told.value["proof"]["job"], proving.home / "job.proof")
    proving.check_books()


def check_proof_from_chain(network, job, path):
    """Anybody can read the proof of a job from the chain, and check it there and here."""
    fetched = finish(start(network.home, "proof", "fetch", str(job), "--out", path))
    assert fetched.value["job"] == str(job)
    argv = ("proof", "verify", path, "--onchain", "--model", "digits.joy")
    assert finish(start(network.home, *argv)).value["onchain"] is True
    raw = bytearray(path.read_bytes())
    at = raw.index(b'"proof":"0x') + 300
    raw[at] = ord("1") if raw[at] != ord("1") else ord("2")
    path.write_bytes(raw)
    assert finish(start(network.home, "proof", "verify", path)).exit_code == 10
