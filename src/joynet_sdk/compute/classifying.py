"""Classifiers in the profiles `classify-text-fp32/1` and `classify-image-fp32/1`.

One input per forward pass, fp32, one thread; the answer is softmax over the logits, computed in
float64 and given as float32 (little-endian), one number for each label.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.compute.engine import EngineError
from joynet_sdk.compute.loading import decode_text, load_model, load_tokenizer, max_tokens
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest
from joynet_sdk.pixels import FILE, read_pixels


class TextClassifier:
    """A transformers model for sequence classification, with its tokenizer."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._model = load_model("AutoModelForSequenceClassification", folder)
        self._tokenizer = load_tokenizer(folder)
        self._max_tokens = max_tokens(self._tokenizer, self._model)
        self._max_bytes = manifest.input.max_bytes
        _check_outputs(self._model, manifest)

    def run(self, data: bytes) -> bytes:
        """UTF-8 text in, probabilities out; long texts are truncated."""
        tokens = self._tokenizer(
            decode_text(data, self._max_bytes),
            return_tensors="pt",
            truncation=True,
            max_length=self._max_tokens,
        )
        return _probabilities(self._model, **tokens)


class ImageClassifier:
    """A transformers model for image classification; images come in the model's own size."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._model = load_model("AutoModelForImageClassification", folder)
        _check_outputs(self._model, manifest)
        self._dtype = np.dtype(manifest.input.dtype).newbyteorder("<")
        self._shape = tuple(manifest.input.shape)
        path = folder / FILE
        self._pixels = read_pixels(path.read_bytes() if path.is_file() else None, self._shape)
        if self._dtype != self._pixels.dtype:
            raise InvalidInputError(
                f"manifest input is {self._dtype.name}, expected {self._pixels.dtype.name} "
                f"{'with' if path.is_file() else 'without'} {FILE}"
            )

    def run(self, data: bytes) -> bytes:
        """Pixels (channels, height, width) of the manifest's type in, probabilities out."""
        expected = self._dtype.itemsize * int(np.prod(self._shape))
        if len(data) != expected:
            raise InvalidInputError(f"input has {len(data)} bytes, expected {expected}")
        raw = np.frombuffer(data, self._dtype).reshape(self._shape)
        if not np.isfinite(raw).all():
            raise InvalidInputError("a pixel is NaN or infinite, expected finite numbers")
        import torch

        pixels = torch.from_numpy(self._pixels.values(raw))[None]
        return _probabilities(self._model, pixel_values=pixels)


def _check_outputs(model: Any, manifest: Manifest) -> None:
    if [model.config.num_labels] != manifest.output.shape:
        raise InvalidInputError(
            f"manifest output is {manifest.output.shape}, expected [{model.config.num_labels}]"
        )


def _probabilities(model: Any, **inputs: Any) -> bytes:
    """Softmax of one forward pass.

    Raises:
        EngineError: The model gives NaN.
    """
    import torch

    with torch.inference_mode():
        logits: NDArray[np.float64] = model(**inputs).logits[0].double().numpy()
    if not np.isfinite(logits).all():
        raise EngineError("the model gives NaN or infinite logits")
    weights = np.exp(logits - logits.max())
    return bytes((weights / weights.sum()).astype("<f4").tobytes())
