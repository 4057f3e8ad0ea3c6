"""The same inputs give the same bytes on every machine: a fused model's CID rests on it."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.methods import merge
from joynet_sdk.compute.merging.random_bits import words
from joynet_sdk.merges import METHODS

SHAPE = (513, 257)
WEIGHTS, DENSITIES = (0.7, 1.3, -0.2), (0.3, 0.55, 0.8)
# The first 16 hex digits of the SHA-256 of the result's little-endian float32.
DIGESTS = {
    "linear": "1efd37eb1624925f",
    "slerp": "aca220b5805bd863",
    "nuslerp": "196588ffbc0cd688",
    "task_arithmetic": "c969ce2d5b68fbd5",
    "ties": "a7e5c1bdb845213e",
    "dare_linear": "bf87f912d0b4492e",
    "dare_ties": "53ce532beff90834",
    "della": "013a3752d925bf77",
    "della_linear": "86298c0a2de446f3",
    "breadcrumbs": "0e3cd533bd719ca4",
    "breadcrumbs_ties": "f88a306a0969862b",
    "model_stock": "1c1378f520107607",
    "passthrough": "03e4e7629f109536",
}


def parent(stream: int) -> torch.Tensor:
    """Float32 values of -1 to 1, from the random words themselves."""
    drawn = words(99, stream, 0, SHAPE[0] * SHAPE[1]).astype(np.int64) - (1 << 31)
    return torch.from_numpy((drawn / (1 << 31)).astype(np.float32).reshape(SHAPE))


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_bytes_of_a_result(method):
    count = method.max_models or 3
    chosen = {"weight": WEIGHTS, "density": DENSITIES}
    parameters = tuple(
        {p.name: chosen[p.name][index] if p.name in chosen else p.default for p in method.of_models}
        for index in range(count)
    )
    merged = merge(
        method.name,
        MergeInputs(
            name="layer.weight",
            tensors=tuple(parent(stream + 1) for stream in range(count)),
            parameters=parameters,
            base=parent(0) if method.base == "required" else None,
            seed=2**63 + 5,
        ),
    )
    data = merged.numpy().astype("<f4").tobytes()
    assert hashlib.sha256(data).hexdigest()[:16] == DIGESTS[method.name]


@pytest.mark.soak
@pytest.mark.parametrize("vectors", ["default", "avx2"])
def test_bytes_do_not_depend_on_the_width_of_vectors(vectors):
    """The same digests with fewer of the processor's instructions: no AVX, or no AVX-512."""
    without = ["AVX512F", "AVX512CD", "AVX512_SKX"] + ["AVX2", "FMA3"] * (vectors == "default")
    env = os.environ | {
        "ATEN_CPU_CAPABILITY": vectors,
        "NPY_DISABLE_CPU_FEATURES": " ".join(without),
    }
    again = [sys.executable, "-m", "pytest", "-q", "-m", "not soak", __file__]
    done = subprocess.run(again, env=env, capture_output=True, text=True, timeout=200)
    assert f"{len(DIGESTS)} passed" in done.stdout, done.stdout
