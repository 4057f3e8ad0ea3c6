"""Help for PoCL, the OpenCL of CPUs: its settings, and a name for processors it does not know.

PoCL 3.0, the version on PyPI, carries LLVM 14. On a processor newer than that, LLVM answers
"generic", and PoCL passes this on to clang, which refuses it for x86-64: no kernel builds
(pocl issue 1049). Later versions read POCL_LLVM_CPU_NAME; this one has no such switch. The name is
a plain C string that the device's structure points to, so we point it to a better one: the newest
processor that LLVM 14 knows and whose instruction sets this one has.
"""

import atexit
import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from joynet_sdk.logs import get_logger

log = get_logger(__name__)

# PoCL's own cache is off: a process that dies while writing it leaves programs without kernels,
# for good; programs.py keeps binaries and checks them. One compilation of a kernel serves groups of
# every size and is in the program's binary; specialising gains our kernels nothing.
SETTINGS = {"POCL_KERNEL_CACHE": "0", "POCL_WORK_GROUP_SPECIALIZATION": "0"}
UNKNOWN = b"generic\0"
STRUCT_BYTES = 2048  # of PoCL's _cl_device_id that are searched for the pointer
# LLVM's name -> flags of /proc/cpuinfo for what its compiler emits by itself, best first.
# (Not rdseed, sha_ni and such: only code that asks for them gets them.)
PROCESSORS: dict[str, str] = {
    "icelake-server": "avx512f avx512dq avx512cd avx512bw avx512vl avx512ifma avx512vbmi"
    " avx512_vbmi2 avx512_vnni avx512_bitalg avx512_vpopcntdq adx bmi1 bmi2 fma f16c movbe",
    "skylake-avx512": "avx512f avx512dq avx512cd avx512bw avx512vl adx bmi1 bmi2 fma f16c movbe",
    "haswell": "avx2 bmi1 bmi2 fma f16c movbe",
    "nehalem": "sse4_1 sse4_2 popcnt cx16",
    "x86-64": "sse2",
}


@contextmanager
def settings() -> Iterator[None]:
    """Ask for the platforms inside this block: PoCL reads its settings at the first time.

    The files of loaded programs go to a folder of this process: PoCL deletes them with the program,
    whoever else uses them, so child processes must not inherit it. What the user's environment
    says comes first.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if "POCL_CACHE_DIR" in os.environ:
        yield
        return
    os.environ["POCL_CACHE_DIR"] = _own_folder()
    try:
        yield
    finally:
        del os.environ["POCL_CACHE_DIR"]


@cache
def _own_folder() -> str:
    folder = tempfile.mkdtemp(prefix="joynet-pocl-")
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # not in a fork of the process
        shutil.rmtree(folder, ignore_errors=True)


def name_processor(device: Any) -> str | None:
    """Give a PoCL CPU device a processor name that its compiler accepts; other devices are left.

    Args:
        device: A `pyopencl.Device`.

    Returns:
        The name given, or None when nothing was wrong.
    """
    if not device.version.rstrip().endswith("-generic") or "x86_64" not in device.version:
        return None
    return _rename(device.int_ptr)


def best_processor(flags: Iterable[str]) -> str:
    """The newest processor of LLVM 14 that runs on a machine with these cpuinfo flags."""
    have = set(flags)
    for name, needs in PROCESSORS.items():
        if have.issuperset(needs.split()):
            return name
    return "x86-64"


@cache
def _rename(address: int) -> str | None:
    """Replace the one pointer to "generic" in the device structure at `address`."""
    readable = _readable()
    fields = [
        field
        for offset in range(0, STRUCT_BYTES, 8)
        if _points_to(field := address + offset, UNKNOWN, readable)
    ]
    if len(fields) != 1:  # not the structure we know, or already named: PoCL's own error says more
        log.warning("pocl: cannot name the processor", candidates=len(fields))
        return None
    name = best_processor(_cpu_flags())
    _KEPT.append(ctypes.create_string_buffer(name.encode()))
    ctypes.c_uint64.from_address(fields[0]).value = ctypes.addressof(_KEPT[-1])
    log.info("pocl: LLVM does not know this processor; named it", processor=name)
    return name


_KEPT: list[Any] = []  # strings that PoCL points to; they live as long as the process


def _points_to(field: int, text: bytes, readable: list[range]) -> bool:
    """Whether the 8 bytes at `field` are the address of `text`. Reads mapped memory only."""

    def is_mapped(address: int, size: int) -> bool:
        return any(address in area and address + size - 1 in area for area in readable)

    if not is_mapped(field, 8):
        return False
    target = ctypes.c_uint64.from_address(field).value
    return is_mapped(target, len(text)) and ctypes.string_at(target, len(text)) == text


def _readable() -> list[range]:
    """Readable memory of this process."""
    areas = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, permissions = line.split()[:2]
        if permissions.startswith("r") and "[v" not in line:  # not vvar, vdso, vsyscall
            start, end = (int(part, 16) for part in span.split("-"))
            areas.append(range(start, end))
    return areas


def _cpu_flags() -> list[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return line.partition(":")[2].split()
    return []
