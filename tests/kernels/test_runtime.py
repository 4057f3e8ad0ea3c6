"""The runtime: programs in memory and on disk, binaries, memory, devices, profiles."""

import numpy as np
import pytest

from joynet_sdk.errors import ConfigError, InvalidInputError, NotFoundError
from joynet_sdk.proofs import _pocl, devices, programs
from joynet_sdk.proofs.runtime import Runtime

FILES = ("bn254_field", "scan_test")
KERNEL = "__kernel void count_up(__global uint *o) { o[get_global_id(0)] += STEP; }"


@pytest.fixture
def open_fresh(tmp_path, runtime, monkeypatch):
    """Opens the device of `runtime` again, with a cache of its own and a tiny kernel."""
    monkeypatch.setattr(programs, "source_of", lambda names: KERNEL)

    def open_it(**options):
        number = [d for d, _ in devices.ranked()].index(runtime.device)
        return Runtime.open(str(number), cache=tmp_path, **options)

    return open_it


def count_up(runtime):
    kernel = runtime.kernel("count_up", "tiny", defines={"STEP": 3})
    buffer = runtime.upload(np.arange(5, dtype=np.uint32))
    runtime.launch(kernel, 5, buffer)
    return runtime.download(buffer, 5, np.uint32).tolist()


def test_a_program_is_built_once_and_then_loaded_from_its_binary(open_fresh, tmp_path):
    first = open_fresh()
    assert count_up(first) == count_up(first) == [3, 4, 5, 6, 7]
    assert (first.programs.built, first.programs.loaded) == (1, 0)
    assert len(list(tmp_path.glob("tiny-*.bin"))) == 1
    second = open_fresh()
    assert count_up(second) == [3, 4, 5, 6, 7]
    assert (second.programs.built, second.programs.loaded) == (0, 1)


def test_other_macros_make_another_program(open_fresh, tmp_path):
    runtime = open_fresh()
    assert runtime.program("tiny", defines={"STEP": 3}) is runtime.program(
        "tiny", defines={"STEP": 3}
    )
    runtime.program("tiny", defines={"STEP": 4})
    assert len(list(tmp_path.glob("tiny-*.bin"))) == 2


@pytest.mark.parametrize("damage", [lambda raw: raw[:-9], lambda raw: b"", lambda raw: raw[::-1]])
def test_a_damaged_binary_is_built_again(open_fresh, tmp_path, damage, capfd):
    count_up(open_fresh())
    (path,) = tmp_path.glob("tiny-*.bin")
    good = path.read_bytes()
    path.write_bytes(damage(good))
    runtime = open_fresh()
    assert count_up(runtime) == [3, 4, 5, 6, 7]
    assert (runtime.programs.built, runtime.programs.loaded) == (1, 0)
    assert len(path.read_bytes()) >= len(good) // 2
    count_up(third := open_fresh())
    assert third.programs.loaded == 1


def test_a_source_that_does_not_compile_says_why(open_fresh):
    with pytest.raises(ConfigError, match=r"(?s)cannot compile tiny on .*STEP"):
        open_fresh().program("tiny")


def test_kernel_files_are_found_and_listed():
    names = programs.kernel_names()
    assert {"bn254_field", "bn254_lanes", "bn254_curve", "msm_sort"} <= set(names)
    assert "__kernel void msm_digits" in programs.source_of(("bn254_field", "msm_sort"))
    with pytest.raises(NotFoundError, match="no such kernel: absent"):
        programs.source_of(("absent",))


# --- memory


def test_memory_is_counted_and_given_back(runtime):
    before = runtime.used_bytes
    buffer = runtime.empty(1000)
    assert runtime.used_bytes == before + 1000
    assert runtime.peak_bytes >= before + 1000
    del buffer
    assert runtime.used_bytes == before


def test_the_budget_is_kept(open_fresh):
    runtime = open_fresh(memory_bytes=1 << 20)
    kept = runtime.empty(1 << 19)
    with pytest.raises(ConfigError, match=r"0\.6 MB needed, 0\.5 MB in use, the budget is 1\.0 MB"):
        runtime.empty(600_000)
    del kept
    assert runtime.empty(600_000).size == 600_000


def test_arrays_there_and_back(runtime):
    array = np.arange(24, dtype=np.uint64).reshape(2, 3, 4)
    buffer = runtime.upload(array[:, ::2])  # not contiguous
    assert np.array_equal(runtime.download(buffer, (2, 2, 4), np.uint64), array[:, ::2])
    runtime.clear(buffer)
    assert not runtime.download(buffer, (2, 2, 4), np.uint64).any()
    assert runtime.download(runtime.upload(array[:0]), (0, 3, 4), np.uint64).shape == (0, 3, 4)


def test_sizes_that_make_no_sense(runtime):
    with pytest.raises(InvalidInputError, match="a buffer of -1 bytes"):
        runtime.empty(-1)
    with pytest.raises(InvalidInputError, match="download of 80 bytes from 16"):
        runtime.download(runtime.empty(16), 10, np.uint64)


def test_profiles_name_kernels_and_nest(open_fresh):
    runtime = open_fresh()
    with runtime.profile() as outer:
        count_up(runtime)
        with runtime.profile() as inner:
            count_up(runtime)
    assert inner["count_up"].calls == 1
    assert outer["count_up"].calls == 2
    assert outer["count_up"].seconds > inner["count_up"].seconds > 0


# --- devices


def test_devices_are_ranked_gpu_accelerator_cpu(monkeypatch):
    def device(kind, units):
        return devices.Device("P", f"{kind} {units}", kind, "OpenCL 3.0", "1", units, 1), object()

    monkeypatch.setattr(
        devices,
        "handles",
        lambda: [device("CPU", 64), device("ACCELERATOR", 1), device("GPU", 8), device("GPU", 80)],
    )
    names = [found.name for found, _ in devices.ranked()]
    assert names == ["GPU 80", "GPU 8", "ACCELERATOR 1", "CPU 64"]
    assert devices.select()[0].name == "GPU 80"
    assert devices.select("1")[0].name == "GPU 8"
    assert devices.select("cpu")[0].name == "CPU 64"
    assert devices.select("accelerator 1")[0].name == "ACCELERATOR 1"
    with pytest.raises(NotFoundError, match="no such OpenCL device: fpga9"):
        devices.select("fpga9")


def test_processors_are_named_by_what_they_can_do():
    flags = {name: needs.split() for name, needs in _pocl.PROCESSORS.items()}
    assert _pocl.best_processor(flags["icelake-server"] + flags["haswell"]) == "icelake-server"
    assert _pocl.best_processor(flags["haswell"]) == "haswell"
    assert _pocl.best_processor(set(flags["haswell"]) - {"bmi2"}) == "x86-64"
    assert _pocl.best_processor([]) == "x86-64"


def test_every_device_has_a_processor_that_compiles(runtime):
    """PoCL calls processors it does not know "generic", for which its compiler refuses to build."""
    assert runtime.program("bn254_field").num_devices == 1
