"""Fusing models: plan, build, compare, rebuild to verify. Publishing is in `publishing`."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.formats import Manifest
from joynet_sdk.fusion.planning import make_plan
from joynet_sdk.fusion.ports import Engine, Library, Locate, Scan, Specs
from joynet_sdk.fusion.publishing import FusionMarket, check_is_parent
from joynet_sdk.fusion.records import BuildRecord, Origin, write_record
from joynet_sdk.fusion.spec import CompositionSpec, FusionSpec, WeightsSpec, decode_spec
from joynet_sdk.mergeplans import Difference, Plan
from joynet_sdk.progress import stage
from joynet_sdk.types import ModelId

if TYPE_CHECKING:
    from joynet_sdk.evaluation.smoke import SmokeGate, SmokeRecord

# What makes a model compute what it does: a rebuilt child must have these as its publisher has.
DOCUMENTS = ("README.md", "LICENSE", "LICENCE", "NOTICE", "MODEL_CARD.md", "LICENSE.md")


@dataclass(frozen=True)
class Planned:
    """A plan, and where its parents are.

    Attributes:
        spec: As written.
        parents: By the names in the spec.
        parent_bytes: Bytes of the parents' tensors that are read.
    """

    spec: WeightsSpec
    plan: Plan
    parents: Mapping[str, Origin]
    parent_bytes: int

    @property
    def folders(self) -> dict[str, Path]:
        """Of the parents, by name."""
        return {name: origin.folder for name, origin in self.parents.items()}


@dataclass(frozen=True)
class FileMatch:
    """A file of a published child beside what the spec makes.

    Attributes:
        verdict: "same", "differs", "missing" (the spec makes it, the model lacks it), or "added"
            (the model has it, the spec does not make it).
    """

    path: str
    verdict: str

    @property
    def is_fine(self) -> bool:
        """Same bytes, or a document that changes nothing."""
        return self.verdict == "same" or (self.verdict == "added" and self.path in DOCUMENTS)


@dataclass(frozen=True)
class Verification:
    """What rebuilding a child showed.

    Attributes:
        model_id: Of the child.
        spec_digest: Of the spec it was rebuilt from.
        files: Each file of the model and of the rebuild.
    """

    model_id: ModelId
    spec_digest: bytes
    files: tuple[FileMatch, ...]

    @property
    def is_same(self) -> bool:
        """Whether the spec makes this model."""
        return all(file.is_fine for file in self.files)


class Fusion:
    """Reached as `JoyNet().fusion`."""

    def __init__(
        self,
        engine: Engine,
        locate: Locate,
        scan: Scan,
        library: Library,
        specs: Specs,
        gate: Callable[[], "SmokeGate"],
        cache: Path,
        market: FusionMarket,
    ) -> None:
        """
        Args:
            locate: Files of a REF or path.
            scan: Refuses a folder that is not safe to read.
            gate: Judges what was built.
            cache: Where `verify` rebuilds.
            market: Terms, shares, publication and claims.
        """
        self.market = market
        self._engine, self._locate, self._scan = engine, locate, scan
        self._library, self._specs, self._gate, self._cache = library, specs, gate, cache

    # --- parents ----------------------------------------------------------------------------------

    def find_parents(
        self, spec: WeightsSpec, models: Mapping[str, str] | None = None
    ) -> dict[str, Origin]:
        """The files of every model that a spec names, scanned.

        Args:
            models: REF or path for names that are neither, e.g. names on the Hugging Face hub.

        Raises:
            NotFoundError: A model is not here.
            InvalidInputError: A file is refused, or two names are one model.
        """
        models = models or {}
        for name in models:
            if name not in spec.references:
                named = ", ".join(spec.references)
                raise InvalidInputError(f"--model {name}: the spec names {named}")
        found: dict[str, Origin] = {}
        for name in spec.references:
            stage(f"reading {name}")
            found[name] = self._find(name, models.get(name, name))
        seen: dict[bytes | Path, str] = {}
        for name, origin in found.items():
            other = seen.setdefault(origin.model_id or origin.folder.resolve(), name)
            if other != name:
                raise InvalidInputError(f"{other} and {name} are the same model, name it once")
        return found

    def _find(self, name: str, ref: str) -> Origin:
        try:
            located = self._locate(ref)
        except (InvalidInputError, NotFoundError) as error:
            raise NotFoundError(
                f"model {name!r}, as {ref!r}" if name != ref else "model",
                name if name == ref else error,
                hint=f"expected a REF or a folder; or say which: --model {name}=PATH",
            ) from error
        if not located.folder.is_dir():
            raise InvalidInputError(f"{located.folder} is a file, expected the folder of a model")
        self._scan(located.folder)
        model_id = located.model_id if any(located.model_id) else None
        return Origin(model_id, located.folder.resolve())

    def locate(self, ref: str) -> Origin:
        """The files of one model, scanned."""
        return self._find(ref, ref)

    # --- plan, build ------------------------------------------------------------------------------

    def plan(self, spec: WeightsSpec, models: Mapping[str, str] | None = None) -> Planned:
        """What a spec makes of its parents, without making it.

        Raises:
            NotFoundError, InvalidInputError: As `find_parents`; or the parents do not fit.
        """
        return self._plan(spec, self.find_parents(spec, models))

    def _plan(self, spec: WeightsSpec, parents: Mapping[str, Origin]) -> Planned:
        folders = {name: origin.folder for name, origin in parents.items()}
        with self._engine.open(folders) as opened:
            plan = make_plan(spec, opened)
            held = [opened[name].tensors for name in plan.parents]
        read = {(source.parent, source.name) for one in plan.tensors for source in one.everything}
        size = sum(held[parent][name].size for parent, name in read)
        return Planned(spec, plan, parents, size)

    def seconds(self, planned: Planned) -> float:
        """About how long the build computes on this machine, reading and writing aside."""
        return self._engine.seconds(planned.plan)

    def build(
        self,
        planned: Planned,
        out: Path,
        *,
        is_fresh: bool = False,
        workers: int | None = None,
        on_bytes: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Make the model's folder, or finish what an interrupted build began.

        Args:
            out: A new folder; `<out>.fusion.json` beside it says how it was made.
            is_fresh: Throw away what an interrupted build left.
            on_bytes: Told of the bytes of each finished tensor.

        Raises:
            InvalidInputError: `out` exists, or another fusion was begun there.
        """
        folders = planned.folders
        self._engine.build(
            planned.plan, folders, out, is_fresh=is_fresh, workers=workers, on_bytes=on_bytes
        )
        self._scan(out)
        write_record(out, BuildRecord(planned.spec, planned.parents, planned.plan.digest))

    def smoke(self, out: Path, parents: Sequence[Path], task: str | None = None) -> "SmokeRecord":
        """Judge a built model against its parents; the record lies beside it."""
        return self._gate().smoke(out, parents, task)

    def published_spec(self, record: BuildRecord, names: Mapping[str, str]) -> WeightsSpec:
        """The spec of a build with its parents by model id, as it is published.

        Args:
            names: REF of parents that were plain folders at the time of the build; their files
                must be those of the model.

        Raises:
            InvalidInputError: A parent is not published, as far as is known.
            VerificationError: A folder is not the model that `names` says.
        """
        ids: dict[str, str] = {}
        for name, origin in record.parents.items():
            model_id = origin.model_id
            if name in names:
                found = self._locate(names[name])
                model_id = found.model_id
                manifest = self._library.load(ModelId(model_id))
                check_is_parent(manifest, _digests(origin.folder), name)
            if model_id is None or not any(model_id):
                raise InvalidInputError(
                    f"parent {name} is a folder, expected a published model",
                    hint=f"publish it, then say which it is: --parent {name}=REF",
                )
            ids[name] = "0x" + model_id.hex()
        return record.spec.renamed(ids)

    # --- look -------------------------------------------------------------------------------------

    def diff(self, first: str, second: str) -> list[Difference]:
        """How far two models are from each other, tensor by tensor.

        Args:
            first, second: REFs or folders.
        """
        folders = [self._find(ref, ref).folder for ref in (first, second)]
        return list(self._engine.compare(*folders))

    def spec_of(self, manifest: Manifest) -> FusionSpec:
        """The published spec of a fused model.

        Raises:
            InvalidInputError: The model is not fused, or the document is no spec.
            NotFoundError: The spec is not here.
        """
        if manifest.fusion is None:
            raise InvalidInputError(f"model {manifest.title[:60]!r} is not fused")
        data = self._specs.get(bytes.fromhex(manifest.fusion[2:]))
        if data is None:
            raise NotFoundError(
                "fusion spec", manifest.fusion, hint="joynet model pull REF; or --spec FILE"
            )
        return decode_spec(data)

    def verify(self, model_id: ModelId, spec: FusionSpec | None = None) -> Verification:
        """Rebuild a published child from a spec and compare every file.

        Args:
            spec: By default the one that its manifest names; a left-out parent gives its own.

        Raises:
            NotFoundError: The manifest, the spec or a parent is not here.
        """
        manifest = self._library.load(model_id)
        spec = spec or self.spec_of(manifest)
        listed = {file.path: file.sha256 for file in manifest.files}
        made = self._rebuild(spec)
        files = tuple(
            FileMatch(path, _verdict(listed.get(path), made.get(path)))
            for path in sorted({*listed, *made})
        )
        return Verification(model_id, spec.digest, files)

    def _rebuild(self, spec: FusionSpec) -> dict[str, str]:
        """Path -> SHA-256 as 0x hex of what a spec makes."""
        if isinstance(spec, CompositionSpec):
            data = spec.composition.encode()
            return {"composition.json": "0x" + hashlib.sha256(data).hexdigest()}
        planned = self.plan(spec)
        self._cache.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="rebuild-", dir=self._cache))
        try:
            stage("rebuilding")
            self._engine.build(planned.plan, planned.folders, place / "model")
            return _digests(place / "model")
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _verdict(listed: str | None, made: str | None) -> str:
    if listed is None:
        return "missing"
    if made is None:
        return "added"
    return "same" if listed == made else "differs"


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            digests[path.name] = "0x" + hashlib.file_digest(file, "sha256").hexdigest()
    return digests
