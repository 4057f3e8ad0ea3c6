"""Circuits of the models a node serves: are they the models', and on what terms it proves them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from joynet_sdk.errors import JoyNetError, VerificationError
from joynet_sdk.inference.proven import CONTRACT, NO_CIRCUIT, circuit_of
from joynet_sdk.inference.prover import Prover
from joynet_sdk.logs import get_logger
from joynet_sdk.node.serving import Catalogue
from joynet_sdk.ports import Chain
from joynet_sdk.types import CircuitInfo

log = get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProvingTerms:
    """On what terms a node proves.

    Attributes:
        fee: Wei a proof, the node's own part.
        seconds: From a request to its deadline.
        max_open: Jobs that it takes at a time.
    """

    fee: int
    seconds: int = 120
    max_open: int = 4


class Shelf(Catalogue, Protocol):
    """A catalogue that knows where models lie; `shelf.Shelf` in use."""

    def folders(self) -> Mapping[bytes, Path]:
        """Model id -> folder, of every model of class exact that is ready."""
        ...


class Circuits:
    """Compiles circuits in the one thread that proves, and compares them with the chain's.

    A proof decides a committee's dispute too, so a node must know, whether it proves or not, that
    the registered circuit of a model it serves is that model's.
    """

    def __init__(self, chain: Chain, prover: Prover) -> None:
        self._chain, self.prover = chain, prover
        self._thread = ThreadPoolExecutor(1, "prover")
        self._compiled: dict[bytes, CircuitInfo] = {}

    def close(self) -> None:
        """Take no more work."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call in the thread that proves, after what it has to do already."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    async def check(self, model_id: bytes, folder: Path) -> CircuitInfo:
        """The circuit of a model as compiled here, which must be the registered one.

        Raises:
            NotFoundError: None is registered.
            VerificationError: Another one is: its proofs are about another model.
        """
        registered = await asyncio.to_thread(circuit_of, self._chain, model_id)
        if model_id not in self._compiled:
            self._compiled[model_id] = await self.run(self.prover.circuit, folder)
        circuit = self._compiled[model_id]
        if circuit.circuit_id != registered:
            raise VerificationError(
                f"model 0x{model_id.hex()} has circuit 0x{registered.hex()[:16]}... registered, "
                f"its files give 0x{circuit.circuit_id.hex()[:16]}...",
                hint="do not serve it: its publisher registered another model's circuit",
            )
        return circuit


class ProofOffers:
    """The node's terms on ProvenInference."""

    def __init__(self, chain: Chain, node_id: int, shelf: Shelf, circuits: Circuits) -> None:
        self._chain, self._node_id = chain, node_id
        self._shelf, self._circuits = shelf, circuits
        self._contract = chain.contract(CONTRACT)
        self._offered: set[bytes] = set()
        self._problems: dict[bytes, str] = {}

    async def offer(self, terms: ProvingTerms) -> None:
        """Set terms for every model that can be proved; what cannot be is noted as a problem."""
        for model_id, folder in self._shelf.folders().items():
            if model_id in self._offered:
                continue
            try:
                await self._offer(model_id, folder, terms)
                self._problems.pop(model_id, None)
            except JoyNetError as error:
                if self._problems.get(model_id) != str(error):
                    log.warning("not_proving", model="0x" + model_id.hex(), reason=str(error))
                self._problems[model_id] = str(error)

    async def _offer(self, model_id: bytes, folder: Path, terms: ProvingTerms) -> None:
        circuit = await self._circuits.check(model_id, folder)
        wanted = {
            "circuit_id": circuit.circuit_id,
            "fee": terms.fee,
            "seconds": terms.seconds,
            "max_open": terms.max_open,
            "input_kind": circuit.input_kind,
            "input_size": circuit.input_size,
            "output_size": circuit.output_size,
        }
        call, transact = self._contract.call, self._contract.transact
        if await asyncio.to_thread(call, "terms", self._node_id, model_id) != wanted:
            await asyncio.to_thread(transact, "set_terms", self._node_id, model_id, wanted)
            log.info("proof_terms_set", model="0x" + model_id.hex(), fee=str(terms.fee))
        self._offered.add(model_id)

    def proved(self) -> frozenset[bytes]:
        """Models that have terms."""
        return frozenset(self._offered)

    def problems(self) -> dict[bytes, str]:
        """Model id -> why it is not proved."""
        return dict(self._problems)


async def withdraw_terms(chain: Chain, node_id: int) -> None:
    """Take no new jobs: a node that does not prove would lose a bond for each."""
    if CONTRACT not in chain.deployment.contracts:
        return
    contract, coordinator = chain.contract(CONTRACT), chain.contract("NodeCoordinator")
    in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
    for model_id in await in_thread(coordinator.call, "models_of", node_id):
        terms = await in_thread(contract.call, "terms", node_id, model_id)
        if terms["circuit_id"] != NO_CIRCUIT:
            await in_thread(contract.transact, "remove_terms", node_id, model_id)
            log.info("proof_terms_removed", model="0x" + model_id.hex())
