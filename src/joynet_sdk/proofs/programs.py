"""Kernel sources and compiled programs: `kernels/*.cl`, in memory, and on disk as binaries."""

import hashlib
import os
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from joynet_sdk.errors import ConfigError, NotFoundError
from joynet_sdk.logs import get_logger
from joynet_sdk.paths import Home, atomic_write, home_root
from joynet_sdk.progress import stage
from joynet_sdk.proofs import _pocl
from joynet_sdk.proofs.devices import Device

if TYPE_CHECKING:
    import pyopencl

log = get_logger(__name__)

DIGEST_BYTES = 32  # SHA-256 of the binary, in front of it


class ProgramCache:
    """Programs of one device. A binary on disk is preferred to building from source.

    Attributes:
        folder: Where binaries are kept, `<name>-<key>.bin`: SHA-256 of the binary, the binary.
        built: Programs compiled from source so far.
        loaded: Programs loaded from a binary so far.
    """

    def __init__(self, context: Any, handle: Any, device: Device, folder: Path | None) -> None:
        self.folder = folder or Home(home_root(os.environ)).cache / "kernels"
        self.built = self.loaded = 0
        self._context, self._handle, self._device = context, handle, device
        self._programs: dict[tuple[tuple[str, ...], str], pyopencl.Program] = {}

    def get(
        self, names: tuple[str, ...], defines: Mapping[str, str | int] | None
    ) -> "pyopencl.Program":
        """The built program of these kernel files, in this order.

        Raises:
            NotFoundError: There is no such kernel file.
            ConfigError: The compiler refuses the source.
        """
        options = " ".join(f"-D {name}={value}" for name, value in sorted((defines or {}).items()))
        key = (names, options)
        if key not in self._programs:
            source = source_of(names)
            path = self._path(names, source, options)
            self._programs[key] = self._load(path, options) or self._build(
                path, source, options, names
            )
        return self._programs[key]

    def _path(self, names: tuple[str, ...], source: str, options: str) -> Path:
        device = self._device
        parts = (source, options, device.platform, device.name, device.version, device.driver)
        processor = _pocl.name_processor(self._handle) or self._handle.version
        text = "\0".join((*parts, processor))
        return self.folder / f"{names[-1]}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.bin"

    def _load(self, path: Path, options: str) -> "pyopencl.Program | None":
        """The program whose binary is at `path`; None when there is none that works."""
        import pyopencl

        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        binary = raw[DIGEST_BYTES:]
        if hashlib.sha256(binary).digest() != raw[:DIGEST_BYTES]:
            log.warning("cached kernel binary is damaged; building again", path=str(path))
            return None
        try:
            program = self._from_binary(binary, options)
        except pyopencl.Error as error:
            log.warning("device refuses a cached kernel binary; building again", error=str(error))
            return None
        self.loaded += 1
        return program

    def _from_binary(self, binary: bytes, options: str) -> "pyopencl.Program":
        import pyopencl

        program = pyopencl.Program(self._context, [self._handle], [binary])
        program.build(options)
        return program

    def _build(
        self, path: Path, source: str, options: str, names: tuple[str, ...]
    ) -> "pyopencl.Program":
        """Compile, keep the binary at `path`, and go on with what later runs will load."""
        import pyopencl

        if not self._handle.compiler_available:
            raise ConfigError(
                f"{self._device.name} has no compiler, and no binary of {', '.join(names)} is in "
                f"{self.folder}",
                hint="joynet proof kernels build, where its tool-chain is installed",
            )
        stage(f"compiling kernels for {self._device.kind} (once): {names[-1]}")
        try:
            binary, kernels = self._compile(source, options)
            program = self._from_binary(binary, options)
        except pyopencl.Error as error:
            what = f"{', '.join(names)} on {self._device.name}"
            raise ConfigError(f"cannot compile {what}: {error}") from None
        if program.kernel_names != kernels:
            raise ConfigError(f"{self._device.name} gives a binary of {path.name} without kernels")
        atomic_write(path, hashlib.sha256(binary).digest() + binary)
        self.built += 1
        return program

    def _compile(self, source: str, options: str) -> tuple[bytes, str]:
        """A program's binary and its kernels. The program itself is gone when this returns.

        PoCL removes the files of a program with it, also those that the same program loaded from
        its binary uses.
        """
        import pyopencl

        program = pyopencl.Program(self._context, source)
        program.build(options, cache_dir=str(self.folder / "pyopencl"))
        (binary,) = cast("list[bytes]", program.get_info(pyopencl.program_info.BINARIES))
        return binary, program.kernel_names


def kernel_names() -> list[str]:
    """Every kernel file of this version, without the suffix, sorted."""
    return sorted(
        entry.name.removesuffix(".cl")
        for entry in _folder().iterdir()
        if entry.name.endswith(".cl")
    )


def source_of(names: tuple[str, ...]) -> str:
    """The OpenCL C of these kernel files, one after the other.

    Raises:
        NotFoundError: There is no such kernel file.
    """
    parts = []
    for name in names:
        file = _folder() / f"{name}.cl"
        if not file.is_file():
            raise NotFoundError("kernel", name, hint=f"there are: {', '.join(kernel_names())}")
        parts.append(f'#line 1 "{name}.cl"\n{file.read_text()}\n')
    return "".join(parts)


def _folder() -> Traversable:
    """`kernels/`: inside the package in a wheel, at the top of a checkout."""
    package = resources.files("joynet_sdk")
    shipped = package / "kernels"
    if shipped.is_dir():
        return shipped
    checkout = Path(str(package)).parents[1] / "kernels"
    if not checkout.is_dir():
        raise ConfigError("the OpenCL kernels are missing: this installation is damaged")
    return checkout
