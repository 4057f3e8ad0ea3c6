"""The seller's side: who waits for a key, and whose money is due."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from joynet_sdk import keywrap
from joynet_sdk.errors import InvalidInputError, JoyNetError, NotFoundError, RevertedError
from joynet_sdk.keywrap import Licence
from joynet_sdk.licenses.model import CONTRACT, License, State, Terms
from joynet_sdk.licenses.purchase import read_license
from joynet_sdk.ports import Chain
from joynet_sdk.types import JoyWei, ModelId

REORG_BLOCKS = 64  # read again at each look


class ContentKeys(Protocol):
    """The content keys of this home; `storage.content_keys.ContentKeys` in use."""

    def get(self, key_hash: bytes) -> bytes | None:
        """The key with this hash, or None."""


class Release(NamedTuple):
    """What became of one licence that waited for its key.

    Attributes:
        problem: Why no key was posted, or None.
    """

    licence: License
    problem: JoyNetError | None


class Sales:
    """Licences sold, followed from look to look: each block of the past is read once.

    Of one model, or of all that the account published or holds the keys of.
    """

    def __init__(self, chain: Chain, keys: ContentKeys, model_id: ModelId | None = None) -> None:
        self._chain, self._keys, self._model_id = chain, keys, model_id
        self._first = self._next = chain.deployment.first_block
        self._sold: set[int] = set()
        self._mine: dict[bytes, bool] = {}

    def all(self) -> list[License]:
        """Every licence that was sold, oldest first."""
        self._look()
        return self._read(self._sold)

    def open(self) -> list[License]:
        """Those that wait for a key or for their settlement; the others are forgotten."""
        self._look()
        found = self._read(self._sold)
        unfinished = [
            each for each in found if each.state in (State.AWAITING_KEY, State.KEY_POSTED)
        ]
        self._sold = {each.id for each in unfinished}
        return unfinished

    def waiting(self) -> list[License]:
        """Those whose buyers paid and may still get a key."""
        now = self._chain.now()
        return [e for e in self.open() if e.state == State.AWAITING_KEY and now < e.deadline]

    def due(self) -> list[License]:
        """Those whose dispute window is over, not settled yet."""
        now = self._chain.now()
        return [e for e in self.open() if e.state == State.KEY_POSTED and now >= e.deadline]

    def release_waiting(self) -> list[Release]:
        """Post the keys of all buyers who wait; one that cannot be served stops no other."""
        done = []
        for licence in self.waiting():
            problem: JoyNetError | None = None
            try:
                self.release(licence)
            except (NotFoundError, InvalidInputError, RevertedError) as error:
                problem = error
            done.append(Release(read_license(self._chain, licence.id), problem))
        return done

    def release(self, licence: License) -> None:
        """Post the content key for one buyer.

        Raises:
            NotFoundError: The key is not in this home.
            InvalidInputError: The buyer's key is none.
            RevertedError: Another home posted the key first, or the deadline has passed.
        """
        contract = self._chain.contract(CONTRACT)
        key = self._keys.get(Terms.of(contract.call("terms", licence.model_id)).key_hash)
        if key is None:
            raise NotFoundError(
                "content key of model",
                "0x" + licence.model_id.hex(),
                hint="in the home that published it, or: joynet model key import FILE",
            )
        bound = Licence(licence.id, contract.address, self._chain.chain_id)
        wrapped = keywrap.wrap(key, licence.buyer_key, bound)
        contract.transact("release", licence.id, wrapped.ephemeral, wrapped.key)

    def settle(self, license_id: int) -> JoyWei:
        """Pay the model for a licence; `royalty claim` then pays its owners.

        Returns:
            Wei of JOY that the model got, the platform fee taken off.
        """
        receipt = self._chain.contract(CONTRACT).transact("settle", license_id)
        return JoyWei(receipt.event("LicenseSettled").args["amount"])

    def _look(self) -> None:
        """Read the sales since the last look."""
        latest = self._chain.block_number()
        start = max(self._first, self._next - REORG_BLOCKS)
        filters = {"model_id": self._model_id} if self._model_id else {}
        events = self._chain.contract(CONTRACT).events("LicenseBought", start, latest, filters)
        for event in events:
            if self._model_id or self._is_mine(ModelId(event.args["model_id"])):
                self._sold.add(int(event.args["license_id"]))
        self._next = latest + 1

    def _read(self, numbers: Iterable[int]) -> list[License]:
        found = (read_license(self._chain, number) for number in sorted(numbers))
        return [licence for licence in found if licence.state != State.NONE]

    def _is_mine(self, model_id: ModelId) -> bool:
        if model_id not in self._mine:
            account = self._chain.account.address
            terms = Terms.of(self._chain.contract(CONTRACT).call("terms", model_id))
            listing = self._chain.contract("ModelMarketplace").call("listing", model_id)
            self._mine[model_id] = account in (terms.key_holder, listing["publisher"])
        return self._mine[model_id]
