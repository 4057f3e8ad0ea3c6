"""The p2p part of a node's control API: the node adds the routes, the command line asks them.

GET  /p2p           {"peer_id", "addrs": [multiaddr]}
GET  /p2p/peers     {"peers": [{"peer_id", "address", "is_inbound"}]}
POST /p2p/connect   {"address"} -> {"peer_id"}
POST /p2p/ping      {"peer_id"} -> {"ms"}

A running node writes its address and bearer token to `node/control.json` of its home:
{"url": "http://127.0.0.1:PORT", "token": "..."}. Errors are {"error": {code, message, hint}}.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from joynet_sdk.errors import (
    AuthError,
    ConfigError,
    InvalidInputError,
    JoyNetError,
    UnavailableError,
)
from joynet_sdk.p2p.host import P2PHost, parse_peer_address
from joynet_sdk.p2p.identity import Identity

if TYPE_CHECKING:
    from aiohttp import web

CONTROL_FILE = Path("node", "control.json")
MAX_BODY_BYTES = 64 * 1024
TIMEOUT_S = 30.0


def add_routes(app: "web.Application", host: P2PHost) -> None:
    """Add the routes above; authentication is the application's own middleware."""
    from aiohttp import web

    async def show(_: web.Request) -> web.Response:
        return web.json_response({"peer_id": host.peer_id, "addrs": host.addrs})

    async def peers(_: web.Request) -> web.Response:
        return web.json_response({"peers": [asdict(peer) for peer in await host.peers()]})

    async def connect(request: web.Request) -> web.Response:
        return await _answer(request, "address", "peer_id", host.connect)

    async def ping(request: web.Request) -> web.Response:
        return await _answer(request, "peer_id", "ms", host.ping)

    app.router.add_get("/p2p", show)
    app.router.add_get("/p2p/peers", peers)
    app.router.add_post("/p2p/connect", connect)
    app.router.add_post("/p2p/ping", ping)


async def _answer(request: "web.Request", key: str, result: str, function: Any) -> "web.Response":
    """Call `function` with one string of the JSON body."""
    from aiohttp import web

    try:
        body = json.loads(await request.content.read(MAX_BODY_BYTES))
        if not isinstance(body, dict) or not isinstance(body.get(key), str):
            raise InvalidInputError(f"body: expected a JSON object with the string {key!r}")
        return web.json_response({result: await function(body[key])})
    except json.JSONDecodeError as error:
        return _refusal(InvalidInputError(f"body is not JSON: {error}"))
    except JoyNetError as error:
        return _refusal(error)


def _refusal(error: JoyNetError) -> "web.Response":
    from aiohttp import web

    details = {"code": error.code, "message": str(error), "hint": error.hint}
    status = 503 if isinstance(error, UnavailableError) else 400
    return web.json_response({"error": details}, status=status)


class RunningNode:
    """The p2p host of the node that runs in a home, through its control API."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url.rstrip("/"), token

    @classmethod
    def of(cls, home: Path) -> Self | None:
        """The node of a home, or None when its control file is not there.

        Raises:
            ConfigError: The file is damaged.
        """
        path = home / CONTROL_FILE
        try:
            document = json.loads(path.read_bytes())
            return cls(str(document["url"]), str(document["token"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: {error!r}", hint="joynet node stop; node start") from None

    async def show(self) -> dict[str, Any]:
        """Peer id and addresses."""
        return await self._call("GET", "/p2p")

    async def peers(self) -> list[dict[str, Any]]:
        """Who is connected."""
        found: list[dict[str, Any]] = (await self._call("GET", "/p2p/peers"))["peers"]
        return found

    async def connect(self, address: str) -> str:
        """Dial a peer; returns its id."""
        return str((await self._call("POST", "/p2p/connect", {"address": address}))["peer_id"])

    async def ping(self, peer_id: str) -> float:
        """Round trip in milliseconds."""
        return float((await self._call("POST", "/p2p/ping", {"peer_id": peer_id}))["ms"])

    async def _call(
        self, method: str, path: str, body: dict[str, str] | None = None
    ) -> dict[str, Any]:
        import aiohttp

        headers = {"Authorization": f"Bearer {self._token}"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, self._url + path, headers=headers, json=body) as response,
            ):
                answer: dict[str, Any] = json.loads(
                    await response.content.read(MAX_BODY_BYTES * 16)
                )
                status = response.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnavailableError(
                f"the node at {self._url} does not answer: {error!r:.200}",
                hint="joynet node status",
            ) from None
        if status in (401, 403):
            raise AuthError(f"the node at {self._url} refused our token", hint="joynet node status")
        if status >= 400:
            details = answer.get("error", {})
            kind = UnavailableError if status == 503 else InvalidInputError
            raise kind(str(details.get("message", answer)), hint=details.get("hint"))
        return answer


async def dial_and_ping(address: str, count: int) -> list[float]:
    """Round trips in milliseconds from a host that lives for this call, with a key of its own."""
    peer_id = parse_peer_address(address)
    async with P2PHost(Identity.generate().private_key) as host:
        await host.connect(address)
        return [await host.ping(peer_id) for _ in range(count)]
