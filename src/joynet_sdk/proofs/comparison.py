"""Compare what a device gave with what the reference gives."""

from collections.abc import Sequence

from joynet_sdk.errors import VerificationError


def expect_equal(what: str, found: Sequence[int], expected: Sequence[int]) -> None:
    """Compare the elements that a device gave with those of the reference.

    Raises:
        VerificationError: They differ; names the first place.
    """
    for i, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        if got != wanted:
            raise VerificationError(f"{what}: element {i} is {got:#x}, expected {wanted:#x}")
