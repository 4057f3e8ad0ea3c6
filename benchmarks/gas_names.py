"""Gas of what people do with names and DAOs: real transactions on a devnet, each from cold.

Prints beside each the cap that `tests/contracts/{domains,governance}/test_gas.py` hold it to.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joynet_sdk.chain import Devnet
from joynet_sdk.chain.deploy import DEVNET, deploy_all
from joynet_sdk.chain.session import ChainSession

JOY, DAY, YEAR = 10**18, 86_400, 365 * 86_400
STAKE = 10_000 * JOY
ZERO = "0x" + "00" * 20
RULES = {
    "voting_delay": 1,
    "voting_period": 10,
    "late_quorum_extension": 0,
    "execution_delay": DAY,
    "grace_period": 7 * DAY,
    "proposal_threshold": JOY,
    "quorum_bps": 400,
}


@dataclass
class Bench:
    """A chain with everything deployed, its owner, and what each step cost."""

    devnet: Devnet
    session: ChainSession
    rows: list[tuple[str, int, int | None]] = field(default_factory=list)

    @property
    def me(self) -> str:
        """Owns, stakes, registers and votes."""
        return self.session.account.address

    def contract(self, name: str) -> Any:
        """A contract of the deployment."""
        return self.session.contract(name)

    def step(
        self, title: str, contract: str, function: str, *args: Any, cap: int | None = None
    ) -> None:
        """One transaction, noted with its gas and the cap that tests hold it to."""
        receipt = self.contract(contract).transact(function, *args)
        self.rows.append((title, receipt.gas_used, cap))

    def mine(self, blocks: int) -> None:
        """Let blocks pass at once."""
        self.session.rpc.call("anvil_mine", hex(blocks))


def run() -> str:
    """Everything; returns the report in Markdown."""
    with tempfile.TemporaryDirectory(prefix="joynet-bench-") as scratch:
        devnet = Devnet(Path(scratch) / "home")
        devnet.up()
        try:
            with devnet.session(timeout_s=60) as session:
                deploy_all(session, DEVNET)
                bench = Bench(devnet, session)
                _names(bench)
                _governance(bench)
                return _render(bench.rows)
        finally:
            devnet.down()


def _names(bench: Bench) -> None:
    registry, resolver = (
        bench.contract("PermaNetDomainRegistry"),
        bench.contract("PermaNetResolver"),
    )
    tld = bench.contract("TldRegistry").call("node_at", 1)
    node = registry.call("node_of", "alice", tld)
    record = resolver.abi.encode_call("set_model", [node, b"\7" * 32])
    request = {
        "label": "alice",
        "tld": tld,
        "owner": bench.me,
        "resolver": resolver.address,
        "duration": YEAR,
        "records": [record],
        "secret": b"\1" * 32,
    }
    names = "PermaNetDomainRegistry"
    rent = registry.call("quote", "alice", tld, YEAR)
    bench.step("commit", names, "commit", registry.call("commitment_of", request), b"\1" * 128)
    bench.devnet.time_travel(registry.call("MIN_COMMIT_AGE"))
    bench.mine(registry.call("MIN_COMMIT_BLOCKS"))
    bench.contract("JoyToken").transact("approve", registry.address, rent)
    title = "register (reveal, one record)"
    bench.step(title, names, "register", request, rent, cap=300_000)
    bench.contract("JoyToken").transact("approve", registry.address, rent + 1)
    bench.step("renew", names, "renew", "alice", tld, YEAR, rent, cap=90_000)
    _records(bench, node)
    expires_at = registry.call("registration", node)["expires_at"]
    give: tuple[Any, ...] = (node, "pay", bench.me, resolver.address, expires_at, 0, [])
    bench.step("give a subname", "PermaNetSubnames", "create", *give)
    bench.step("lock the resolver", names, "lock", node, 1, cap=50_000)
    to, token_id = "0x" + "77" * 20, int.from_bytes(node, "big")
    bench.step("transfer", names, "transferFrom", bench.me, to, token_id, cap=70_000)


def _records(bench: Bench, node: bytes) -> None:
    for title, function, *args in (
        ("address (Ethereum)", "setAddr", 60, b"\5" * 20),
        ("text, 27 bytes", "setText", "endpoint", "https://node.example:9000/x"),
        ("text, 48 bytes", "setText", "rpc", "https://" + "x" * 40),
        ("content hash, 38 bytes", "setContenthash", b"\5" * 38),
        ("model", "set_model", b"\3" * 32),
        ("payto", "set_payto", bench.me),
    ):
        bench.step(f"record: {title}", "PermaNetResolver", str(function), node, *args, cap=80_000)
    bench.step("reverse name", "PermaNetResolver", "setName", "alice.joy", cap=80_000)


def _governance(bench: Bench) -> None:
    tlds, daos, token = map(bench.contract, ("TldRegistry", "PermaNetDAORegistry", "JoyToken"))
    tld, registry = tlds.call("node_at", 1), "PermaNetDAORegistry"
    token.transact("stake", STAKE)
    bench.step("create a DAO", registry, "create_dao", tld, RULES, ZERO, 0)
    tlds.transact("propose_owner", tld, daos.call("executor_of", tld))
    bench.step("accept the TLD", registry, "accept_tld", 1)
    data = tlds.abi.encode_call("set_lengths", [tld, 3, 63])
    calls = [{"target": tlds.address, "amount": 0, "data": data}]
    bench.step("propose one call", registry, "propose", 1, calls, b"\1" * 32, cap=260_000)
    bench.mine(2)
    bench.step("vote (the first)", registry, "vote", 1, 1, cap=110_000)
    bench.mine(RULES["voting_period"] + 1)
    bench.step("queue", registry, "queue", 1)
    bench.devnet.time_travel(DAY)
    bench.step("execute one call", registry, "execute", 1, calls, b"\1" * 32, cap=130_000)


def _render(rows: list[tuple[str, int, int | None]]) -> str:
    lines = ["# Gas of names and DAOs", "", "| operation | gas | cap |", "|---|---:|---:|"]
    lines += [f"| {title} | {gas:,} | {f'{cap:,}' if cap else ''} |" for title, gas, cap in rows]
    return "\n".join([*lines, ""])
