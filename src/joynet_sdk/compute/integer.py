"""The engine of class `exact`: a QModel on NumPy."""

from pathlib import Path

import numpy as np

from joynet_sdk import qmodel
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest


class IntegerEngine:
    """One QModel file of the manifest, `model.safetensors`."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._model = qmodel.load(folder / "model.safetensors")
        declared = int(np.prod(manifest.input.shape)), int(np.prod(manifest.output.shape))
        actual = self._model.input_size, self._model.output_size
        if declared != actual:
            raise InvalidInputError(f"manifest sizes {declared}, expected {actual} as in the model")

    def run(self, data: bytes) -> bytes:
        """`input_size` int8 values in, `output_size` int8 values out."""
        if len(data) != self._model.input_size:
            raise InvalidInputError(
                f"input has {len(data)} bytes, expected {self._model.input_size} int8 values"
            )
        values = np.frombuffer(data, np.int8).reshape(1, -1)
        return qmodel.execute(self._model, values).tobytes()
