"""The buyer's side of a sealed model's key: which wallet key a licence was bought with."""

from joynet_sdk import keywrap
from joynet_sdk.errors import AuthError, InvalidInputError
from joynet_sdk.keywrap import Signer, Wrapped
from joynet_sdk.licenses.model import CONTRACT, License, WrongKeyError
from joynet_sdk.ports import Chain
from joynet_sdk.types import ModelId


class PurchaseKeys:
    """The X25519 keys of one wallet's purchases, all derived from one signature."""

    def __init__(self, chain: Chain, signer: Signer) -> None:
        """
        Args:
            signer: The wallet.

        Raises:
            AuthError: It gives another signature each time.
        """
        self._chain = chain
        self._address = str(chain.contract(CONTRACT).address)
        root = keywrap.licence_root(signer, chain.chain_id, self._address)
        if root is None:
            raise AuthError(
                "this wallet signs differently each time, so no key can be derived from it",
                hint="buy with an account of a keyfile: joynet account new NAME",
            )
        self._root = root

    def new(self, model_id: ModelId) -> tuple[int, bytes]:
        """A number whose key no purchase of this model has used, and its public key."""
        used = set(self._used(model_id))
        for number in range(len(used) + 1):
            public = keywrap.public_key(keywrap.purchase_key(self._root, model_id, number))
            if public not in used:
                return number, public
        raise AssertionError("more keys were tried than are used")

    def private(self, licence: License) -> bytes | None:
        """The private key that a licence was bought with; None: another wallet's."""
        for number in range(len(self._used(licence.model_id))):
            private = keywrap.purchase_key(self._root, licence.model_id, number)
            if keywrap.public_key(private) == licence.buyer_key:
                return private
        return None

    def open(self, licence: License, key_hash: bytes) -> bytes | None:
        """The content key that was released for a licence; None: for another wallet.

        Raises:
            WrongKeyError: It is not the one with this hash.
        """
        private = self.private(licence)
        if private is None:
            return None
        bound = keywrap.Licence(licence.id, self._address, self._chain.chain_id)
        try:
            key = keywrap.unwrap(private, Wrapped(licence.ephemeral, licence.wrapped), bound)
        except InvalidInputError:  # an ephemeral key of small order: no key at all
            raise WrongKeyError(licence.id) from None
        if keywrap.content_key_hash(key) != key_hash:
            raise WrongKeyError(licence.id)
        return key

    def _used(self, model_id: ModelId) -> list[bytes]:
        """Public keys of all purchases of a model."""
        first = self._chain.deployment.first_block
        events = self._chain.contract(CONTRACT).events(
            "LicenseBought", first, filters={"model_id": model_id}
        )
        return [event.args["buyer_key"] for event in events]
