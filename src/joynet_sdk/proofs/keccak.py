"""keccak-256 of many messages of one length, on an OpenCL device."""

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.runtime import Runtime

DIGEST_BYTES = 32
GROUP = {True: 1, False: 64}  # work-items of a group, on a CPU and elsewhere


def keccak256_batch(runtime: Runtime, messages: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Digests of messages, as `eth_utils.keccak` gives them.

    Args:
        runtime: The device.
        messages: (n, length) uint8, n >= 1, length >= 0.

    Returns:
        (n, 32) uint8.

    Raises:
        InvalidInputError: The array has another shape or type.
        ConfigError: It does not fit the device's memory.
    """
    if messages.ndim != 2 or messages.dtype != np.uint8 or len(messages) == 0:
        raise InvalidInputError(
            f"messages of shape {messages.shape} {messages.dtype}, expected (n >= 1, length) uint8"
        )
    count, length = messages.shape
    group = GROUP[runtime.is_cpu]
    source = runtime.upload(messages)
    digests = runtime.empty(count * DIGEST_BYTES)
    runtime.launch(
        runtime.kernel("keccak256", "keccak"),
        -(-count // group) * group,
        source,
        digests,
        np.uint32(length),
        np.uint32(count),
        group=group,
    )
    return runtime.download(digests, (count, DIGEST_BYTES), np.uint8)
