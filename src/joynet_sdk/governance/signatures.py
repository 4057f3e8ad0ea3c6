"""Votes and delegations that are signed on one machine and handed in from another."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from joynet_sdk.errors import InvalidInputError, VerificationError

VOTE_FORMAT, DELEGATION_FORMAT = "joynet-vote/1", "joynet-delegation/1"
MAX_FILE_BYTES = 16 * 1024
VOTE_TYPES = {
    "Vote": [
        {"name": "proposalId", "type": "uint256"},
        {"name": "support", "type": "uint8"},
        {"name": "voter", "type": "address"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}
DELEGATION_TYPES = {
    "Delegation": [
        {"name": "delegatee", "type": "address"},
        {"name": "nonce", "type": "uint256"},
        {"name": "expiry", "type": "uint256"},
    ]
}


@dataclass(frozen=True, slots=True)
class SignedVote:
    """A vote that anybody may hand in.

    Attributes:
        support: "for", "against" or "abstain".
        deadline: Unix seconds after which it is void.
        signature: 0x and hex.
    """

    chain_id: int
    contract: str
    proposal: int
    support: str
    voter: str
    nonce: int
    deadline: int
    signature: str
    format: str = VOTE_FORMAT


@dataclass(frozen=True, slots=True)
class SignedDelegation:
    """A delegation that anybody may hand in.

    Attributes:
        contract: JoyToken.
        expiry: Unix second until which it is good.
        signature: 0x and hex.
    """

    chain_id: int
    contract: str
    delegator: str
    delegatee: str
    nonce: int
    expiry: int
    signature: str
    format: str = DELEGATION_FORMAT


Signed = TypeVar("Signed", SignedVote, SignedDelegation)


def encode_signed(document: SignedVote | SignedDelegation) -> str:
    """A signature file: one JSON object."""
    return json.dumps(asdict(document), indent=2)


def decode_signed(text: str, kind: type[Signed]) -> Signed:
    """Read a signature file.

    Raises:
        InvalidInputError: Not JSON, or of another kind.
    """
    try:
        document = json.loads(text) if len(text) <= MAX_FILE_BYTES else None
    except (ValueError, RecursionError):
        document = None
    types = {name: field.type for name, field in kind.__dataclass_fields__.items()}
    wanted = VOTE_FORMAT if kind is SignedVote else DELEGATION_FORMAT
    if (
        not isinstance(document, Mapping)
        or document.get("format") != wanted
        or set(document) != set(types)
        or any(type(document[name]) is not types[name] for name in types)
    ):
        raise InvalidInputError(f"not a signature file of the form {wanted}")
    return kind(**document)


def domain_of(contract: Any) -> dict[str, Any]:
    """A contract's EIP-712 domain, as it says itself (ERC-5267)."""
    _, name, version, chain_id, address, *_ = contract.call("eip712Domain")
    return {
        "name": name,
        "version": version,
        "chainId": chain_id,
        "verifyingContract": address,
    }


def check_place(document: SignedVote | SignedDelegation, chain_id: int, contract: str) -> None:
    """Make sure that a signature is for this chain and contract.

    Raises:
        VerificationError: It is for another one.
    """
    if (document.chain_id, document.contract) != (chain_id, contract):
        raise VerificationError(
            f"the signature is for chain {document.chain_id}, contract {document.contract};"
            f" this is chain {chain_id}, contract {contract}"
        )


def signature_bytes(document: SignedVote | SignedDelegation) -> bytes:
    """The signature.

    Raises:
        InvalidInputError: Not 0x and hex.
    """
    try:
        if not document.signature.startswith("0x"):
            raise ValueError
        return bytes.fromhex(document.signature[2:])
    except ValueError:
        raise InvalidInputError("the signature in the file is not 0x and hex") from None
