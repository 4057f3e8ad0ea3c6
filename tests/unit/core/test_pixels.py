"""`preprocessor_config.json` from strangers."""

import json

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.pixels import MAX_BYTES, read_pixels

SHAPE = (3, 2, 2)


def read(**document):
    return read_pixels(json.dumps(document).encode(), SHAPE)


def test_without_a_preprocessor_values_are_floats_as_they_are():
    pixels = read_pixels(None, SHAPE)
    raw = np.arange(12, dtype="<f4").reshape(SHAPE)
    assert pixels.dtype == np.dtype("<f4")
    assert pixels.values(raw).tolist() == raw.tolist()


def test_bytes_are_scaled_to_0_1_by_default():
    pixels = read()
    assert pixels.dtype == np.uint8
    assert pixels.values(np.full(SHAPE, 255, np.uint8)).max() == 1
    unscaled = read(do_rescale=False)
    assert unscaled.values(np.full(SHAPE, 7, np.uint8)).tolist() == np.full(SHAPE, 7.0).tolist()


def test_channels_are_normalised_one_by_one():
    pixels = read(rescale_factor=0.5, do_normalize=True, image_mean=[0, 1, 2], image_std=[1, 2, 4])
    values = pixels.values(np.full(SHAPE, 8, np.uint8))
    assert values[:, 0, 0].tolist() == [4, 1.5, 0.5]
    assert values.dtype == np.float32


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"rescale_factor": "1"}, "rescale_factor is '1'"),
        ({"rescale_factor": True}, "rescale_factor is True"),
        ({"rescale_factor": 1e300}, "rescale_factor"),
        ({"rescale_factor": [1, 2]}, "expected 1 finite"),
        ({"do_normalize": True}, "image_mean is None, expected 3"),
        ({"do_normalize": True, "image_mean": [0, 0]}, "image_mean .* expected 3"),
        ({"do_normalize": True, "image_mean": 0, "image_std": [1, 0, 1]}, "expected none to be 0"),
        ({"size": {"height": 4, "width": 2}}, "images of 4x2, config.json says 2x2"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(document, problem):
    with pytest.raises(InvalidInputError, match=problem):
        read(**document)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b"[" * 100_000, b" " * (MAX_BYTES + 1), b'{"rescale_factor": NaN}'],
)
def test_other_bytes_are_refused(data):
    with pytest.raises(InvalidInputError):
        read_pixels(data, SHAPE)


def test_a_stated_shortest_edge_says_nothing_of_the_size():
    assert read(size={"shortest_edge": 224}).factor == pytest.approx(1 / 255)
