"""The OpenCL devices of this machine."""

from dataclasses import dataclass

from joynet_sdk.errors import ConfigError, MissingDependencyError

INSTALL = "pip install 'joynet-sdk[proofs]'"


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
    try:
        import pyopencl
    except ImportError:
        raise MissingDependencyError("pyopencl", INSTALL) from None
    try:
        platforms = pyopencl.get_platforms()
    except pyopencl.Error as error:
        raise ConfigError(f"no OpenCL implementation answers: {error}", hint=INSTALL) from None
    devices = []
    for platform in platforms:
        try:
            found = platform.get_devices()
        except pyopencl.Error:  # a platform whose hardware is absent has none
            continue
        for device in found:
            devices.append(
                Device(
                    platform.name.strip(),
                    device.name.strip(),
                    _kind(device.type),
                    device.version.split(" PoCL")[0].strip(),
                    device.driver_version,
                    device.max_compute_units,
                    device.global_mem_size,
                )
            )
    return devices


def _kind(bits: int) -> str:
    from pyopencl import device_type

    for name in ("GPU", "ACCELERATOR", "CPU"):
        if bits & getattr(device_type, name):
            return name
    return "OTHER"
