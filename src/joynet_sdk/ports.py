"""What services and processes ask of a chain: `chain.session` in use, fakes in tests."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class Event(Protocol):
    """A decoded log."""

    name: str
    args: dict[str, Any]
    block: int


class Contract(Protocol):
    """A deployed contract. Structs travel as dicts by field name."""

    @property
    def address(self) -> str:
        """EIP-55 address."""

    def call(self, function: str, *args: Any) -> Any:
        """Read: one value, or a tuple of several."""

    def transact(self, function: str, *args: Any) -> Any:
        """Simulate, confirm, journal, send and wait; returns the receipt."""

    def sent(self, function: str, tx_hash: str) -> dict[str, Any]:
        """The arguments, by name, that a transaction called this function with."""

    def events(
        self,
        name: str,
        from_block: int = 0,
        to_block: int | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> Iterable[Any]:
        """Past events of one name, oldest first."""


class Chain(Protocol):
    """An open connection with one account."""

    chain_id: int

    @property
    def account(self) -> Any:
        """The account that signs: `.address`."""

    @property
    def deployment(self) -> Any:
        """Where JoyNet's contracts are: `.contracts`, by name, and `.first_block` of them."""

    def contract(self, name: str) -> Any:
        """A Contract of the deployment."""

    def now(self) -> int:
        """Unix seconds of the latest block."""

    def block_number(self) -> int:
        """Number of the latest block."""

    def block(self, number: int) -> Mapping[str, Any]:
        """A block's JSON-RPC header; PendingError when the chain has no such block."""

    def block_time(self, number: int) -> int:
        """Unix seconds of a block."""

    def balance(self, address: str) -> int:
        """ETH of an account, in wei."""

    def gas_price(self) -> int:
        """What a unit of gas costs now, in wei of ETH."""


class Run(Protocol):
    """A journaled job of several transactions (`chain.flows`): each step happens once."""

    @property
    def args(self) -> Mapping[str, Any]:
        """The job's JSON arguments."""

    @property
    def session(self) -> Any:
        """The Chain."""

    def transact(self, step: str, contract: Any, function: str, *args: Any) -> Any:
        """One transaction, once in the life of the job."""

    def approve(self, token: Any, spender: str, amount: int, *, before: str) -> None:
        """Let `spender` take tokens in the step `before`."""


class Flows(Protocol):
    """Starts journaled jobs."""

    def __call__(self, kind: str, title: str, args: dict[str, Any]) -> Any:
        """Write a job down, carry it out, return what its flow returns."""
