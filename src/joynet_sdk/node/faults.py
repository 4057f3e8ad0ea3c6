"""What a byzantine node of a development network does; refused on any other chain."""

import secrets
from collections.abc import Callable

from joynet_sdk.errors import ConfigError
from joynet_sdk.types import DEVELOPMENT_CHAIN_IDS


def _wrong_output(output: bytes) -> bytes:
    """Other bytes than the model's, and other ones each time."""
    noise = secrets.token_bytes(len(output))
    return bytes((byte + 1 + extra % 254) % 256 for byte, extra in zip(output, noise, strict=True))


FAULTS: dict[str, Callable[[bytes], bytes]] = {"wrong-output": _wrong_output}


def fault(name: str, chain_id: int) -> Callable[[bytes], bytes] | None:
    """The fault of a name, None for "".

    Raises:
        ConfigError: The chain is not a development chain, or there is no such fault.
    """
    if not name:
        return None
    if chain_id not in DEVELOPMENT_CHAIN_IDS or name not in FAULTS:
        raise ConfigError(f"fault {name!r} on chain {chain_id}, expected a devnet and {[*FAULTS]}")
    return FAULTS[name]
