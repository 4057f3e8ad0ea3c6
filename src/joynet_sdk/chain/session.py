"""A connection to one chain: contracts, balances, blocks, and transactions through the journal."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from joynet_sdk.chain import artifacts, flows
from joynet_sdk.chain.abi import Abi, Event, checksum
from joynet_sdk.chain.deployments import Deployment, read_deployment
from joynet_sdk.chain.journal import Journal
from joynet_sdk.chain.reverts import explain
from joynet_sdk.chain.rpc import Rpc, RpcError, quantity
from joynet_sdk.chain.transactions import Plan, Receipt, plain
from joynet_sdk.errors import (
    AuthError,
    ConfigError,
    InvalidInputError,
    NotFoundError,
    PendingError,
)
from joynet_sdk.paths import Home, private_dir

if TYPE_CHECKING:
    from joynet_sdk.chain._ape import NodeProvider
    from joynet_sdk.chain.accounts import Account

DEFAULT_TIMEOUT_S = 30.0
LOG_PAGE_BLOCKS = 5_000
POLL_S = 0.1


def _no_question(plan: Plan) -> None:
    """The SDK sends what it is told to; the command line asks."""


class ChainSession:
    """One chain, seen from one home, perhaps with one account.

    Synchronous and safe between threads: from asyncio call it through `asyncio.to_thread`.

    Attributes:
        url: The node's address.
        home: `$JOYNET_HOME`.
        chain_id: EIP-155 chain id.
        genesis: Hash of block 0; together with the chain id it tells one devnet from the next.
        key: "<chainId>:<genesis>", the chain's key in the journal.
        rpc: The node; reads only.
        timeout_s: Deadline of each wait, in seconds.
        confirm: Called with each plan before it is signed; raises to stop it.
    """

    def __init__(
        self,
        url: str,
        home: Path,
        *,
        account: "Account | Callable[[], Account] | None" = None,
        chain_id: int | None = None,
        timeout_s: float | None = None,
        confirm: Callable[[Plan], None] = _no_question,
    ) -> None:
        """
        Args:
            url: http(s) address of a node.
            home: `$JOYNET_HOME`.
            account: Signs transactions; a function is called on first need (it may ask a password).
            chain_id: Refuse any other chain.
            timeout_s: Deadline of each wait, in seconds; 30 by default.
            confirm: See the attribute.

        Raises:
            UnavailableError: The node does not answer.
            ConfigError: It is another chain, or not an HTTP URL.
        """
        self.url, self.home, self.timeout_s = url, home, timeout_s or DEFAULT_TIMEOUT_S
        self.confirm = confirm
        self.rpc = Rpc(url, timeout_s=self.timeout_s)
        self.chain_id = quantity(self.rpc.call("eth_chainId"))
        if chain_id not in (None, self.chain_id):
            raise ConfigError(
                f"{url} is chain {self.chain_id}, expected chain {chain_id}",
                hint="check --network, and chain_id in `joynet config show --origin`",
            )
        self.genesis = str(self.block(0)["hash"])
        self.key = f"{self.chain_id}:{self.genesis}"
        self._account = account
        self._journal: Journal | None = None
        self._provider: NodeProvider | None = None
        self._deployment: Deployment | None = None
        self._lock = threading.RLock()
        self._interrupted = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; the process may then use another network."""
        self.rpc.close()
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._provider is not None:
            from joynet_sdk.chain import _ape

            _ape.release()
            self._provider = None

    # --- who

    @property
    def account(self) -> "Account":
        """The account that signs.

        Raises:
            AuthError: None was chosen, or it cannot be unlocked.
        """
        with self._lock:
            if self._account is None:
                raise AuthError(
                    "no account is chosen", hint="--account NAME, or joynet account new NAME"
                )
            if callable(self._account):
                self._account = self._account()
            return self._account

    def use_account(self, account: "Account | Callable[[], Account]") -> None:
        """Sign with another account from now on."""
        with self._lock:
            self._account = account

    def account_for(self, address: str) -> "Account":
        """The account, checked to be the one a journal step belongs to.

        Raises:
            AuthError: It is another one.
        """
        if self.account.address != address:
            raise AuthError(
                f"this needs account {address}, the chosen one is {self.account.address}",
                hint=f"--account {address}",
            )
        return self.account

    @property
    def journal(self) -> Journal:
        """The home's transaction journal, opened on first use."""
        with self._lock:
            if self._journal is None:
                self._journal = Journal(self.home)
            return self._journal

    def provider(self) -> "NodeProvider":
        """Ape's provider, connected on first use (costs most of a second of imports)."""
        with self._lock:
            if self._provider is None:
                from joynet_sdk.chain import _ape

                cache = Home(self.home).root / "ape" / f"{self.chain_id}-{self.genesis[2:18]}"
                self._provider = _ape.connect(self.url, private_dir(cache), self.timeout_s)
            return self._provider

    # --- reading

    def block(self, number: int | str = "latest") -> dict[str, Any]:
        """A block's JSON-RPC header, transactions as hashes.

        Raises:
            PendingError: The chain has no such block yet.
        """
        tag = hex(number) if isinstance(number, int) else number
        block = self.rpc.call("eth_getBlockByNumber", tag, False)
        if block is None:
            raise PendingError(f"chain {self.url} has no block {number} yet")
        return block  # type: ignore[no-any-return]

    def block_number(self) -> int:
        """Number of the latest block."""
        return quantity(self.rpc.call("eth_blockNumber"))

    def now(self) -> int:
        """The chain's clock: unix seconds of the latest block."""
        return quantity(self.block()["timestamp"])

    def block_time(self, number: int) -> int:
        """Unix seconds of a block."""
        return quantity(self.block(number)["timestamp"])

    def gas_price(self) -> int:
        """What a unit of gas costs now, in wei of ETH."""
        return quantity(self.rpc.call("eth_gasPrice"))

    def balance(self, address: str) -> int:
        """ETH of an account, in wei."""
        return quantity(self.rpc.call("eth_getBalance", checksum(address), "latest"))

    def wait_until(
        self, is_true: Callable[[], bool], what: str, timeout_s: float | None = None
    ) -> None:
        """Poll until a condition holds.

        Args:
            is_true: Asked about ten times a second.
            what: What is waited for, for the error.
            timeout_s: Deadline in seconds; the session's by default.

        Raises:
            PendingError: It did not hold in time.
        """
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        while not is_true():
            if time.monotonic() > deadline:
                raise PendingError(f"still waiting for {what}")
            self.pause(POLL_S)

    def interrupt(self) -> None:
        """End the waits of other threads soon (Ctrl-C); nothing more is signed."""
        self._interrupted.set()

    def pause(self, seconds: float = 0.0) -> None:
        """Wait a little, between two polls or not at all.

        Raises:
            PendingError: `interrupt` was called.
        """
        if self._interrupted.wait(seconds):
            raise PendingError("interrupted", hint="joynet tx resume")

    # --- contracts

    @property
    def deployment(self) -> Deployment:
        """Where JoyNet's contracts live on this chain.

        Raises:
            ConfigError: They were not deployed, or the file is of another genesis.
        """
        with self._lock:
            if self._deployment is None:
                self._deployment = read_deployment(self.home, self.chain_id, self.genesis)
            return self._deployment

    def forget_deployment(self) -> None:
        """Read the deployment file again on next use."""
        with self._lock:
            self._deployment = None

    def contract(self, name: str, address: str | None = None) -> "Contract":
        """A contract by name.

        Args:
            name: e.g. "JoyToken".
            address: Where it lives; by default as the deployment file says.
        """
        where = checksum(address) if address else self.deployment.address(name)
        return Contract(self, name, where, artifacts.load(name).abi)

    def known_abis(self, first: "Contract | None" = None) -> list[Abi]:
        """ABIs to decode logs with: the contract at hand, then every shipped one."""
        shipped = [artifacts.load(name).abi for name in artifacts.names()]
        return [first.abi, *shipped] if first else shipped

    # --- transactions

    def transact(self, contract: "Contract", function: str, *args: Any, value: int = 0) -> Receipt:
        """Call a contract in a journalled transaction of its own. See `Contract.transact`."""
        call = {
            "contract": contract.name,
            "address": contract.address,
            "function": function,
            "args": plain(args),
            "value": str(value),
        }
        contract.abi.encode_call(function, args)  # bad arguments never reach the journal
        title = f"{contract.name}.{function}"
        return flows.start(self, flows.CALL, title, call)  # type: ignore[no-any-return]

    def transfer(self, to: str, value: int) -> Receipt:
        """Send plain ETH, in wei, in a journalled transaction."""
        args = {"to": checksum(to), "value": str(value)}
        return flows.start(self, flows.TRANSFER, f"send ETH to {to}", args)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Contract:
    """A contract at an address."""

    session: ChainSession
    name: str
    address: str
    abi: Abi

    def call(
        self, function: str, *args: Any, sender: str | None = None, block: int | str = "latest"
    ) -> Any:
        """Read: run a function without a transaction.

        Args:
            function: Its name.
            args: Its arguments; see `abi` for the forms taken.
            sender: msg.sender, if the answer depends on it.
            block: Number or tag of the block to read at.

        Returns:
            One value, a tuple of several, or None. Structs are dicts.

        Raises:
            RevertedError: The contract refuses.
        """
        request = {
            "to": self.address,
            "data": "0x" + self.abi.encode_call(function, args).hex(),
        }
        if sender:
            request["from"] = sender
        tag = hex(block) if isinstance(block, int) else block
        try:
            answer = self.session.rpc.call("eth_call", request, tag)
        except RpcError as error:
            raise explain(error, self.name) from error
        return self.abi.decode_output(function, len(args), bytes.fromhex(answer[2:]))

    def transact(self, function: str, *args: Any, value: int = 0) -> Receipt:
        """Write: simulate, confirm, sign, store, broadcast and wait.

        Args:
            function: Its name.
            args: Its arguments.
            value: ETH to send along, in wei.

        Raises:
            RevertedError: The contract refuses (nothing was sent), or refused when mined.
            InsufficientFundsError: The account cannot pay for the gas.
            PendingError: Sent but not mined in time; `joynet tx resume` finishes it.
        """
        return self.session.transact(self, function, *args, value=value)

    def sent(self, function: str, tx_hash: str) -> dict[str, Any]:
        """The arguments, by name, that a mined transaction called a function with.

        Raises:
            NotFoundError: There is no such transaction.
            InvalidInputError: It calls something else, e.g. a contract that called this one.
        """
        transaction = self.session.rpc.call("eth_getTransactionByHash", tx_hash)
        if transaction is None:
            raise NotFoundError("transaction", tx_hash)
        name, values = self.abi.decode_input(bytes.fromhex(transaction["input"][2:]))
        receiver = transaction["to"]  # None: it made a contract
        if receiver is None or checksum(receiver) != self.address or name != function:
            raise InvalidInputError(
                f"transaction {tx_hash} is no direct call of {self.name}.{function}"
            )
        names = [spec["name"] for spec in self.abi.function(name, len(values))["inputs"]]
        return dict(zip(names, values, strict=True))

    def events(
        self,
        name: str,
        from_block: int = 0,
        to_block: int | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> Iterable[Event]:
        """Past events, oldest first, read in pages.

        Args:
            name: Event name.
            from_block: First block.
            to_block: Last block; the latest by default.
            filters: Values of indexed arguments, by name; a list means any of them.
        """
        topics = self.abi.event_topics(name, filters or {})
        last = self.session.block_number() if to_block is None else to_block
        for start in range(from_block, last + 1, LOG_PAGE_BLOCKS):
            query = {
                "address": self.address,
                "topics": topics,
                "fromBlock": hex(start),
                "toBlock": hex(min(start + LOG_PAGE_BLOCKS - 1, last)),
            }
            for log in self.session.rpc.call("eth_getLogs", query):
                if event := self.abi.decode_log(log):
                    yield event

    @property
    def ape(self) -> Any:
        """The same contract as an Ape `ContractInstance`, for notebooks."""
        from joynet_sdk.chain import _ape

        self.session.provider()
        return _ape.instance(self.address, artifacts.contract_type(self.name))
