"""Which relation states which op."""

from collections.abc import Callable
from typing import Any

from joynet_sdk.proofs.compiler.addition import Addition
from joynet_sdk.proofs.compiler.attention import Product
from joynet_sdk.proofs.compiler.context import Compiler, Relation
from joynet_sdk.proofs.compiler.convolution import Convolution
from joynet_sdk.proofs.compiler.gather import Embedding, Gathered
from joynet_sdk.proofs.compiler.layernorm import Normalisation
from joynet_sdk.proofs.compiler.linear import Linear
from joynet_sdk.proofs.compiler.lookup import Pointwise
from joynet_sdk.proofs.compiler.pooling import Average, Maximum
from joynet_sdk.proofs.compiler.softmax import Probabilities
from joynet_sdk.proofs.compiler.view import Viewed
from joynet_sdk.qmodel.ops import (
    Add,
    AvgPool,
    Conv,
    Embed,
    Gather,
    Gemm,
    LayerNorm,
    Lookup,
    MatMul,
    MaxPool,
    Op,
    Softmax,
    View,
)

_MAKE: dict[type[Op], Callable[[Compiler, Any], Relation]] = {
    Gemm: Linear,
    Conv: Convolution,
    MatMul: Product,
    Add: Addition,
    Lookup: Pointwise,
    MaxPool: Maximum,
    AvgPool: Average,
    Softmax: Probabilities,
    LayerNorm: Normalisation,
    View: Viewed,
    Gather: Gathered,
    Embed: Embedding,
}


def relation_of(compiler: Compiler, op: Op) -> Relation:
    """The relation of an op.

    Raises:
        InvalidInputError: The op cannot be proved; names it.
    """
    return _MAKE[type(op)](compiler, op)
