"""JSON-RPC over HTTP with a deadline and a size limit: the quick read path.

Importing Ape costs most of a second; reading a balance needs none of it. Transactions are broadcast
elsewhere (`_ape`). Only the reads named here are ever repeated, once, on a connection gone stale.
"""

import http.client
import itertools
import json
import ssl
import threading
import time
from typing import Any, Self
from urllib.parse import urlsplit

from joynet_sdk.errors import ConfigError, InvalidInputError, JoyNetError, UnavailableError

MAX_RESPONSE_BYTES = 256 * 2**20  # a devnet state dump is the largest answer
_CHUNK_BYTES = 2**16
_REPEATABLE = frozenset(
    f"eth_{name}"
    for name in (
        *("blockNumber", "call", "chainId", "estimateGas", "getBalance", "getBlockByNumber"),
        *("getCode", "getLogs", "getTransactionByHash", "getTransactionCount"),
        *("getTransactionReceipt", "maxPriorityFeePerGas", "simulateV1"),
    )
)


class RpcError(JoyNetError):
    """The node answered with a JSON-RPC error.

    Attributes:
        rpc_code: JSON-RPC error code, e.g. 3 for a revert.
        text: The node's message.
        data: Revert data, or b"".
    """

    code = "rpc"

    def __init__(self, method: str, rpc_code: int, text: str, data: bytes) -> None:
        self.rpc_code, self.text, self.data = rpc_code, text, data
        super().__init__(f"{method} failed: {text[:300]}")


class Rpc:
    """A keep-alive connection to one node. Safe to share between threads: calls take turns."""

    def __init__(self, url: str, *, timeout_s: float = 20.0) -> None:
        """
        Args:
            url: http:// or https:// address of the node.
            timeout_s: Deadline of each call, in seconds, its whole answer included.

        Raises:
            ConfigError: Not an HTTP URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"network is {url!r}, expected an http:// or https:// URL",
                hint="joynet devnet up, or --network http://127.0.0.1:8545",
            )
        self.url, self.timeout_s = url, timeout_s
        self._parts, self._ids, self._lock = parts, itertools.count(1), threading.Lock()
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        with self._lock:
            self._drop()

    def call(self, method: str, *params: Any, timeout_s: float | None = None) -> Any:
        """Make one request and return its result.

        Raises:
            RpcError: The node refused it.
            UnavailableError: No answer in time, or not JSON-RPC.
        """
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        with self._lock:
            may_repeat = self._connection is not None and method in _REPEATABLE
            status, body = self._exchange(json.dumps(request).encode(), deadline, may_repeat)
        try:
            reply = json.loads(body)
            if "error" in reply:
                raise _error(method, reply["error"])
            return reply["result"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UnavailableError(
                f"{self._where} answered HTTP {status} that is not JSON-RPC: {body[:80]!r}",
                hint="check --network; it must be an Ethereum JSON-RPC address",
            ) from None

    @property
    def _where(self) -> str:
        """The address without credentials, path or query (which may hold an API key)."""
        return f"{self._parts.hostname}:{self._parts.port or self._parts.scheme}"

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, payload: bytes, deadline: float, may_repeat: bool) -> tuple[int, bytes]:
        """Send and read; a read whose kept connection turns out stale is sent on a new one."""
        try:
            return self._attempt(payload, deadline)
        except (http.client.HTTPException, OSError) as error:
            self._drop()
            if may_repeat and isinstance(error, ConnectionError) and time.monotonic() < deadline:
                return self._exchange(payload, deadline, may_repeat=False)
            cause = "did not answer in time" if isinstance(error, TimeoutError) else str(error)
            raise UnavailableError(
                f"no chain at {self._where}: {cause or type(error).__name__}",
                hint="joynet devnet up, or check --network",
            ) from error

    def _attempt(self, payload: bytes, deadline: float) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._open(deadline)
        connection = self._connection
        _arm(connection, deadline)
        parts = self._parts
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, payload, self._headers())
        response = connection.getresponse()
        body = bytearray()
        while True:
            _arm(connection, deadline)
            chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                response.read()  # read1 leaves a finished response open, which breaks keep-alive
                return response.status, bytes(body)
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise OSError(f"the answer is larger than {MAX_RESPONSE_BYTES} bytes")

    def _open(self, deadline: float) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        timeout = max(deadline - time.monotonic(), 0.001)
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        return http.client.HTTPConnection(host, port, timeout=timeout)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._parts.username is not None:
            import base64

            pair = f"{self._parts.username}:{self._parts.password or ''}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return headers


def _arm(connection: http.client.HTTPConnection, deadline: float) -> None:
    """Let the next socket operation wait only until the deadline."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    connection.timeout = remaining
    if connection.sock is not None:
        connection.sock.settimeout(remaining)


def _error(method: str, error: Any) -> RpcError:
    if not isinstance(error, dict):
        return RpcError(method, 0, str(error), b"")
    data = error.get("data")
    if isinstance(data, dict):  # some nodes nest it
        data = data.get("data")
    try:
        raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        raw = b""
    return RpcError(method, int(error.get("code", 0)), str(error.get("message", "")), raw)


def quantity(text: str) -> int:
    """A JSON-RPC quantity ("0x1f") as an integer."""
    try:
        return int(text, 16)
    except (TypeError, ValueError):
        raise InvalidInputError(f"quantity is {text!r}, expected 0x-prefixed hex") from None
