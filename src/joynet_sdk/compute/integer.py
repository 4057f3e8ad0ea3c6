"""The engine of class `exact`: a QModel on NumPy."""

from pathlib import Path

import numpy as np

from joynet_sdk import qmodel
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest


class IntegerEngine:
    """One QModel file of the manifest, `model.safetensors`."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._model = model = qmodel.load(folder / "model.safetensors")
        declared = manifest.input.dtype, manifest.input.shape, manifest.output.shape
        actual = model.input.dtype.name, list(model.input.shape), list(model.output_shape)
        if declared != actual:
            raise InvalidInputError(
                f"manifest says input {declared[0]} {declared[1]} and output {declared[2]}, "
                f"expected {actual[0]} {actual[1]} and {actual[2]} as in the model"
            )

    @property
    def input_scale(self) -> str | None:
        """Real value of one input step; None for token ids."""
        return self._model.input.scale

    def run(self, data: bytes) -> bytes:
        """`input_size` int8 values (or uint16 token ids) in, `output_size` int8 values out."""
        dtype, count = self._model.input.dtype, self._model.input_size
        if len(data) != count * dtype.itemsize:
            raise InvalidInputError(
                f"input has {len(data)} bytes, "
                f"expected {count * dtype.itemsize} for {count} {dtype.name} values"
            )
        values = np.frombuffer(data, dtype).reshape(1, -1)
        return qmodel.execute(self._model, values).tobytes()
