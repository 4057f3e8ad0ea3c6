"""The integer model: bit-identical everywhere, and what a proof of inference is about.

`model` holds the document and its checks, `reference` is the definition of its semantics,
`fast` is an executor equal to it, `onnx_import` and `quantize` make one from a float graph.
The format is docs/spec/qmodel.md.
"""

from joynet_sdk.qmodel.fast import execute
from joynet_sdk.qmodel.model import GemmOp, QModel, load, save

__all__ = ["GemmOp", "QModel", "execute", "load", "save"]
