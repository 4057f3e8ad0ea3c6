"""The engine of class `exact`, on bytes."""

import numpy as np
import pytest

from joynet_sdk import qmodel
from joynet_sdk.compute.integer import IntegerEngine
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest, ManifestFile
from joynet_sdk.inference.codec import encode_input
from joynet_sdk.models import describe
from joynet_sdk.qmodel import reference

from .graphs import random_inputs, random_model

CID = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
MODELS = [random_model(seed) for seed in range(0, 40, 2)]
TOKENS = next(model for model in MODELS if model.input.kind == "tokens")
ROWS = next(model for model in MODELS if model.input.kind == "tensor")


def manifest_of(folder):
    """What `joynet model publish` would say about the folder."""
    card = describe(folder, title="test", license_id="Apache-2.0")
    return Manifest(
        title=card.title,
        architecture=card.architecture,
        engine=card.engine,
        verification="exact",
        root=CID,
        files=[ManifestFile(path="model.safetensors", size=1, sha256="0x" + "00" * 32, cid=CID)],
        input=card.input,
        output=card.output,
        license=card.license,
    )


@pytest.fixture(params=[TOKENS, ROWS, random_model(1)], ids=["tokens", "rows", "image"])
def served(request, tmp_path):
    qmodel.save(request.param, tmp_path / "model.safetensors")
    manifest = manifest_of(tmp_path)
    return request.param, manifest, IntegerEngine(manifest, tmp_path)


def test_bytes_in_bytes_out(served):
    model, manifest, engine = served
    inputs = random_inputs(model, 3)
    for values, expected in zip(inputs, reference.execute(model, inputs), strict=True):
        request = encode_input(manifest.input, str(values.tolist()).encode())
        assert request == values.tobytes()
        assert engine.run(request) == expected.tobytes()


def test_wrong_length_is_refused(served):
    model, _, engine = served
    with pytest.raises(InvalidInputError, match=f"for {model.input_size} "):
        engine.run(bytes(model.input_size * model.input.dtype.itemsize + 1))


def test_id_that_is_too_large_is_refused(tmp_path):
    qmodel.save(TOKENS, tmp_path / "model.safetensors")
    engine = IntegerEngine(manifest_of(tmp_path), tmp_path)
    ids = np.full(TOKENS.input_size, TOKENS.input.vocab, "<u2")
    with pytest.raises(InvalidInputError, match=f"token id {TOKENS.input.vocab}, expected below"):
        engine.run(ids.tobytes())


def test_manifest_of_another_model_is_refused(served, tmp_path):
    _, manifest, _ = served
    other = tmp_path / "other"
    other.mkdir()
    qmodel.save(random_model(3), other / "model.safetensors")
    with pytest.raises(InvalidInputError, match="as in the model"):
        IntegerEngine(manifest, other)
