"""What a node says when a call fails, as our errors with a hint."""

import re

from joynet_sdk.chain.abi import codec
from joynet_sdk.chain.hints import hint_for
from joynet_sdk.chain.rpc import RpcError
from joynet_sdk.errors import InsufficientFundsError, JoyNetError, RevertedError

_ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)
_PANICS = {0x01: "assertion failed", 0x11: "overflow", 0x12: "division by zero", 0x32: "bad index"}
_REASON = re.compile(r"^([A-Za-z][\w ]*): (.+)$", re.DOTALL)


def decode_reason(data: bytes) -> str:
    """The text inside revert data: a revert string, a panic, or "" for none."""
    from eth_abi.exceptions import DecodingError

    try:
        if data[:4] == _ERROR_STRING:
            return str(codec().decode(["string"], data[4:])[0])
        if data[:4] == _PANIC:
            number = int.from_bytes(data[4:36], "big")
            return f"panic: {_PANICS.get(number, hex(number))}"
    except (DecodingError, OverflowError, UnicodeDecodeError):
        return ""
    return "0x" + data.hex() if data else ""


def reverted(data: bytes, contract: str) -> RevertedError:
    """The error of a revert.

    Args:
        data: Revert data.
        contract: Name of the contract called, used when the reason names none.
    """
    reason = decode_reason(data)
    match = _REASON.match(reason)
    if match:
        contract, reason = match[1], match[2]
    return RevertedError(contract, reason, hint=hint_for(f"{contract}: {reason}"))


def explain(error: RpcError, contract: str, *, have: int = 0, need: int = 0) -> JoyNetError:
    """Turn a node's refusal of a call or transaction into the error that callers know.

    Args:
        error: What the node said.
        contract: Name of the contract called.
        have: The sender's ETH, in wei.
        need: ETH the transaction asked for, in wei.
    """
    text = error.text.lower()
    if error.data or "revert" in text:
        return reverted(error.data, contract)
    if "insufficient funds" in text or "out of gas" in text or "insufficient balance" in text:
        return InsufficientFundsError(
            "ETH for gas", have, need, hint="send it ETH; on a devnet: joynet devnet fund ADDRESS"
        )
    return error
