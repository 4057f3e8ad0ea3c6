"""Composing published models: look them up, connect them, try the result out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from joynet_sdk.compositions.building import Candidate, compose
from joynet_sdk.compositions.checking import check_manifests
from joynet_sdk.compositions.document import FILE, Composition
from joynet_sdk.compositions.nesting import gather, read_composition
from joynet_sdk.compositions.parts import Part
from joynet_sdk.compositions.typing import output_port
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import RAW, Card, Cid, Manifest, ManifestFile
from joynet_sdk.fusion.recipes import Recipe
from joynet_sdk.inference.codec import Decoded, decode_output, encode_input
from joynet_sdk.models.describing_composition import describe_composition
from joynet_sdk.paths import atomic_write
from joynet_sdk.types import ModelId


class Run(Protocol):
    """Runs an engine once in a process of its own; `compute.workers` in use."""

    def __call__(self, model: Part, parts: Sequence[Part], data: bytes) -> bytes:
        """The answer's bytes."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A composition and what it is made of.

    Attributes:
        candidates: In the order of the recipe.
    """

    composition: Composition
    candidates: tuple[Candidate, ...]


class Composing:
    """Reached as `JoyNet().composing`.

    Args:
        resolve: REF -> model id.
        locate: Brings a published model to this machine.
    """

    def __init__(
        self, resolve: Callable[[str], ModelId], locate: Callable[[ModelId], Part], run: Run
    ) -> None:
        self._resolve, self._locate, self._run = resolve, locate, run

    def compose(self, recipe: Recipe) -> Composed:
        """Look the models up and connect them.

        Raises:
            NotFoundError: A model is not published, or its files are nowhere.
            InvalidInputError: Something clashes; says where, why, and the fix.
        """
        found = tuple(self._candidate(name, ref) for name, ref in recipe.components.items())
        named = {candidate.name: candidate for candidate in found}
        decides = named.get(recipe.classifier or "")
        rule = recipe.rule(output_port(decides.manifest.output) if decides else None)
        made = compose(rule, found, labels=recipe.labels, relabel=recipe.relabel)
        return Composed(made, found)

    def _candidate(self, name: str, ref: str) -> Candidate:
        if Path(ref).is_dir() and len(Path(ref).parts) > 1:
            raise InvalidInputError(
                f"component {name!r} is the folder {ref}, expected a published model",
                hint=f"joynet model publish {ref} --price JOY, then use its name or id",
            )
        part = self._locate(self._resolve(ref))
        return Candidate(name, part.manifest, input_scale(part))

    def check(self, folder: Path) -> Composition:
        """Read a composition's folder and compare it with its models.

        Raises:
            InvalidInputError: A declared type is not what the model's manifest says.
        """
        composition = read_composition(folder)
        parts = {each.name: self._locate(each.model_id) for each in composition.components}
        scales = {name: input_scale(part) for name, part in parts.items()}
        check_manifests(
            composition,
            {name: part.manifest for name, part in parts.items()},
            {name: scale for name, scale in scales.items() if scale is not None},
        )
        return composition

    def parts(self, folder: Path) -> list[Part]:
        """Every model that a composition's folder needs, of all levels.

        Raises:
            NotFoundError: The folder holds no composition, or a model is nowhere.
            InvalidInputError: It does not fit together, or needs too much.
        """
        return gather(read_composition(folder), self._locate)

    def try_out(self, folder: Path, data: bytes) -> Decoded:
        """Run a composition's folder once, on this machine, as a node would.

        Args:
            data: As `joynet infer run` takes it: text, or JSON numbers.

        Raises:
            InvalidInputError: The input does not fit, or the composition is broken.
        """
        card = describe_composition(folder, folder.name, "unknown")
        request = encode_input(card.input, data)
        answer = self._run(Part(_draft(card, folder), folder), self.parts(folder), request)
        return decode_output(card.output, answer)


def write_composition(composition: Composition, folder: Path) -> Path:
    """Write `composition.json` into a folder, which is made if need be.

    Raises:
        InvalidInputError: The folder holds other files: they would be published with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    others = [p.name for p in folder.iterdir() if p.name != FILE and p.suffix != ".md"]
    if others:
        raise InvalidInputError(
            f"{folder} holds {others[0]!r:.80}, expected an empty folder", hint="--out ANOTHER"
        )
    path = folder / FILE
    atomic_write(path, composition.encode())
    return path


def input_scale(part: Part) -> str | None:
    """Real value of one input step of a QModel; None for other models and token ids."""
    if part.manifest.engine.name != "qmodel":
        return None
    from joynet_sdk import qmodel

    return qmodel.load(part.folder / "model.safetensors").input.scale


def _draft(card: Card, folder: Path) -> Manifest:
    """The manifest of a folder that is not published yet, good enough for an engine."""
    data = (folder / FILE).read_bytes()
    cid = Cid.of(RAW, data)
    file = ManifestFile(
        path=FILE, size=len(data), sha256="0x" + cid.digest.hex(), cid=str(cid), sealed_sha256=None
    )
    return Manifest(
        title=card.title,
        architecture=card.architecture,
        engine=card.engine,
        verification="exact" if card.tolerance is None else "tolerant",
        root=str(cid),
        files=[file],
        input=card.input,
        output=card.output,
        license=card.license,
        tolerance=card.tolerance,
    )
