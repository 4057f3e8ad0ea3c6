"""Vouchers, receipts and receipt files: EIP-712 hashes, signatures, offline verification.

Formats: docs/spec/money.md and docs/spec/receipt.md. `eth_account` is imported inside functions
because it costs 320 ms.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import canonical_json, parse_canonical_json, parse_hex
from joynet_sdk.types import Address

MAX_RECEIPT_FILE_BYTES = 4 * 1024 * 1024
SECP256K1_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_UINT256 = 2**256


class Signer(Protocol):
    """An unlocked key that never shows itself; `chain.accounts.Account` in use."""

    address: Address

    def sign_typed_data(
        self, domain: Mapping[str, Any], types: Mapping[str, Any], message: Mapping[str, Any]
    ) -> bytes:
        """EIP-712: 65 bytes r || s || v."""

    def sign_message(self, message: bytes) -> bytes:
        """EIP-191: 65 bytes r || s || v."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The EIP-712 domain that vouchers and receipts are signed in."""

    chain_id: int
    coordinator: Address

    def as_eip712(self) -> dict[str, Any]:
        """The domain as eth-account takes it."""
        return {
            "name": "JoyNet",
            "version": "1",
            "chainId": self.chain_id,
            "verifyingContract": self.coordinator,
        }


@dataclass(frozen=True, slots=True)
class Voucher:
    """A cumulative promise: `calls` answers so far on this lane, `amount` wei owed for them."""

    payer: Address
    operator: Address
    model_id: bytes  # 32 bytes
    lane: int
    calls: int
    amount: int  # wei of JOY


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an operator signs for one answer. Fields as in docs/spec/receipt.md."""

    version: int
    job_id: int
    request_id: bytes  # 32 bytes
    client: Address
    operator: Address
    peer_id: str
    model_id: bytes  # 32 bytes
    engine_profile: str
    request_digest: bytes  # 32 bytes
    response_digest: bytes  # 32 bytes
    verification_class: str
    price: int  # wei of JOY
    voucher_hash: bytes  # 32 bytes
    time: int  # unix seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node sent back: output bytes and the receipt it signed, not yet checked."""

    output: bytes
    receipt: Receipt
    signature: bytes


_VOUCHER_FIELDS = {
    "payer": "address",
    "operator": "address",
    "modelId": "bytes32",
    "lane": "uint256",
    "calls": "uint256",
    "amount": "uint256",
}
_RECEIPT_FIELDS = {
    "version": "uint256",
    "jobId": "uint256",
    "requestId": "bytes32",
    "client": "address",
    "operator": "address",
    "peerId": "string",
    "modelId": "bytes32",
    "engineProfile": "string",
    "requestDigest": "bytes32",
    "responseDigest": "bytes32",
    "verificationClass": "string",
    "price": "uint256",
    "voucherHash": "bytes32",
    "time": "uint256",
}


def salted_digest(salt: bytes, data: bytes) -> bytes:
    """SHA-256(salt || data): what a receipt says about a request or a response."""
    return hashlib.sha256(salt + data).digest()


def _typed_data(
    domain: Domain, document: Voucher | Receipt
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The EIP-712 domain, types and values of a voucher or receipt."""
    name = type(document).__name__
    fields = _VOUCHER_FIELDS if isinstance(document, Voucher) else _RECEIPT_FIELDS
    types = {name: [{"name": key, "type": kind} for key, kind in fields.items()]}
    values = dict(zip(fields, asdict(document).values(), strict=True))
    return domain.as_eip712(), types, values


def _signable(domain: Domain, document: Voucher | Receipt) -> Any:
    from eth_account.messages import encode_typed_data

    return encode_typed_data(*_typed_data(domain, document))


def signing_hash(domain: Domain, document: Voucher | Receipt) -> bytes:
    """keccak256(0x1901 || domain || struct): 32 bytes; of a voucher, the `voucherHash`."""
    from eth_utils.crypto import keccak

    message = _signable(domain, document)
    return keccak(b"\x19" + message.version + message.header + message.body)


def sign(domain: Domain, document: Voucher | Receipt, signer: Signer) -> bytes:
    """Sign: 65 bytes r || s || v, s low, v in {27, 28}."""
    return signer.sign_typed_data(*_typed_data(domain, document))


def recover(domain: Domain, document: Voucher | Receipt, signature: bytes) -> Address:
    """Who signed.

    Raises:
        VerificationError: The signature is malformed, malleable (high s), or of no key.
    """
    from eth_account import Account
    from eth_keys.exceptions import BadSignature

    check_signature_form(signature)
    try:
        signer = Account.recover_message(_signable(domain, document), signature=signature)
    except (BadSignature, ValueError):
        raise VerificationError(f"signature 0x{signature.hex()} belongs to no key") from None
    return Address(signer)


def check_signature_form(signature: bytes) -> None:
    """Refuse anything but the one form of a signature that the contracts take too.

    Raises:
        VerificationError: Not 65 bytes, v not 27 or 28, r or s zero, or s in the upper half.
    """
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise VerificationError(f"signature has {len(signature)} bytes: expected r, s, v in 27..28")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if r == 0 or not 0 < s <= SECP256K1_HALF_ORDER:
        raise VerificationError("signature is malleable: expected s in the lower half order")


# --- receipt files ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """A receipt with all that is needed to check it offline."""

    domain: Domain
    receipt: Receipt
    signature: bytes
    salt: bytes
    request: bytes
    response: bytes

    def encode(self) -> bytes:
        """Canonical JSON, no trailing newline."""
        values = dict(zip(_RECEIPT_FIELDS, asdict(self.receipt).values(), strict=True))
        return canonical_json(
            {
                "chainId": str(self.domain.chain_id),
                "coordinator": self.domain.coordinator,
                "receipt": {key: _to_json(value) for key, value in values.items()},
                "request": _to_json(self.request),
                "response": _to_json(self.response),
                "salt": _to_json(self.salt),
                "signature": _to_json(self.signature),
            }
        )

    def verify(self) -> None:
        """Check the operator's signature and both digests.

        Raises:
            VerificationError: Naming what does not match.
        """
        signer = recover(self.domain, self.receipt, self.signature)
        if signer != self.receipt.operator:
            raise VerificationError(
                f"signed by {signer}, expected operator {self.receipt.operator}"
            )
        if salted_digest(self.salt, self.request) != self.receipt.request_digest:
            raise VerificationError("request does not match the receipt's requestDigest")
        if salted_digest(self.salt, self.response) != self.receipt.response_digest:
            raise VerificationError("response does not match the receipt's responseDigest")


def _to_json(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def decode_receipt_file(data: bytes) -> ReceiptFile:
    """Read a receipt file strictly; `verify` is a second step.

    Raises:
        VerificationError: Too long, not canonical, or a field is missing or malformed.
    """
    if len(data) > MAX_RECEIPT_FILE_BYTES:
        raise VerificationError(f"receipt file has {len(data)} bytes, expected at most 4 MiB")
    document = parse_canonical_json(data)
    try:
        fields = document["receipt"]
        values = [_from_json(kind, fields[key], key) for key, kind in _RECEIPT_FIELDS.items()]
        file = ReceiptFile(
            domain=Domain(
                _from_json("uint256", document["chainId"], "chainId"),
                _from_json("address", document["coordinator"], "coordinator"),
            ),
            receipt=Receipt(*values),
            signature=parse_hex(document["signature"], 65, "signature"),
            salt=parse_hex(document["salt"], 32, "salt"),
            request=parse_hex(document["request"], None, "request"),
            response=parse_hex(document["response"], None, "response"),
        )
    except KeyError as error:
        raise VerificationError(f"receipt file lacks {error}") from None
    except (TypeError, InvalidInputError) as error:
        raise VerificationError(f"receipt file: {error}") from None
    if file.encode() != data:
        raise VerificationError("receipt file holds more than the format allows")
    return file


def _from_json(kind: str, text: Any, key: str) -> Any:
    if not isinstance(text, str):
        raise InvalidInputError(f"{key} is {text!r:.60}, expected a string")
    if kind == "bytes32":
        return parse_hex(text, 32, key)
    if kind == "address":
        from eth_utils.address import is_checksum_address

        if not is_checksum_address(text):
            raise InvalidInputError(f"{key} is {text!r:.60}, expected an EIP-55 address")
        return Address(text)
    if kind == "uint256":
        if not text.isascii() or not text.isdigit() or len(text) > 78 or int(text) >= _UINT256:
            raise InvalidInputError(f"{key} is {text!r:.60}, expected a decimal uint256")
        return int(text)
    return text
