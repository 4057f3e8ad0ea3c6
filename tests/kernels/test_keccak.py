"""The keccak kernel against eth_utils."""

import numpy as np
import pytest
from eth_utils import keccak

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.keccak import keccak256_batch
from joynet_sdk.proofs.runtime import Runtime


@pytest.mark.parametrize("length", [0, 1, 7, 8, 32, 64, 135, 136, 137, 271, 272, 1000])
def test_digests_equal_eth_utils(runtime: Runtime, length: int) -> None:
    messages = np.random.default_rng(length).integers(0, 256, (70, length), dtype=np.uint8)
    messages[0], messages[1] = 0, 255
    digests = keccak256_batch(runtime, messages)
    assert [row.tobytes() for row in digests] == [keccak(row.tobytes()) for row in messages]


def test_one_message(runtime: Runtime) -> None:
    digest = keccak256_batch(runtime, np.frombuffer(b"JoyNet", np.uint8).reshape(1, -1))
    assert digest.tobytes() == keccak(b"JoyNet")


def test_other_shapes_are_refused(runtime: Runtime) -> None:
    for bad in (np.zeros(5, np.uint8), np.zeros((0, 5), np.uint8), np.zeros((2, 5), np.int8)):
        with pytest.raises(InvalidInputError, match="expected"):
            keccak256_batch(runtime, bad)
