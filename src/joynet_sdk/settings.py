"""The settings there are, with their types, limits and defaults."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.units import parse_joy


def _check_network(value: str) -> str:
    is_url = re.fullmatch(r"https?://[^\s/]+\S*", value)
    is_ape_choice = re.fullmatch(r"[a-z0-9-]+:[a-z0-9-]+(:\S+)?", value)
    if value != "devnet" and not is_url and not is_ape_choice:
        raise ValueError("expected 'devnet', an http(s) RPC URL, or ecosystem:network")
    return value


def _check_account(value: str) -> str:
    if not re.fullmatch(r"(ape:)?[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError("expected a key name, an address, or ape:ALIAS")
    return value


def _check_joy(value: str) -> str:
    try:
        parse_joy(value)
    except InvalidInputError as error:
        raise ValueError(str(error)) from None
    return value


def _check_multiaddr(value: str) -> str:
    if not re.fullmatch(r"/[a-z0-9]+/\S+", value):
        raise ValueError("expected a multiaddr such as /ip4/127.0.0.1/tcp/4001")
    return value


Multiaddr = Annotated[str, AfterValidator(_check_multiaddr)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Storage(_Section):
    """The block store."""

    quota_gb: float = Field(default=50.0, gt=0, description="Most the store may hold, in GB.")


class P2p(_Section):
    """The peer-to-peer host."""

    listen: tuple[Multiaddr, ...] = Field(
        default=("/ip4/127.0.0.1/tcp/0",), description="Multiaddrs to listen on."
    )
    bootstrap: tuple[Multiaddr, ...] = Field(
        default=(), description="Multiaddrs of peers to start from."
    )


class Node(_Section):
    """A node's own limits."""

    unsecured_limit_joy: Annotated[str, AfterValidator(_check_joy)] = Field(
        default="0", description="JOY of calls served beyond what a payer has in escrow."
    )


class Log(_Section):
    """Log files."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is written."
    )


class Settings(_Section):
    """Every setting, validated."""

    network: Annotated[str, AfterValidator(_check_network)] = Field(
        default="devnet", description="RPC URL, 'devnet', or an Ape network choice."
    )
    chain_id: int | None = Field(default=None, gt=0, description="Refuse any other chain id.")
    account: Annotated[str, AfterValidator(_check_account)] | None = Field(
        default=None, description="Key to act with: name, address, or ape:ALIAS."
    )
    password_file: str | None = Field(
        default=None, description="File that holds the password of your keys, in one line."
    )
    timeout_s: float | None = Field(
        default=None, gt=0, le=86_400, description="Longest single wait on the network, in seconds."
    )
    storage: Storage = Storage()
    p2p: P2p = P2p()
    node: Node = Node()
    log: Log = Log()
