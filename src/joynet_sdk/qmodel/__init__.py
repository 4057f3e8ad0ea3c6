"""The integer model: bit-identical everywhere, and what a proof of inference is about.

`ops` and `model` hold the graph and its checks, `bounds` its worst cases, `file` its form on disk.
`reference` is the definition of its semantics, `fast` an executor equal to it. The format is
docs/spec/qmodel.md. The modules `onnx_*`, `floats`, `calibrate`, `quantize` and `report` make one
from a float graph.
"""

from joynet_sdk.qmodel.fast import execute, trace
from joynet_sdk.qmodel.file import load, save
from joynet_sdk.qmodel.model import Input, QModel
from joynet_sdk.qmodel.run import Trace

__all__ = ["Input", "QModel", "Trace", "execute", "load", "save", "trace"]
