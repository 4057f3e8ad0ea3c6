"""Models on this machine, opened to be measured.

`profile` runs the canonical engine that nodes run, one query at a time. A dtype, or a batch size
above one, runs the same weights in torch directly (`torch_models`), which is faster and not
bit-identical to what nodes answer.
"""

import json
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.compositions.document import FILE as COMPOSITION
from joynet_sdk.compositions.document import MAX_DOCUMENT_BYTES
from joynet_sdk.compositions.parts import Part
from joynet_sdk.compute.engine import Engine, open_engine
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import RAW, Card, Cid, InputSpec, Manifest, ManifestFile
from joynet_sdk.pixels import FILE, read_pixels

Values = NDArray[np.float64]
Query = str | Values
MAX_CONFIG_BYTES = 1 << 20
PACKAGES = ("joynet-sdk", "numpy", "torch", "transformers", "tokenizers", "safetensors")
_RANGES = {"int8": (-128, 127), "uint8": (0, 255), "uint16": (0, 65_535)}


class Describe(Protocol):
    """Recognises a folder; `models.describe` in use."""

    def __call__(self, path: Path, *, title: str) -> Card:
        """What lies at `path` and how nodes serve it."""


class OpenedModel(Protocol):
    """What `open_model` gives; see `evaluation.ports.Model`."""

    profile: str
    dtype: str
    output: str
    labels: tuple[str, ...]
    shape: tuple[int, ...] | None

    def answer(self, queries: Sequence[Query]) -> list[Values]:
        """The numbers for each query."""

    def continue_text(self, prompt: str, tokens: int) -> list[int]:
        """Token ids added to a prompt."""


def read_config(folder: Path) -> dict[str, Any]:
    """A transformers `config.json`; empty where there is none.

    Raises:
        InvalidInputError: Larger than 1 MiB, or not a JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        return {}
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise InvalidInputError(f"config.json has {path.stat().st_size} bytes, expected <= 1 MiB")
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"config.json: {error!s:.80}") from None
    if not isinstance(document, dict):
        raise InvalidInputError("config.json is no object, expected a transformers config")
    return document


Gather = Callable[[Path], Sequence[Part]]  # every model that a composition's folder needs


def open_model(
    folder: Path,
    describe: Describe,
    gather: Gather,
    *,
    dtype: str,
    batch_size: int,
    integer_step: float,
) -> OpenedModel:
    """Open a model's folder; see `evaluation.ports.Machine.open`.

    Raises:
        InvalidInputError: Nothing that runs here, or a dtype that an integer model cannot take.
    """
    from joynet_sdk.compute import torch_models

    _silence()
    config = read_config(folder)
    is_transformers = bool(config) and not (folder / COMPOSITION).is_file()
    if is_transformers and torch_models.is_language_model(config):
        return torch_models.LanguageModel(folder, dtype)
    if is_transformers and (dtype != "profile" or batch_size > 1):
        return torch_models.open_torch(folder, config, dtype, batch_size)
    if dtype != "profile":
        raise InvalidInputError(
            f"dtype {dtype} is for transformers models, {folder.name} runs in its own profile"
        )
    card = describe(folder, title=folder.resolve().name)
    parts = gather(folder) if (folder / COMPOSITION).is_file() else ()
    return EngineModel(card, folder, parts, integer_step)


def _silence() -> None:
    """No progress bars of transformers: ours says more."""
    with suppress(ImportError):
        import_module("transformers.utils.logging").disable_progress_bar()


class EngineModel:
    """A model in its canonical profile: the engine that nodes run."""

    def __init__(
        self, card: Card, folder: Path, parts: Sequence[Part], integer_step: float
    ) -> None:
        self._manifest = Manifest(
            title=card.title,
            architecture=card.architecture,
            engine=card.engine,
            verification="tolerant" if card.verification == "tolerant" else "exact",
            root="",
            files=_composition_file(folder),
            input=card.input,
            output=card.output,
            license=card.license,
            tolerance=card.tolerance,
        )
        self._engine: Engine = open_engine(self._manifest, folder, parts)
        self._step = _step_of(card.input, folder, integer_step)
        self.profile = card.engine.profile
        is_integer = card.output.kind == "logits"
        self.dtype = card.input.dtype if is_integer else card.output.dtype
        has_classes = is_integer or card.output.labels or self.profile.startswith("classify-")
        self.output = "classes" if has_classes else "vector"
        self.labels = tuple(card.output.labels)
        self.shape = tuple(card.input.shape) if card.input.kind == "tensor" else None

    def answer(self, queries: Sequence[Query]) -> list[Values]:
        """Ask the engine one query after another."""
        return [self._decode(self._engine.run(self._encode(query))) for query in queries]

    def continue_text(self, prompt: str, tokens: int) -> list[int]:
        """Refuse: no profile generates text."""
        raise InvalidInputError(f"profile {self.profile} generates no text")

    def _encode(self, query: Query) -> bytes:
        return encode_query(self._manifest.input, query, self._step)

    def _decode(self, response: bytes) -> Values:
        spec = self._manifest.output
        numbers = np.frombuffer(response, "<f4" if spec.dtype == "float32" else spec.dtype)
        return numbers.astype(np.float64) * float(spec.scale or 1)


def _composition_file(folder: Path) -> list[ManifestFile]:
    """What a composition's manifest must name; nothing for other folders."""
    path = folder / COMPOSITION
    if not path.is_file():
        return []
    with path.open("rb") as file:
        data = file.read(MAX_DOCUMENT_BYTES)
    cid = Cid.of(RAW, data)
    digest = "0x" + cid.digest.hex()
    return [ManifestFile(path=COMPOSITION, size=len(data), sha256=digest, cid=str(cid))]


def _step_of(spec: InputSpec, folder: Path, integer_step: float) -> float:
    """Real value of one integer step of a model's input: a QModel says it itself."""
    path = folder / "model.safetensors"
    if spec.kind == "tensor" and spec.dtype == "int8" and path.is_file():
        from joynet_sdk import qmodel

        return float(qmodel.load(path).input.scale or 0)
    if len(spec.shape) == 3 and spec.dtype == "uint8":  # an image classifier says it too
        path = folder / FILE
        return read_pixels(path.read_bytes() if path.is_file() else None, (*spec.shape,)).factor
    return integer_step


def encode_query(spec: InputSpec, query: Query, step: float) -> bytes:
    """A question as a request's bytes.

    Args:
        step: Real value of one integer step, where the input is integers; 0 if unknown.

    Raises:
        InvalidInputError: Text for numbers or the reverse, another size, or an unknown step.
    """
    if (spec.kind == "text") != isinstance(query, str):
        given = "text" if isinstance(query, str) else "numbers"
        raise InvalidInputError(f"the task asks with {given}, the model reads {spec.kind}")
    if isinstance(query, str):
        return query.encode()
    if query.size != int(np.prod(spec.shape)):
        raise InvalidInputError(
            f"the task has {query.size} numbers, the model reads {spec.shape}",
        )
    if spec.dtype not in _RANGES:
        return bytes(query.astype(np.dtype(spec.dtype).newbyteorder("<")).tobytes())
    if step <= 0:
        raise InvalidInputError(
            f"the model reads {spec.dtype} and does not say what one step means for this data"
        )
    low, high = _RANGES[spec.dtype]
    steps = np.clip(np.rint(query / step), low, high)
    return bytes(steps.astype(np.dtype(spec.dtype).newbyteorder("<")).tobytes())


# --- weights --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TensorFault:
    """A tensor that no working model has; see `evaluation.ports.TensorFault`."""

    name: str
    kind: Literal["not finite", "zero"]
    reason: str


def check_weights(folder: Path) -> list[TensorFault]:
    """Look at every tensor of a folder's safetensors files, one at a time.

    Raises:
        InvalidInputError: A file that is no safetensors file.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    faults = []
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  (not a mapping)
                    fault = _fault_of(torch, name, file.get_tensor(name))
                    faults += [fault] if fault else []
        except SafetensorError as error:
            raise InvalidInputError(f"{path.name} is no safetensors file: {error}") from None
    return faults


def _fault_of(torch: Any, name: str, tensor: Any) -> TensorFault | None:
    if not tensor.numel() or not tensor.is_floating_point():
        return None
    count = f"of {tensor.numel():,} values"
    # The sum of absolute values is finite unless one of them is not.
    if not bool(torch.isfinite(tensor.abs().sum(dtype=torch.float64))):
        broken = int((~torch.isfinite(tensor)).sum())
        return TensorFault(name, "not finite", f"{broken:,} {count} are NaN or infinite")
    if tensor.ndim >= 2 and not bool(tensor.any()):
        return TensorFault(name, "zero", f"all {count} are zero".replace("of ", "", 1))
    return None


# --- this machine ---------------------------------------------------------------------------------


def describe_machine() -> tuple[str, dict[str, str]]:
    """This machine in words, without its name, and the versions of what runs models here."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    words = f"{platform.system()} {platform.machine()}, {cores} cores, {memory:.0f} GiB"
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return words, versions


class Machine:
    """`evaluation.ports.Machine`, on this machine."""

    def __init__(self, describe: Describe, gather: Gather, scan: Callable[[Path], object]) -> None:
        """
        Args:
            scan: Refuses a folder that is dangerous to open; `storage.scan.scan_model` in use.
        """
        self._describe, self._gather, self._scan = describe, gather, scan

    def open(
        self, folder: Path, *, dtype: str, batch_size: int, integer_step: float
    ) -> OpenedModel:
        """See `open_model`; the folder is scanned before anything in it is read."""
        self._check(folder)
        return open_model(
            folder,
            self._describe,
            self._gather,
            dtype=dtype,
            batch_size=batch_size,
            integer_step=integer_step,
        )

    def check_weights(self, folder: Path) -> list[TensorFault]:
        """See `check_weights`."""
        self._check(folder)
        return check_weights(folder)

    def _check(self, folder: Path) -> None:
        """A composition holds no weights to scan; of its folder only the document is read."""
        if not (folder / COMPOSITION).is_file():
            self._scan(folder)

    def describe(self) -> tuple[str, dict[str, str]]:
        """See `describe_machine`."""
        return describe_machine()
