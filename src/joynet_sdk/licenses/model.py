"""What a licence and its terms are, as ModelLicenses has them."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.types import Address, JoyWei, ModelId

CONTRACT = "ModelLicenses"
ZERO = Address("0x" + "00" * 20)
NO_KEY = bytes(32)
SECONDS_PER_DAY = 86_400
MAX_RESALE_BPS = 1_000


class State(IntEnum):
    """Where a licence stands; numbers as in the contract."""

    NONE = 0
    AWAITING_KEY = 1
    KEY_POSTED = 2
    SETTLED = 3
    REFUNDED = 4
    VOID = 5

    @property
    def words(self) -> str:
        """For people and for `--json`."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms licences of a model are sold.

    Attributes:
        price: Wei of JOY.
        period: Seconds; 0 for ever.
        key_hash: Commitment to the content key, 32 bytes; zeros: the model is not sealed.
        key_holder: May release keys besides the publisher, or None.
        is_required: Whether a node needs a licence to offer the model.
        is_transferable: Whether licences can change hands.
        resale_bps: The publisher's part of a resale, 0 to 1,000.
    """

    price: JoyWei
    period: int = 0
    key_hash: bytes = NO_KEY
    key_holder: Address | None = None
    is_required: bool = False
    is_transferable: bool = False
    resale_bps: int = 0

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            InvalidInputError: One is outside its own.
        """
        if not 0 <= self.price < 2**96:
            raise InvalidInputError(f"licence price is {self.price} wei, expected 0 to 2^96 - 1")
        if self.period < 0:
            raise InvalidInputError(f"licence period is {self.period} s, expected 0 or more")
        if not 0 <= self.resale_bps <= MAX_RESALE_BPS:
            raise InvalidInputError(
                f"resale part is {self.resale_bps} bps, expected 0 to {MAX_RESALE_BPS}"
            )

    @classmethod
    def of(cls, struct: dict[str, Any]) -> Self:
        """From the contract's struct."""
        holder = Address(struct["key_holder"])
        return cls(
            JoyWei(struct["price"]),
            struct["period"],
            struct["key_hash"],
            None if holder == ZERO else holder,
            struct["is_required"],
            struct["is_transferable"],
            struct["resale_bps"],
        )

    @property
    def is_sealed(self) -> bool:
        """Whether a buyer waits for a content key."""
        return self.key_hash != NO_KEY

    def struct(self) -> dict[str, Any]:
        """As the contract takes it, and as a journal can keep it."""
        return {
            "price": str(self.price),
            "period": str(self.period),
            "key_hash": "0x" + self.key_hash.hex(),
            "key_holder": self.key_holder or ZERO,
            "is_required": self.is_required,
            "is_transferable": self.is_transferable,
            "resale_bps": self.resale_bps,
        }

    def digest(self, model_id: ModelId) -> bytes:
        """keccak256(abi.encode(model id, terms)): what a buyer agrees to, 32 bytes."""
        from eth_utils.crypto import keccak

        holder = int(self.key_holder or ZERO, 16)
        numbers = [holder, self.is_required, self.is_transferable, self.resale_bps]
        words = [model_id, _word(self.price), _word(self.period), self.key_hash]
        return bytes(keccak(b"".join(words + [_word(int(each)) for each in numbers])))


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Quote:
    """What a licence costs now.

    Attributes:
        terms: As they were read; the purchase is bound to them.
        gas_fee: Wei of ETH that all transactions cost at most, about.
    """

    model_id: ModelId
    terms: Terms
    gas_fee: int


@dataclass(frozen=True, slots=True)
class License:
    """One licence.

    Attributes:
        id: From 1.
        owner: Zero once it was refunded or is void.
        is_valid: Whether it may be used now.
        is_transferable: Whether it can change hands.
        escrow: Wei of JOY that wait for settlement or refund.
        expires_at: Unix seconds; 0 for ever, or the key was not posted yet.
        deadline: Unix seconds: last chance to release the key (awaiting key), end of the dispute
            window (key posted), else 0.
        buyer_key: X25519 public key of the purchase; zeros if the model is not sealed.
        ephemeral: X25519 public key that the content key is wrapped with.
        wrapped: The wrapped content key.
    """

    id: int
    model_id: ModelId
    owner: Address
    state: State
    is_valid: bool
    is_transferable: bool
    escrow: JoyWei
    expires_at: int
    deadline: int
    buyer_key: bytes
    ephemeral: bytes
    wrapped: bytes

    @classmethod
    def of(cls, license_id: int, struct: dict[str, Any]) -> Self:
        """From the contract's struct."""
        return cls(
            license_id,
            ModelId(struct["model_id"]),
            Address(struct["owner"]),
            State(struct["state"]),
            struct["is_valid"],
            struct["is_transferable"],
            JoyWei(struct["escrow"]),
            struct["expires_at"],
            struct["deadline"],
            struct["buyer_key"],
            struct["ephemeral"],
            struct["wrapped"],
        )

    @property
    def is_sealed(self) -> bool:
        """Whether it opens a sealed model."""
        return self.buyer_key != NO_KEY


class WrongKeyError(VerificationError):
    """The key that was posted for a licence does not open the model.

    Attributes:
        license_id: The licence.
    """

    code = "wrong_key"

    def __init__(self, license_id: int) -> None:
        self.license_id = license_id
        super().__init__(
            f"the key that was posted for licence {license_id} is not the model's",
            hint=f"prove it and get your money back: joynet model dispute {license_id}",
        )
