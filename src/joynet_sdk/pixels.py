"""How an image classifier's input becomes pixel values: docs/spec/manifest.md.

Without `preprocessor_config.json` a request holds the float32 values that the model reads. With
one, a request holds uint8 pixels, which are rescaled and normalised as it says; images are never
resized here, they come in the model's own size.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import check_json_depth

FILE = "preprocessor_config.json"
MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Pixels:
    """value = (pixel * factor - mean) / deviation, channel by channel.

    Attributes:
        dtype: Of the request: uint8 or float32.
        factor, mean, deviation: mean and deviation have one number for each channel.
    """

    dtype: np.dtype[Any]
    factor: float = 1.0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    def values(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels (channels, height, width) -> what the model reads, of the same shape."""
        scaled: NDArray[np.float64] = raw.astype(np.float64) * self.factor
        if self.mean:
            sides = (-1, 1, 1)
            scaled -= np.asarray(self.mean).reshape(sides)
            scaled /= np.asarray(self.deviation).reshape(sides)
        return scaled.astype(np.float32)


def read_pixels(data: bytes | None, shape: tuple[int, ...]) -> Pixels:
    """Read `preprocessor_config.json`.

    Args:
        data: Its bytes, or None where there is none.
        shape: (channels, height, width) of the model.

    Raises:
        InvalidInputError: Too long, not JSON, numbers that make no sense, or another image size.
    """
    if data is None:
        return Pixels(np.dtype("<f4"))
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"{FILE} has {len(data)} bytes, expected <= {MAX_BYTES}")
    try:
        check_json_depth(data)
        document = json.loads(data)
    except ValueError as error:  # InvalidInputError is one
        raise InvalidInputError(f"{FILE} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidInputError(f"{FILE} holds {type(document).__name__}, expected an object")
    _check_size(document, shape)
    factor = 1.0
    if document.get("do_rescale", True):
        [factor] = _numbers(document.get("rescale_factor", 1 / 255), 1, "rescale_factor")
    if not document.get("do_normalize", False):
        return Pixels(np.dtype(np.uint8), factor)
    mean = _numbers(document.get("image_mean"), shape[0], "image_mean")
    deviation = _numbers(document.get("image_std"), shape[0], "image_std")
    if min(map(abs, deviation)) == 0:
        raise InvalidInputError(f"{FILE}: image_std {list(deviation)}, expected none to be 0")
    return Pixels(np.dtype(np.uint8), factor, mean, deviation)


def _numbers(value: Any, count: int, what: str) -> tuple[float, ...]:
    """`count` finite numbers; a single one stands for all."""
    listed = value if isinstance(value, list) else [value] * count
    good = [x for x in listed if type(x) in (int, float) and math.isfinite(x) and abs(x) < 1e6]
    if len(good) != count or len(listed) != count:
        raise InvalidInputError(f"{FILE}: {what} is {value!r:.80}, expected {count} finite numbers")
    return tuple(map(float, good))


def _check_size(document: dict[str, Any], shape: tuple[int, ...]) -> None:
    """A stated size must be the model's: nobody resizes, so another one would be misread."""
    size = document.get("crop_size") if document.get("do_center_crop") else document.get("size")
    if not isinstance(size, dict) or not {"height", "width"} <= size.keys():
        return  # a shortest edge, or nothing stated
    stated = size["height"], size["width"]
    if stated != shape[1:]:
        raise InvalidInputError(
            f"{FILE}: images of {stated[0]}x{stated[1]}, config.json says {shape[1]}x{shape[2]}"
        )
