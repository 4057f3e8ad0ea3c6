import re
from pathlib import Path

import pytest
from eth_abi.abi import encode

from joynet_sdk.chain.hints import EXACT, PARTS
from joynet_sdk.chain.reverts import decode_reason, explain, reverted
from joynet_sdk.chain.rpc import RpcError
from joynet_sdk.errors import InsufficientFundsError, RevertedError

CONTRACTS = Path(__file__).resolve().parents[3] / "contracts"
ERROR, PANIC = bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")


def error_string(text):
    return ERROR + encode(["string"], [text])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (error_string("JoyToken: insufficient balance"), "JoyToken: insufficient balance"),
        (PANIC + encode(["uint256"], [0x11]), "panic: overflow"),
        (PANIC + encode(["uint256"], [0x99]), "panic: 0x99"),
        (b"", ""),
        (ERROR + b"\xff" * 40, ""),
        (bytes.fromhex("deadbeef"), "0xdeadbeef"),
    ],
)
def test_reason_is_decoded(data, reason):
    assert decode_reason(data) == reason


def test_contract_named_in_the_reason_wins():
    error = reverted(error_string("voucher_escrow: free balance too low"), "NodeCoordinator")
    assert (error.contract, error.reason) == ("voucher_escrow", "free balance too low")
    assert error.hint == "joynet payment deposit AMOUNT"
    plain = reverted(error_string("nope"), "NodeCoordinator")
    assert (plain.contract, plain.reason, plain.hint) == ("NodeCoordinator", "nope", None)
    assert "no reason" in str(reverted(b"", "JoyToken"))


@pytest.mark.parametrize(
    ("text", "data", "kind"),
    [
        ("execution reverted: x", b"", RevertedError),
        ("anything", error_string("A: b"), RevertedError),
        ("insufficient funds for gas * price + value", b"", InsufficientFundsError),
        ("Out of gas: gas required exceeds allowance", b"", InsufficientFundsError),
        ("header not found", b"", RpcError),
    ],
)
def test_node_errors_are_sorted(text, data, kind):
    error = explain(RpcError("eth_call", -32000, text, data), "JoyToken", have=1, need=2)
    assert type(error) is kind


@pytest.mark.parametrize("part", PARTS)
def test_every_hint_is_for_a_reason_that_exists(part):
    """A hint whose revert string was reworded would never be shown."""
    sources = "".join(path.read_text() for path in CONTRACTS.rglob("*.vy"))
    reasons = re.findall(r'"(?:[A-Za-z_]+: )([^"]+)"', sources)
    known = [*reasons, "transfer amount exceeds balance", "caller is not the owner"]  # snekmate's
    assert any(part in reason.lower() for reason in known)


def test_every_reason_of_names_and_governance_has_a_hint():
    """Never a raw code: what is listed is exactly what the contracts say."""
    sources = [*(CONTRACTS / "domains").glob("*.vy"), CONTRACTS / "modules" / "name_tokens.vy"]
    text = "".join(path.read_text() for path in sources)
    owners = {path.stem for path in sources}
    reasons = {f"{a}: {b}" for a, b in re.findall(r'"(\w+): ([^"]+)"', text) if a in owners}
    assert len(reasons) > 80
    assert reasons == set(EXACT)
    for reason in reasons:
        assert reverted(error_string(reason), "X").hint == EXACT[reason]
