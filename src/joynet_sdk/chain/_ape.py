"""The connection through Ape, imported only where a transaction is made: it costs most of a second.

Ape's own HTTP provider waits half an hour for an answer, asks every plugin for headers (which loads
py-evm) and registers console.log (which loads pandas). This one does none of it. To find its
plugins Ape parses the metadata of every installed package; their folders say as much.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ape import networks
from ape.api import TransactionAPI
from ape.exceptions import ApeException, ProviderError
from ape.logging import logger
from ape.managers import plugins
from ape_ethereum.provider import EthereumNodeProvider
from requests import RequestException
from web3 import HTTPProvider, Web3

from joynet_sdk.chain.rpc import RpcError
from joynet_sdk.errors import ConfigError, UnavailableError

logger.set_level("ERROR")
_is_main = threading.current_thread() is threading.main_thread()
if _is_main and getattr(signal.getsignal(signal.SIGINT), "__module__", "") == "ape":
    # `import ape` made Ctrl-C a silent exit: nobody could clean up, or say so.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _plugin_names() -> Iterator[str]:
    """Names of installed Ape plugins, such as ape-vyper."""
    for folder in sys.path:
        for path in Path(folder or ".").glob("ape_*.dist-info"):
            yield path.name.partition("-")[0].replace("_", "-")


plugins.get_plugin_dists = _plugin_names  # type: ignore[attr-defined]
_lock = threading.Lock()
_connected_url: str | None = None


class NodeProvider(EthereumNodeProvider):
    """Ape's node provider with a deadline per request and no retries of its own."""

    timeout_s: float = 20.0

    def _set_web3(self) -> None:
        self._client_version = None
        transport = HTTPProvider(
            self.http_uri,
            request_kwargs={"timeout": self.timeout_s},
            exception_retry_configuration=None,
        )
        self._web3 = Web3(transport, middleware=[])

    def _post_connect(self) -> None:
        """Ape registers console.log here; nothing of ours prints."""


def connect(choice: str, data_folder: Path, timeout_s: float) -> NodeProvider:
    """Make a network the active one of this process.

    Args:
        choice: RPC URL, or an Ape network choice.
        data_folder: Ape's cache, one per chain and genesis.
        timeout_s: Deadline of each request, in seconds.

    Raises:
        ConfigError: This process is on another network already, or the choice is unknown to Ape.
        UnavailableError: The node does not answer.
    """
    global _connected_url
    with _lock:
        if _connected_url not in (None, choice):
            raise ConfigError(
                f"this process uses {_connected_url} already, cannot also use {choice}",
                hint="one network at a time per process: start another process",
            )
        os.environ["APE_DATA_FOLDER"] = str(data_folder)
        networks.config_manager.DATA_FOLDER = data_folder
        provider = networks.create_custom_provider(choice, provider_cls=NodeProvider)
        assert isinstance(provider, NodeProvider), "Ape makes the class it is given"
        provider.timeout_s = timeout_s
        try:
            provider.connect()  # type: ignore[no-untyped-call]
        except (ApeException, RequestException, OSError) as error:
            raise UnavailableError(f"no chain at {choice}: {error}") from error
        networks.active_provider = provider
        _connected_url = choice
        return provider


def release() -> None:
    """Disconnect, so that this process may use another network."""
    global _connected_url
    with _lock:
        if networks.active_provider is not None:
            networks.active_provider.disconnect()
            networks.active_provider = None
        _connected_url = None


def build(provider: NodeProvider, fields: dict[str, Any]) -> TransactionAPI:
    """An EIP-1559 transaction as Ape's ecosystem makes it."""
    return provider.network.ecosystem.create_transaction(type=2, **fields)


def broadcast(provider: NodeProvider, raw: bytes) -> None:
    """Hand signed bytes to the node, once.

    Raises:
        RpcError: The node refused them.
        UnavailableError: No answer: the node may or may not have them.
    """
    try:
        provider.make_request("eth_sendRawTransaction", ["0x" + raw.hex()])
    except ProviderError as error:
        raise RpcError("eth_sendRawTransaction", -32000, str(error), b"") from error
    except (ApeException, RequestException, OSError, ValueError) as error:
        raise UnavailableError(f"the chain did not answer a broadcast: {error}") from error


def instance(address: str, contract_type: Any) -> Any:
    """Ape's own object for a contract, for notebooks and `ape console`."""
    from ape.contracts import ContractInstance

    return ContractInstance(address, contract_type)
