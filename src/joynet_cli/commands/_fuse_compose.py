"""`joynet fuse compose`: published models become one that runs them together."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run
from joynet_sdk.errors import InvalidInputError

if TYPE_CHECKING:
    from joynet_sdk.fusion.composing import Composed
    from joynet_sdk.inference.codec import Decoded


class Kind(StrEnum):
    """How components work together, or a file that says it."""

    PIPELINE = "pipeline"
    ROUTER = "router"
    ENSEMBLE = "ensemble"
    CASCADE = "cascade"
    FILE = "file"


def compose(
    kind: Annotated[
        Kind, typer.Argument(help="pipeline, router, ensemble, cascade; or file, then a YAML file.")
    ],
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]REF...",
            help="Published models, in order (a router's classifier first, unless --when).",
        ),
    ],
    folder: Annotated[Path, typer.Option("--out", help="Folder for composition.json.")],
    mean: Annotated[
        str | None,
        typer.Option("--mean", help="Ensemble: probabilities, logits or majority."),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option("--weight", help="Ensemble: NAME=INTEGER, may repeat.")
    ] = None,
    thresholds: Annotated[
        list[str] | None,
        typer.Option("--threshold", help="Cascade: one for each model but the last."),
    ] = None,
    confidence: Annotated[
        str | None,
        typer.Option("--confidence", help="Cascade: probability, or margin of the best two."),
    ] = None,
    routes: Annotated[
        list[str] | None, typer.Option("--route", help="Router: LABEL=NAME, may repeat.")
    ] = None,
    when: Annotated[
        list[str] | None,
        typer.Option("--when", help="Router without a classifier: WORD,WORD=NAME, may repeat."),
    ] = None,
    otherwise: Annotated[
        str | None, typer.Option("--otherwise", help="Router: who answers where nothing matches.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", help="Labels of the output, by comma.")
    ] = None,
    relabel: Annotated[
        list[str] | None,
        typer.Option("--relabel", help="NAME:LABEL=OUTPUT LABEL, may repeat."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--input", help="Try it out: a file, or text itself.")
    ] = None,
) -> None:
    """Connect published models to one that runs them together, and check that they fit.

    Types are checked from end to end, adapters between them are chosen where there is one plain
    way, and what clashes is explained with its fix. Nothing is published yet: that is joynet fuse
    publish.

    Examples:
      joynet fuse compose pipeline minilm.joy topics.joy --out topic-of --input "The match ended"
      joynet fuse compose ensemble a=digits.joy b=more.joy --weight a=2 --out both
      joynet fuse compose cascade small.joy large.joy --threshold 0.9 --out thrifty
      joynet fuse compose router lang.joy en=english.joy --route en=en --otherwise en --out by-lang
      joynet fuse compose file recipe.yaml --out composed
    """  # fmt: skip
    from joynet_sdk.fusion.composing import write_composition
    from joynet_sdk.fusion.recipes import read_recipe

    if kind is Kind.FILE:
        document = _read_file(models)
    else:
        document = _document_of(
            kind,
            models,
            mean=mean,
            weights={name: _integer(value) for name, value in _pairs(weights, "--weight")},
            thresholds=thresholds,
            confidence=confidence,
            routes=dict(_pairs(routes, "--route")),
            rules=[_rule(words, name) for words, name in _pairs(when, "--when")],
            otherwise=otherwise,
            labels=labels.split(",") if labels else None,
            relabel=_relabel(relabel),
        )
    recipe = read_recipe(document)
    with open_joynet("Composing") as joynet:
        composed = joynet.composing.compose(recipe)
        stop_if_dry_run(f"write {folder}", **_document(composed))
        path = write_composition(composed.composition, folder)
        tried = joynet.composing.try_out(folder, _read_input(source)) if source else None
    result = {"path": str(path), **_document(composed), "output": tried and tried.value}

    def human(_: dict[str, Any]) -> None:
        _print(composed, tried)
        out.line(f"wrote {path}")
        shares = " ".join(f"--share {ref}=10%" for ref in recipe.components.values())
        out.note(f"next: joynet fuse publish {folder} --price JOY {shares}")

    out.result(result, human)


def _document_of(kind: Kind, models: list[str], **said: Any) -> dict[str, Any]:
    """The recipe that flags make; a router's first model is its classifier, unless rules decide."""
    components = _components(models)
    if kind is Kind.ROUTER and not said["rules"]:
        said["classifier"] = next(iter(components))
    given = {name: value for name, value in said.items() if value}
    return {"kind": kind.value, "components": components, **given}


def _read_file(names: list[str]) -> dict[str, Any]:
    from joynet_sdk.fusion.yaml_reader import MAX_BYTES, read_yaml

    if len(names) != 1 or not Path(names[0]).is_file():
        raise InvalidInputError(f"file {' '.join(names)[:80]!r}, expected one YAML file")
    with Path(names[0]).open("rb") as file:
        return read_yaml(file.read(MAX_BYTES + 1), names[0])


def _components(models: list[str]) -> dict[str, str]:
    """Name -> REF; a model without a name is called by the first label of its REF, or its place."""
    found: dict[str, str] = {}
    for place, text in enumerate(models, 1):
        name, separator, ref = text.partition("=")
        if not separator:
            label = text.partition(".")[0]
            is_name = "." in text and label.isascii() and label[:1].isalpha() and label.islower()
            name, ref = label[:32] if is_name else f"part{place}", text
        if name in found:
            raise InvalidInputError(
                f"two components are named {name!r}", hint=f"name them: first={found[name]} ..."
            )
        found[name] = ref
    return found


def _pairs(texts: list[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = []
    for text in texts or []:
        key, separator, value = text.rpartition("=")
        if not (separator and key and value):
            raise InvalidInputError(f"{option} {text!r:.80}, expected two parts with = between")
        pairs.append((key, value))
    return pairs


def _integer(text: str) -> int:
    if not text.isdecimal():
        raise InvalidInputError(f"--weight {text!r:.40}, expected an integer from 1 to 10,000")
    return int(text)


def _rule(words: str, name: str) -> dict[str, Any]:
    return {"contains": [word for word in words.split(",") if word], "use": name}


def _relabel(texts: list[str] | None) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for key, new in _pairs(texts, "--relabel"):
        name, separator, old = key.partition(":")
        if not separator:
            raise InvalidInputError(f"--relabel {key!r:.80}, expected NAME:LABEL=OUTPUT LABEL")
        found.setdefault(name, {})[old] = new
    return found


def _read_input(source: str) -> bytes:
    from joynet_sdk.inference.service import read_input

    return read_input(source)


def _document(composed: "Composed") -> dict[str, Any]:
    composition = composed.composition
    return {
        "kind": composition.rule.kind,
        "class": composition.verification,
        "tolerance": composition.tolerance,
        "components": {
            candidate.name: {
                "model": "0x" + candidate.manifest.model_id.hex(),
                "title": candidate.manifest.title,
                "license": candidate.manifest.license,
            }
            for candidate in composed.candidates
        },
        "connections": [
            {
                "source": each.source,
                "target": each.target,
                "before": str(each.before),
                "after": str(each.after),
                "adapters": [adapter.adapter for adapter in each.adapters],
            }
            for each in composition.connections
        ],
        "input_type": str(composition.input),
        "output_type": str(composition.output),
    }


def _print(composed: "Composed", tried: "Decoded | None") -> None:
    composition = composed.composition
    rows = [
        [
            each.source,
            str(each.before),
            ", ".join(adapter.adapter for adapter in each.adapters) or "-",
            str(each.after),
            each.target,
        ]
        for each in composition.connections
    ]
    out.table(["from", "gives", "adapters", "takes", "to"], rows)
    tolerance = "" if composition.tolerance is None else f", tolerance {composition.tolerance}"
    out.line(f"{composition.rule.kind} of class {composition.verification}{tolerance}")
    if tried is not None:
        out.line(f"answers {tried.summary}")
