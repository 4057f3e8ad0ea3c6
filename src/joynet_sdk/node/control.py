"""The node's control API on loopback, and the file through which its own user finds it.

`$JOYNET_HOME/node/control.json` (0600) holds the address and a random bearer token; it exists while
the node runs.
"""

import hmac
import json
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joynet_sdk.errors import (
    AuthError,
    InvalidInputError,
    JoyNetError,
    NotFoundError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.paths import atomic_write
from joynet_sdk.processes import Process

if TYPE_CHECKING:
    from aiohttp import web

REQUEST_S = 30.0
MAX_BODY_BYTES = 16 * 1024
Action = Callable[[dict[str, Any]], Awaitable[Any]]


def node_folder(home: Path) -> Path:
    """Where a home's node keeps its state."""
    return home / "node"


@dataclass(frozen=True, slots=True)
class Control:
    """How to reach a running node.

    Attributes:
        url: http://127.0.0.1:PORT
        process: The node's process; its number alone may be used again later.
    """

    url: str
    token: str
    process: Process

    def __repr__(self) -> str:
        return f"Control({self.url}, pid {self.process.pid})"  # never the token

    def write(self, folder: Path) -> None:
        """Publish to the same user's commands."""
        atomic_write(folder / "control.json", json.dumps(asdict(self)))


def read_control(home: Path) -> Control:
    """The running node of a home.

    Raises:
        NotFoundError: No node runs here; a file left by a killed node counts as none.
    """
    hint = "joynet node start"
    try:
        document = json.loads((node_folder(home) / "control.json").read_bytes())
        process = Process(document["process"]["pid"], document["process"]["started"])
        control = Control(document["url"], document["token"], process)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise NotFoundError("running node in", home, hint=hint) from None
    if not process.is_alive():
        raise NotFoundError("running node in", home, hint=hint)
    return control


def ask(home: Path, action: str, body: dict[str, Any] | None = None) -> Any:
    """Call the control API of a home's node.

    Args:
        action: "status", "redeem", "peers", "connect", "ping" or "stop".

    Raises:
        NotFoundError: No node runs here.
        UnavailableError: It does not answer.
        JoyNetError: What the node says.
    """
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    control = read_control(home)
    request = Request(
        f"{control.url}/{action}",
        data=json.dumps(body or {}).encode(),
        headers={"Authorization": f"Bearer {control.token}", "Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=REQUEST_S) as answer:
            return json.load(answer)["result"]
    except HTTPError as error:
        if error.code == 401:
            raise AuthError(
                "the node refused this home's token", hint="joynet node stop; joynet node start"
            ) from None
        raise _said(json.load(error)["error"]) from None
    except (URLError, TimeoutError, OSError) as error:
        raise UnavailableError(
            f"the node at {control.url} does not answer: {error}", hint="joynet node status"
        ) from None


_KINDS = {kind.code: kind for kind in (InvalidInputError, UnavailableError, VerificationError)}


def _said(problem: dict[str, Any]) -> JoyNetError:
    """The node's error as one of ours."""
    kind = _KINDS.get(problem["code"], JoyNetError)
    return kind(problem["message"], hint=problem["hint"])


class ControlServer:
    """aiohttp on a loopback port; every path but /healthz wants the token.

    Args:
        actions: POST /NAME runs the action with the request's JSON object.
        metrics: The Prometheus text.
        healthy: Whether /healthz says 200.
    """

    def __init__(
        self,
        folder: Path,
        actions: dict[str, Action],
        metrics: Callable[[], bytes],
        healthy: Callable[[], bool],
    ) -> None:
        self._folder, self._actions = folder, actions
        self._metrics, self._healthy = metrics, healthy
        self._token = secrets.token_urlsafe(32)
        self._runner: web.AppRunner | None = None

    async def start(self) -> Control:
        """Listen on a free port and write the control file."""
        from aiohttp import web

        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/metrics", self._scrape)
        app.router.add_post("/{action}", self._act)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=15)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        process = Process.of(os.getpid())
        assert process is not None, "this very process runs"
        control = Control(f"http://127.0.0.1:{port}", self._token, process)
        control.write(self._folder)
        return control

    async def stop(self) -> None:
        """Stop listening and remove the control file."""
        (self._folder / "control.json").unlink(missing_ok=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def _is_allowed(self, request: "web.Request") -> bool:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        return hmac.compare_digest(given, f"Bearer {self._token}".encode())

    async def _health(self, _: "web.Request") -> "web.Response":
        from aiohttp import web

        healthy = self._healthy()
        return web.json_response({"ok": healthy}, status=200 if healthy else 503)

    async def _scrape(self, request: "web.Request") -> "web.Response":
        from aiohttp import web

        if not self._is_allowed(request):
            return _refused()
        return web.Response(body=self._metrics(), content_type="text/plain", charset="utf-8")

    async def _act(self, request: "web.Request") -> "web.Response":
        from aiohttp import web

        if not self._is_allowed(request):
            return _refused()
        action = self._actions.get(request.match_info["action"])
        if action is None:
            return _problem(404, "no such action")
        try:
            body = await request.json()
        except ValueError:
            return _problem(400, "the body is not JSON")
        if not isinstance(body, dict):
            return _problem(400, "the body is not a JSON object")
        try:
            return web.json_response({"result": await action(body)})
        except JoyNetError as error:
            return _problem(409, str(error), error.hint, error.code)


def _refused() -> "web.Response":
    return _problem(401, "unauthorised")


def _problem(
    status: int, message: str, hint: str | None = None, code: str = "error"
) -> "web.Response":
    from aiohttp import web

    error = {"code": code, "message": message, "hint": hint}
    return web.json_response({"error": error}, status=status)
