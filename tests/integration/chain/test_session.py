"""Contracts, errors and events over a real node."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from joynet_sdk.chain import Account, ChainSession
from joynet_sdk.chain.rpc import Rpc
from joynet_sdk.errors import (
    AuthError,
    ConfigError,
    InsufficientFundsError,
    InvalidInputError,
    NotFoundError,
    RevertedError,
    UnavailableError,
    VerificationError,
)

BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
JOY = 10**18


def test_call_transact_and_events(session, token, owner):
    receipt = token.transact("transfer", BOB, 5 * JOY)
    assert token.call("balanceOf", BOB) == 5 * JOY
    event = receipt.event("Transfer")
    assert event.args == {"sender": owner.address, "receiver": BOB, "value": 5 * JOY}
    assert list(token.events("Transfer", filters={"receiver": BOB})) == [event]
    assert list(token.events("Transfer", filters={"receiver": token.address})) == []
    assert receipt.fee > 0
    with pytest.raises(LookupError, match="no Approval"):
        receipt.event("Approval")


def test_past_block_is_read(session, token):
    before = session.block_number()
    token.transact("transfer", BOB, 1)
    assert token.call("balanceOf", BOB, block=before) == 0


def test_revert_is_decoded_before_anything_is_sent(session, token, owner):
    nonce = session.rpc.call("eth_getTransactionCount", owner.address, "latest")
    with pytest.raises(RevertedError) as caught:
        token.transact("transferFrom", BOB, owner.address, 1)
    assert (caught.value.contract, caught.value.reason) == ("JoyToken", "insufficient allowance")
    assert "token approve" in caught.value.hint
    assert session.rpc.call("eth_getTransactionCount", owner.address, "latest") == nonce
    assert session.journal.jobs(state="open") == []


def test_revert_when_mined_is_decoded_too(session, token, rich):
    """Two sessions spend the same JOY: the second simulates well, and fails in its block."""
    poor = rich(2002)
    token.transact("transfer", poor.address, 1 * JOY)
    with ChainSession(session.url, session.home, account=poor, timeout_s=20) as second:
        mine = second.contract("JoyToken")

        def spend_behind_its_back(plan):
            second.confirm = lambda plan: None
            mine.transact("transfer", BOB, 1 * JOY)

        second.confirm = spend_behind_its_back
        with pytest.raises(RevertedError) as caught:
            mine.transact("transfer", BOB, 1 * JOY)
        assert caught.value.reason == "insufficient balance"
        failed = [
            s for j in second.journal.jobs(state="failed") for s in second.journal.steps(j.id)
        ]
        assert [step.state for step in failed] == ["failed"]
    assert token.call("balanceOf", BOB) == 1 * JOY


def test_empty_account_cannot_pay_gas(session, token):
    poor = Account.from_key(b"\x07" * 32)
    with ChainSession(session.url, session.home, account=poor) as second:
        with pytest.raises(InsufficientFundsError, match="not enough ETH for gas: have 0"):
            second.contract("JoyToken").transact("approve", BOB, 1)
        assert second.journal.jobs(state="open") == []


def test_bad_arguments_never_reach_the_chain(session, token):
    with pytest.raises(InvalidInputError, match="transfer.to"):
        token.transact("transfer", "bob", 1)
    with pytest.raises(NotFoundError, match=r"JoyToken\.nothing"):
        token.call("nothing")
    with pytest.raises(VerificationError, match="answered 0 bytes"):
        session.contract("JoyToken", BOB).call("totalSupply")  # also once Ape is loaded


def test_signing_without_an_account_is_an_auth_error(session, token):
    with ChainSession(session.url, session.home) as reader:
        assert reader.contract("JoyToken").call("decimals") == 18
        with pytest.raises(AuthError, match="no account"):
            reader.contract("JoyToken").transact("approve", BOB, 1)


def test_ape_sees_the_same_contract(token):
    instance = token.ape
    assert instance.totalSupply() == token.call("totalSupply")
    assert instance.address == token.address


def test_one_network_at_a_time(session, token, home):
    token.ape  # noqa: B018  (connects Ape)
    other = session.url.replace("127.0.0.1", "localhost")
    with ChainSession(other, home, account=session.account) as second:
        assert second.contract("JoyToken").call("symbol") == "JOY"  # reading is free
        with pytest.raises(ConfigError, match="one network|uses"):
            second.provider()


def test_threads_share_a_session(session, token, rich):
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(token.call, "totalSupply") for _ in range(32)]
        sends = [pool.submit(token.transact, "transfer", BOB, n) for n in range(1, 9)]
        assert {call.result() for call in calls} == {10**27}
        blocks = [send.result().block for send in sends]
    assert token.call("balanceOf", BOB) == sum(range(1, 9))
    assert len(blocks) == 8


def test_wrong_chain_is_refused(session, home):
    with pytest.raises(ConfigError, match=f"chain {session.chain_id}, expected chain 1"):
        ChainSession(session.url, home, chain_id=1)


def test_deployments_of_another_genesis_are_refused(session, token, home):
    path = home / "deployments" / f"{session.chain_id}.json"
    path.write_text(path.read_text().replace(session.genesis, "0x" + "00" * 32))
    session.forget_deployment()
    with pytest.raises(ConfigError, match="genesis"):
        session.contract("JoyToken")


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "ftp://x", "nonsense", "http://"])
def test_url_must_be_http(url, tmp_path):
    with pytest.raises(ConfigError, match="expected an http"):
        ChainSession(url, tmp_path)


def test_dead_node_is_unavailable(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"no chain at 127.0.0.1:{port}") as caught:
            ChainSession(f"http://127.0.0.1:{port}", tmp_path)
    assert "devnet up" in caught.value.hint


@pytest.fixture
def server():
    """An HTTP server that answers with what a test puts in `.answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.server.answer(self)

        def log_message(self, *args):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
    thread.start()
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def reply(status, body, headers=()):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"<html>hello</html>"),
        reply(200, b""),
        reply(200, b"[]"),
        reply(200, b"null"),
        reply(200, b'{"id": 1}'),
        reply(500, b"\xff\xfe"),
        reply(302, b"", [("Location", "http://example.org")]),
    ],
)
def test_garbage_is_unavailable(server, answer, tmp_path):
    server.answer = answer
    with pytest.raises(UnavailableError, match="not JSON-RPC"):
        ChainSession(f"http://127.0.0.1:{server.server_port}", tmp_path, timeout_s=5)


def test_credentials_in_the_url_are_not_repeated(server, tmp_path):
    server.answer = reply(403, b"no")
    url = f"http://user:hunter2@127.0.0.1:{server.server_port}/v3/secret-key?k=v"
    with pytest.raises(UnavailableError) as caught:
        ChainSession(url, tmp_path)
    assert not any(word in str(caught.value) for word in ("hunter2", "secret-key"))


@pytest.mark.parametrize("kind", ["silent", "dripping"])
def test_slow_node_meets_the_deadline(server, kind):
    stop = threading.Event()

    def answer(handler):
        if kind == "dripping":
            handler.send_response(200)
            handler.end_headers()
            while not stop.wait(0.05):
                try:
                    handler.wfile.write(b" ")
                except OSError:
                    return
        stop.wait(10)

    server.answer = answer
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="in time"):
        Rpc(f"http://127.0.0.1:{server.server_port}", timeout_s=0.5).call("eth_chainId")
    stop.set()
    assert time.monotonic() - began < 5


def test_connection_that_went_stale_is_opened_again(anvil):
    with Rpc(anvil.url) as rpc:
        rpc.call("eth_chainId")
        rpc._connection.sock.shutdown(socket.SHUT_RDWR)
        assert int(rpc.call("eth_chainId"), 16) == anvil.status().chain_id
