"""The OpenCL devices of this machine, and which of them works."""

from dataclasses import dataclass
from typing import Any

from joynet_sdk.errors import ConfigError, MissingDependencyError, NotFoundError

INSTALL = "pip install 'joynet-sdk[proofs]'"
PREFERENCE = ("GPU", "ACCELERATOR", "CPU", "OTHER")


@dataclass(frozen=True)
class Device:
    """One OpenCL device.

    Attributes:
        platform: Name of the OpenCL implementation, e.g. "Portable Computing Language".
        name: The device's own name.
        kind: "CPU", "GPU", "ACCELERATOR" (FPGAs) or another OpenCL device type.
        version: OpenCL version it speaks, e.g. "OpenCL 3.0".
        driver: Driver version.
        compute_units: Parallel units.
        memory_bytes: Global memory.
    """

    platform: str
    name: str
    kind: str
    version: str
    driver: str
    compute_units: int
    memory_bytes: int


def list_devices() -> list[Device]:
    """Every OpenCL device, of every platform that answers.

    Raises:
        MissingDependencyError: pyopencl is not installed.
        ConfigError: There is no OpenCL implementation on this machine.
    """
    return [device for device, _ in handles()]


def ranked() -> list[tuple[Device, Any]]:
    """Devices in the order in which they are chosen: GPU, accelerator (FPGA), CPU; then size.

    Returns:
        (device, its `pyopencl.Device`) pairs, best first.
    """
    return sorted(
        handles(), key=lambda pair: (PREFERENCE.index(pair[0].kind), -pair[0].compute_units)
    )


def select(wanted: str | None = None) -> tuple[Device, Any]:
    """The device to work on.

    Args:
        wanted: Number in the order of `ranked`, a kind ("cpu", "gpu", "accelerator"), or part of
            the platform's or device's name; None for the best one.

    Raises:
        ConfigError: There is no device.
        NotFoundError: None is called `wanted`.
    """
    found = ranked()
    if not found:
        raise ConfigError("OpenCL is installed and has no device", hint=INSTALL)
    if wanted is None:
        return found[0]
    if wanted.isdecimal() and int(wanted) < len(found):
        return found[int(wanted)]
    word = wanted.lower()
    for device, handle in found:
        if word == device.kind.lower() or word in f"{device.platform} {device.name}".lower():
            return device, handle
    raise NotFoundError("OpenCL device", wanted, hint="joynet proof kernels list")


def handles() -> list[tuple[Device, Any]]:
    """Every OpenCL device with its `pyopencl.Device`, in the order of the platforms.

    Raises:
        MissingDependencyError: pyopencl is not installed.
        ConfigError: There is no OpenCL implementation on this machine.
    """
    try:
        import pyopencl
    except ImportError:
        raise MissingDependencyError("pyopencl", INSTALL) from None
    from joynet_sdk.proofs import _pocl

    found = []
    try:
        with _pocl.settings():
            for platform in pyopencl.get_platforms():
                found += [(platform, handle) for handle in _devices_of(platform)]
    except pyopencl.Error as error:
        raise ConfigError(f"no OpenCL implementation answers: {error}", hint=INSTALL) from None
    for _, handle in found:
        _pocl.name_processor(handle)
    return [(_describe(platform, handle), handle) for platform, handle in found]


def _devices_of(platform: Any) -> list[Any]:
    """The devices of a platform; a platform whose hardware is absent has none."""
    import pyopencl

    try:
        return list(platform.get_devices())
    except pyopencl.Error:
        return []


def _describe(platform: Any, handle: Any) -> Device:
    return Device(
        platform.name.strip(),
        handle.name.strip(),
        _kind(handle.type),
        handle.version.split(" PoCL")[0].strip(),
        handle.driver_version,
        handle.max_compute_units,
        handle.global_mem_size,
    )


def _kind(bits: int) -> str:
    from pyopencl import device_type

    for name in ("GPU", "ACCELERATOR", "CPU"):
        if bits & getattr(device_type, name):
            return name
    return "OTHER"
