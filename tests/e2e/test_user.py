"""What a user does with a network that runs, from a folder of their own."""

import json
from pathlib import Path

import pytest

from joynet_sdk.chain.accounts import DEPLOYER, Keys
from joynet_sdk.errors import VerificationError
from joynet_sdk.p2p.identity import peer_key_path
from joynet_sdk.receipts import decode_receipt_file

from .harness import Network, processes_of

pytestmark = pytest.mark.xdist_group("e2e")

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PRICE = 2 * 10**16  # of one digit: node's and model's part


@pytest.fixture(scope="module")
def receipt(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The receipt of one paid answer."""
    path = tmp_path_factory.mktemp("receipt") / "seven.receipt"
    network.infer("--save-receipt", path, cwd=path.parent)
    return path


def escrow(network: Network) -> dict:
    """The client's money, in wei by name."""
    return network.run("payment", "balance").value


# --- inference


def test_a_majority_of_three_says_seven(network, sample, tmp_path):
    answer = network.run(
        "infer", "run", "digits.joy", sample.name, "--verify", "redundant:3", cwd=tmp_path
    ).value
    assert answer["label"] == "7"
    assert answer["committee"]["votes"] == {
        next(iter(answer["committee"]["votes"])): len(network.report["nodes"])
    }
    assert sorted(answer["committee"]["winners"]) == [1, 2, 3]
    assert answer["committee"]["losers"] == []


def test_one_node_answers_and_explain_says_why_it(network, sample, tmp_path):
    run = ("infer", "run", "digits.joy", sample.name, "--verify", "none")
    answer = network.run(*run, "--explain", "--ignore", "1", cwd=tmp_path).value
    assert answer["label"] == "7"
    assert answer["price_wei"] == str(PRICE)
    reasons = {route["node_id"]: route for route in answer["routes"]}
    assert not reasons[1]["eligible"]
    assert "--ignore" in reasons[1]["reason"]
    [first] = [r for r in reasons.values() if r["reason"].startswith("rank 1: 0.02 JOY a call")]
    assert answer["receipt"]["receipt"]["operator"] == first["operator"]


def test_what_a_name_means_costs_and_earned(network, receipt):
    model_id = network.report["models"]["digits.joy"]
    assert network.run("domain", "resolve", "digits.joy").value["model"] == model_id
    shown = network.run("model", "show", "digits.joy").value
    assert shown["model_id"] == model_id
    assert shown["nodes"] == 3
    assert set(network.run("royalty", "show", "digits.joy").value) >= {"claimable_wei"}
    node = decode_receipt_file(receipt.read_bytes()).receipt.operator
    node_id = next(n["node_id"] for n in network.report["nodes"] if n["operator"] == node)
    earned = network.run("node", "earnings", home=network.node_home(node_id)).value
    assert earned["node_id"] == node_id
    assert int(earned["unredeemed_wei"]) + int(earned["redeemed_wei"]) > 0
    balance = escrow(network)
    assert int(balance["escrow_allocated_wei"]) > 0
    assert int(balance["escrow_free_wei"]) + int(balance["escrow_allocated_wei"]) <= 10 * 10**18


# --- receipts


def test_a_receipt_verifies_offline(network, receipt, tmp_path):
    stranger = tmp_path / "stranger"  # no network, no keys, nothing
    stranger.mkdir()
    shown = network.run("receipt", "verify", receipt, "--offline", home=stranger).value
    assert shown["verified"]
    assert shown["client"] == network.payer
    assert "that the model ran as named" in " ".join(shown["not_checked"])


def test_no_byte_of_a_receipt_can_change(network, receipt, tmp_path):
    whole = receipt.read_bytes()

    def forged(at: int) -> bytes:
        return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    for at in range(len(whole)):
        with pytest.raises(VerificationError):
            decode_receipt_file(forged(at)).verify()
    copy = tmp_path / "forged.receipt"
    for at in (0, whole.index(b'"response":') + 14, len(whole) - 1):
        copy.write_bytes(forged(at))
        done = network.run("receipt", "verify", copy, check=False)
        assert done.exit_code == 10, (at, done)
        assert done.document["error"]["code"] == "verification_failed"


def test_a_high_s_signature_does_not_verify(network, receipt, tmp_path):
    document = json.loads(receipt.read_bytes())
    signature = bytes.fromhex(document["signature"][2:])
    s = ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    document["signature"] = "0x" + twin.hex()
    copy = tmp_path / "twin.receipt"
    copy.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True))
    done = network.run("receipt", "verify", copy, check=False)
    assert done.exit_code == 10
    assert "malleable" in done.document["error"]["message"]


# --- what goes wrong


def refused(network: Network, exit_code: int, *argv: str | Path, **options) -> str:
    """The message of a command that must fail so; a hint comes with it."""
    done = network.run(*argv, check=False, **options)
    assert done.exit_code == exit_code, done
    error = done.document["error"]
    assert "\n" not in error["message"]
    return f"{error['message']} ({error['hint']})"


def test_an_unknown_name(network, sample):
    assert "nobody.joy" in refused(network, 5, "infer", "run", "nobody.joy", sample)


def test_an_input_of_100_megabytes_is_refused_unread(network, tmp_path):
    big = tmp_path / "big.json"
    with big.open("wb") as file:
        file.truncate(100_000_000)
    run = ("infer", "run", "digits.joy", big)
    nowhere = ("--network", "http://127.0.0.1:1")  # refused before anything is asked of a chain
    assert "100,000,000 bytes" in refused(network, 2, *run, *nowhere)


def test_an_input_of_another_type_costs_nothing(network):
    before = escrow(network)
    for pixels in (json.dumps([300] * 64), json.dumps([0.5] * 64), "not JSON"):
        message = refused(network, 2, "infer", "run", "digits.joy", pixels)
        assert "expected JSON with 64 integers" in message
    assert escrow(network) == before


def test_a_dead_chain(network, sample):
    message = refused(
        network, 6, "infer", "run", "digits.joy", sample, "--network", "http://127.0.0.1:1"
    )
    assert "127.0.0.1:1" in message


# --- secrets


def secrets_of(network: Network) -> list[str]:
    """Every password, private key and token of the network, as they could appear in text."""
    from eth_account import Account

    password = (network.home / "quickstart/password").read_text().strip()
    deployer = (network.home / "devnet/deployer.password").read_text().strip()
    homes = [network.home, *(Path(node["home"]) for node in network.report["nodes"])]
    found = [password, deployer]
    for home in homes:
        for name in Keys(home).names():
            keyfile = json.loads(Keys(home).info(name).path.read_bytes())
            key = Account.decrypt(keyfile, deployer if name == DEPLOYER else password)
            found.append(key.hex().removeprefix("0x"))
    for home in homes[1:]:
        found.append(peer_key_path(home).read_text().strip())
        found.append(json.loads((home / "node/control.json").read_bytes())["token"])
    return found


def test_no_secret_is_ever_shown(network, sample):
    """Not in arguments, environments, logs, answers or tracebacks."""
    network.restart_with_password_in_the_environment(3)
    wrong = "wrong-secret-of-mine"
    message = refused(
        network, 4, "infer", "run", "digits.joy", sample, "-vv", JOYNET_PASSWORD=wrong
    )
    assert "password" in message
    places = {"transcript": "".join(network.transcript)}
    for pid, command in processes_of(network.home).items():
        places[f"arguments of {pid}"] = command
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode()
        places[f"environment of {pid} ({command})"] = variables
    logs = [path for path in network.home.rglob("*.log") if path.is_file()]
    assert len(logs) >= 4, "the chain's and each node's"
    places |= {str(path): path.read_text() for path in logs}
    for where, text in places.items():
        for secret in (*secrets_of(network), wrong):
            assert secret.lower() not in text.lower(), where
