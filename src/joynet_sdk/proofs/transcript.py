"""The transcript that turns the interactive proof into bytes (docs/spec/proof.md).

absorb:    state = keccak256(state || tag || u32 length || data)
challenge: state = keccak256(state || 0x01), the challenge is state mod r

Every challenge is a squeeze of its own: two challenges read from one state would be equal, and that
is a forgery. Source: Fiat and Shamir 1986, in the duplex form that is cheapest in the EVM.
"""

from collections.abc import Callable, Sequence

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.field import FR

TAG_BYTES = 4
_SQUEEZE = b"\x01"


def _fast_keccak() -> Callable[[bytes], bytes]:
    """safe-pysha3 takes 1 us a hash, the backend that eth_hash prefers 6 us."""
    try:
        from eth_hash.backends.pysha3 import keccak256
    except ImportError:
        from eth_hash.auto import keccak

        return keccak
    return keccak256


_keccak: Callable[[bytes], bytes] | None = None


def keccak256(data: bytes) -> bytes:
    """keccak-256, 32 bytes."""
    global _keccak
    if _keccak is None:
        _keccak = _fast_keccak()
    return _keccak(data)


class Transcript:
    """What the prover has said so far, and the challenges that follow from it."""

    def __init__(self, domain: bytes) -> None:
        """
        Args:
            domain: Names the protocol, its version and its use; other domains, other challenges.
        """
        self._state = keccak256(domain)

    @classmethod
    def at(cls, state: bytes) -> "Transcript":
        """Go on from a state, as a contract does that keeps nothing else."""
        transcript = cls(b"")
        transcript._state = state
        return transcript

    @property
    def state(self) -> bytes:
        """32 bytes that everything so far has gone into."""
        return self._state

    def absorb(self, tag: bytes, data: bytes) -> None:
        """Take in a message.

        Args:
            tag: Exactly 4 ASCII bytes that say what it is.
            data: At most 2^32 - 1 bytes.

        Raises:
            InvalidInputError: The tag has another length or is not ASCII.
        """
        if len(tag) != TAG_BYTES or not tag.isascii():
            raise InvalidInputError(f"transcript tag {tag!r}, expected {TAG_BYTES} ASCII bytes")
        self._state = keccak256(self._state + tag + len(data).to_bytes(4, "big") + data)

    def challenge(self) -> int:
        """The next challenge, below r; a fresh squeeze each time."""
        self._state = keccak256(self._state + _SQUEEZE)
        return int.from_bytes(self._state, "big") % FR

    def challenges(self, count: int) -> Sequence[int]:
        """The next `count` challenges."""
        return [self.challenge() for _ in range(count)]
