"""Licences of models: for who buys them, and for who sells them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from joynet_sdk.errors import (
    AuthError,
    InsufficientFundsError,
    InvalidInputError,
    JoyNetError,
    NotFoundError,
    PendingError,
    VerificationError,
)
from joynet_sdk.formats import Manifest
from joynet_sdk.keywrap import Signer
from joynet_sdk.licenses.keys import PurchaseKeys
from joynet_sdk.licenses.model import (
    CONTRACT,
    NO_KEY,
    License,
    Quote,
    State,
    Terms,
    WrongKeyError,
)
from joynet_sdk.licenses.purchase import BUY_FLOW, BUY_GAS, RENEW_FLOW, read_license
from joynet_sdk.licenses.selling import ContentKeys, Sales
from joynet_sdk.ports import Chain, Flows
from joynet_sdk.types import Address, JoyWei, ModelId
from joynet_sdk.units import format_joy


class Licenses:
    """Reached as `JoyNet().licenses`."""

    def __init__(
        self,
        chain: Chain,
        flows: Flows,
        keys: ContentKeys,
        load: Callable[[ModelId], Manifest],
    ) -> None:
        """
        Args:
            keys: Of models published here, or imported.
            load: A manifest from the local store; NotFoundError if it is not there.
        """
        self._chain, self._flows, self._keys, self._load = chain, flows, keys, load

    # --- terms

    def terms(self, model_id: ModelId) -> Terms | None:
        """On which terms licences are sold, or None: none are."""
        contract = self._chain.contract(CONTRACT)
        if contract.call("terms_digest", model_id) == NO_KEY:
            return None
        return Terms.of(contract.call("terms", model_id))

    def set_terms(self, model_id: ModelId, terms: Terms) -> None:
        """Offer licences of an own model, or change the offer; what was sold stays as it was.

        Raises:
            RevertedError: Somebody else published it, or its key hash would change.
        """
        self._chain.contract(CONTRACT).transact("set_terms", model_id, terms.struct())

    # --- buying

    def quote(self, model_id: ModelId) -> Quote:
        """What a licence costs now.

        Raises:
            NotFoundError: None are sold.
            VerificationError: Terms and manifest disagree on the content key: what is sold
                would not open the model, and the contract could not know.
        """
        terms = self.terms(model_id)
        if terms is None:
            raise NotFoundError("licences of model", "0x" + model_id.hex(), hint=_TERMS_HINT)
        sealed = self._load(model_id).sealed
        promised = bytes.fromhex(sealed.key_hash[2:]) if sealed else NO_KEY
        if promised != terms.key_hash:
            raise VerificationError(
                f"the terms promise the content key 0x{terms.key_hash.hex()}, "
                f"the manifest has 0x{promised.hex()}",
                hint="do not buy this licence",
            )
        return Quote(model_id, terms, BUY_GAS * self._chain.gas_price())

    def buy(
        self,
        quote: Quote,
        *,
        max_price: JoyWei | None = None,
        key_signer: Signer | None = None,
    ) -> License:
        """Buy a licence; of a sealed model, wait for its key and look at it.

        Args:
            quote: Of `quote`; a change of the terms since then refuses the purchase.
            max_price: Wei of JOY that are not to be passed.
            key_signer: The wallet that will open the model; the account by default. A node opens
                with its operator's.

        Raises:
            InsufficientFundsError: Less JOY than the price, or a limit below it.
            PendingError: Paid, and the key is not there yet.
            WrongKeyError: The key that was posted is wrong; `dispute` gets the money back.
        """
        terms, account = quote.terms, self._chain.account
        if max_price is not None and terms.price > max_price:
            raise InsufficientFundsError("JOY within --max-price", max_price, terms.price)
        have = self._chain.contract("JoyToken").call("balanceOf", account.address)
        if have < terms.price:
            raise InsufficientFundsError("JOY", have, terms.price, hint="joynet token balance")
        number, public = None, NO_KEY
        if terms.is_sealed:
            number, public = PurchaseKeys(self._chain, key_signer or account).new(quote.model_id)
        args = {
            "model_id": "0x" + quote.model_id.hex(),
            "price": str(terms.price),
            "digest": "0x" + terms.digest(quote.model_id).hex(),
            "buyer_key": "0x" + public.hex(),
            "number": number if key_signer is None else None,
        }
        title = f"buy a licence of 0x{quote.model_id.hex()[:8]} for {format_joy(terms.price)}"
        licence = self.license(int(self._flows(BUY_FLOW, title, args)))
        if key_signer is not None and licence.state == State.KEY_POSTED:
            PurchaseKeys(self._chain, key_signer).open(licence, terms.key_hash)
        return licence

    def renew(self, license_id: int, max_price: JoyWei | None = None) -> License:
        """Add the present terms' period to a licence; approve and pay in one journaled job.

        Raises:
            InsufficientFundsError: Less JOY than the price, or a limit below it.
            RevertedError: It is for ever, or not settled yet.
        """
        licence = self.license(license_id)
        terms = self.terms(licence.model_id)
        if terms is None:
            raise NotFoundError("licences of model", "0x" + licence.model_id.hex())
        if max_price is not None and terms.price > max_price:
            raise InsufficientFundsError("JOY within --max-price", max_price, terms.price)
        args = {
            "license_id": license_id,
            "price": str(terms.price),
            "digest": "0x" + terms.digest(licence.model_id).hex(),
        }
        self._flows(RENEW_FLOW, f"renew licence {license_id}", args)
        return self.license(license_id)

    def dispute(self, license_id: int, key_signer: Signer | None = None) -> JoyWei:
        """Prove that the posted key is wrong, and withdraw the money.

        The proof reveals the private key of this one purchase, so it is only sent when the key
        is wrong: with a right one everybody could open the model.

        Returns:
            Wei of JOY sent to the account.

        Raises:
            InvalidInputError: No key was posted, or it is right.
            AuthError: Another wallet's purchase.
        """
        licence = self.license(license_id)
        if licence.state != State.KEY_POSTED:
            raise InvalidInputError(
                f"licence {license_id} is {licence.state.words}, expected one whose key was posted"
            )
        keys = PurchaseKeys(self._chain, key_signer or self._chain.account)
        private, terms = keys.private(licence), self.terms(licence.model_id)
        if private is None or terms is None:
            raise _foreign(licence)
        try:
            keys.open(licence, terms.key_hash)
        except WrongKeyError:
            contract = self._chain.contract(CONTRACT)
            contract.transact("dispute", license_id, private)
            return self.withdraw()
        raise InvalidInputError(
            f"the key of licence {license_id} is right",
            hint=f"joynet model pull 0x{licence.model_id.hex()}",
        )

    def refund(self, license_id: int) -> JoyWei:
        """Take the money back when no key came in time, and withdraw it.

        Returns:
            Wei of JOY sent to the account.

        Raises:
            PendingError: The publisher still has time.
        """
        licence = self.license(license_id)
        if licence.state == State.AWAITING_KEY:
            left = licence.deadline - self._chain.now()
            if left > 0:
                raise PendingError(
                    f"the key of licence {license_id} may still come, for {left} s",
                    hint=f"then: joynet model refund {license_id}",
                )
            self._chain.contract(CONTRACT).transact("refund", license_id)
        return self.withdraw()

    def withdraw(self) -> JoyWei:
        """Send this account its refunds; the outflow limit may hold back the rest until later."""
        contract = self._chain.contract(CONTRACT)
        if not contract.call("withdrawable", self._chain.account.address):
            return JoyWei(0)
        return JoyWei(contract.transact("withdraw").event("Withdrawn").args["amount"])

    # --- looking up

    def license(self, license_id: int) -> License:
        """A licence.

        Raises:
            NotFoundError: It was never sold.
        """
        licence = read_license(self._chain, license_id)
        if licence.state == State.NONE:
            raise NotFoundError("licence", license_id, hint="joynet model licenses")
        return licence

    def of_account(self, account: Address, model_id: ModelId | None = None) -> list[License]:
        """Licences that an account bought or received and still owns, oldest first."""
        received = self._events("Transfer", {"receiver": account})  # a sale is one too
        ids = {int(event.args["token_id"]) for event in received}
        found = [read_license(self._chain, license_id) for license_id in sorted(ids)]
        return [
            each for each in found if each.owner == account and model_id in (None, each.model_id)
        ]

    def _events(self, name: str, filters: Mapping[str, object]) -> Iterator[Any]:
        first = self._chain.deployment.first_block
        yield from self._chain.contract(CONTRACT).events(name, first, filters=filters)

    def may_serve(self, model_id: ModelId, vault: Address, operator: Address) -> bool:
        """Whether a node may serve a model: no licence is needed, or vault or operator have one."""
        return bool(self._chain.contract(CONTRACT).call("may_serve", model_id, vault, operator))

    # --- opening

    def content_key(
        self,
        manifest: Manifest,
        *,
        owners: Sequence[Address] | None = None,
        key_signer: Signer | None = None,
    ) -> bytes:
        """The key that opens a sealed model: of this home, or of a licence that is valid now.

        Args:
            owners: Whose licences count; the account's by default.
            key_signer: The wallet that they were bought for; the account by default.

        Raises:
            AuthError: No licence, an expired one, or one that another wallet bought.
            PendingError: It waits for its key.
            WrongKeyError: The key that was posted is wrong.
        """
        if manifest.sealed is None:
            raise InvalidInputError(f"model {manifest.title[:80]!r} is not sealed")
        key_hash = bytes.fromhex(manifest.sealed.key_hash[2:])
        kept = self._keys.get(key_hash)
        if kept is not None:
            return kept
        account = self._chain.account
        whose = owners if owners is not None else [account.address]
        found = [each for owner in whose for each in self.of_account(owner, manifest.model_id)]
        valid = [licence for licence in found if licence.is_valid]
        keys = PurchaseKeys(self._chain, key_signer or account) if valid else None
        wrong: WrongKeyError | None = None
        for licence in valid:
            try:
                key = keys.open(licence, key_hash) if keys else None
            except WrongKeyError as error:  # another licence may open it
                wrong = error
                continue
            if key is not None:
                return key
        raise wrong or _refusal(manifest, found)

    # --- selling

    def sales(self, model_id: ModelId | None = None) -> Sales:
        """Licences of one model, or of all that this account published or holds the keys of."""
        return Sales(self._chain, self._keys, model_id)

    def earned(self, model_id: ModelId) -> JoyWei:
        """Wei of JOY that licences have brought a model so far."""
        events = self._events("LicenseSettled", {"model_id": model_id})
        return JoyWei(sum(event.args["amount"] for event in events))


_TERMS_HINT = "joynet model show REF; its publisher sets terms: joynet model terms REF --price N"


def _foreign(licence: License) -> AuthError:
    return AuthError(
        f"licence {licence.id} was bought with the key of another wallet",
        hint="open it with the account that bought it, or get the key: joynet model key import",
    )


def _refusal(manifest: Manifest, found: list[License]) -> JoyNetError:
    """Why none of these licences opens a model."""
    ref, title = "0x" + manifest.model_id.hex(), f"model {manifest.title[:80]!r}"
    if waiting := [each for each in found if each.state == State.AWAITING_KEY]:
        return PendingError(
            f"{title} is sealed, and licence {waiting[0].id} waits for its key",
            hint=f"later, or after the deadline: joynet model refund {waiting[0].id}",
        )
    if valid := [each for each in found if each.is_valid]:
        return _foreign(valid[-1])
    if found:
        return AuthError(
            f"{title} is sealed, and licence {found[-1].id} has expired",
            hint=f"joynet model renew {found[-1].id}",
        )
    return AuthError(
        f"{title} is sealed, and you hold no licence of it", hint=f"joynet model buy {ref}"
    )
