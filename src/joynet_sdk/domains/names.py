"""Names as contracts know them: EIP-137 nodes, and labels in wire form (ENSIP-10)."""

from joynet_sdk.errors import InvalidInputError

MAX_LABEL_BYTES = 63
ZERO_NODE = bytes(32)


def namehash(name: str) -> bytes:
    """EIP-137 node of a normalised name, 32 bytes; zeros for ""."""
    node = ZERO_NODE
    for label in reversed(name.split(".")) if name else ():
        node = subnode(node, label)
    return node


def subnode(parent: bytes, label: str) -> bytes:
    """EIP-137 node of a label under a node."""
    from eth_utils.crypto import keccak

    return keccak(parent + keccak(text=label))


def labelhash(label: str) -> bytes:
    """keccak256 of a label."""
    from eth_utils.crypto import keccak

    return keccak(text=label)


def parents(name: str) -> list[str]:
    """The name and its parents down to the TLD: a.b.joy, b.joy, joy."""
    labels = name.split(".")
    return [".".join(labels[i:]) for i in range(len(labels))]


def dns_encode(name: str) -> bytes:
    """The name as DNS writes it (RFC 1035 section 3.1), which wildcard resolvers take.

    Raises:
        InvalidInputError: A label is longer than 63 bytes.
    """
    encoded = bytearray()
    for label in name.split("."):
        raw = label.encode()
        if not 1 <= len(raw) <= MAX_LABEL_BYTES:
            raise InvalidInputError(
                f"label {label!r:.80} has {len(raw)} bytes, expected 1 to {MAX_LABEL_BYTES}"
            )
        encoded += bytes((len(raw),)) + raw
    return bytes(encoded) + b"\0"
