"""`python -m joynet_sdk.node --home PATH`: the process that `joynet node start` makes.

Reads one JSON object from standard input (settings and the operator's password, which so never
shows in arguments or the environment), runs one node, exits 0 when stopped.
"""

import asyncio
import json
import sys
from pathlib import Path

from joynet_sdk import logs
from joynet_sdk.errors import JoyNetError


def main() -> int:
    """Run the node described on standard input."""
    start = json.loads(sys.stdin.readline())
    home = Path(start["home"])
    logs.configure(home / "logs" / "node.log", level=start["log_level"])
    log = logs.get_logger(__name__)
    try:
        asyncio.run(_run(start, home))
    except JoyNetError as error:
        log.error("node_failed", reason=str(error), hint=error.hint or "")
        print(json.dumps({"code": error.code, "message": str(error), "hint": error.hint}))  # noqa: T201
        return error.exit_code
    return 0


async def _run(start: dict[str, object], home: Path) -> None:
    from joynet_sdk.chain.accounts import open_account
    from joynet_sdk.node.circuits import ProvingTerms
    from joynet_sdk.node.daemon import Node, NodeConfig

    operator = open_account(home, str(start["operator"]), lambda _: str(start["password"]))
    proving = None
    if start["proof_fee"] is not None:
        seconds = int(str(start["proof_seconds"]))
        proving = ProvingTerms(fee=int(str(start["proof_fee"])), seconds=seconds)
    config = NodeConfig(
        home=home,
        url=str(start["url"]),
        listen=list(start["listen"]),  # type: ignore[call-overload]
        bootstrap=list(start["bootstrap"]),  # type: ignore[call-overload]
        quota_bytes=int(str(start["quota_bytes"])),
        unsecured_limit=int(str(start["unsecured_limit"])),
        fault=str(start["fault"]),
        proving=proving,
    )
    await Node(config, operator).run()


if __name__ == "__main__":
    sys.exit(main())
