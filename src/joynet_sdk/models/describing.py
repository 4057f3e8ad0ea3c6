"""Recognise what lies in a folder, and how it is served."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Card, Engine, InputSpec, OutputSpec
from joynet_sdk.models.cards import choose_license, read_card
from joynet_sdk.models.describing_composition import describe_composition

DEFAULT_LICENSE = "Apache-2.0"
COMPOSITION = "composition.json"
VECTOR_TOLERANCE = 4  # int16 steps; far above the drift of fp32 on CPUs, far below any meaning
MAX_CONFIG_BYTES = 1 << 20
MAX_OUTPUTS = 1024  # numbers of a vector, labels of a classifier


def describe(
    path: Path,
    *,
    title: str,
    license_id: str | None = None,
    labels: Sequence[str] = (),
    version: str | None = None,
) -> Card:
    """Recognise what lies at `path` and how it is served; its README.md fills in the card.

    Args:
        path: A folder with `model.safetensors`: a QModel, or a transformers encoder, image
            classifier or text classifier. Or one with `composition.json`.
        license_id: SPDX identifier; by default README.md's, or else Apache-2.0.
        labels: Names of a classifier's outputs.
        version: The publisher's label; by default README.md's, or else "1".

    Raises:
        InvalidInputError: Nothing that an engine of this version runs, or the README.md is broken
            or contradicts `license_id`.
    """
    if not path.is_dir():
        raise InvalidInputError(f"{path} is no folder, expected the folder of a model")
    front = read_card(path)
    chosen = choose_license(license_id, front) or DEFAULT_LICENSE
    config = path / "config.json"
    if (path / COMPOSITION).is_file():
        if labels:
            raise InvalidInputError(f"--labels for a composition, {COMPOSITION} has its own")
        card = describe_composition(path, title, chosen)
    elif config.is_file():
        card = _describe_transformers(path, _read_config(config), title, chosen)
    else:
        card = _describe_qmodel(path / "model.safetensors", title, chosen)
    if labels:
        if [len(labels)] != card.output.shape:
            raise InvalidInputError(f"{len(labels)} labels, expected {card.output.shape[0]}")
        card = card.with_labels(labels)
    return card.told(version or front.version or "1", front.card)


def _describe_qmodel(path: Path, title: str, license_id: str) -> Card:
    from joynet_sdk import qmodel

    if not path.is_file():
        raise InvalidInputError(
            f"{path.parent} holds neither config.json nor model.safetensors",
            hint="expected a transformers folder, or a QModel saved as model.safetensors",
        )
    model = qmodel.load(path)
    return Card(
        title=title,
        license=license_id,
        architecture="qmodel/2",
        engine=Engine(name="qmodel", profile="qmodel/2"),
        verification="exact",
        input=InputSpec(kind="tensor", dtype=model.input.dtype.name, shape=list(model.input.shape)),
        output=OutputSpec(
            kind="logits", dtype="int8", shape=list(model.output_shape), scale=model.output_scale
        ),
    )


def _read_config(config: Path) -> Mapping[str, Any]:
    if config.stat().st_size > MAX_CONFIG_BYTES:
        raise InvalidInputError(f"config.json has {config.stat().st_size} bytes, expected <= 1 MiB")
    try:
        document = json.loads(config.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"config.json is not JSON: {error!s:.120}") from None
    if not isinstance(document, dict) or not isinstance(document.get("model_type"), str):
        raise InvalidInputError("config.json has no model_type, expected a transformers config")
    return document


def _describe_transformers(
    folder: Path, config: Mapping[str, Any], title: str, license_id: str
) -> Card:
    named = config.get("architectures")
    first = str(named[0]) if isinstance(named, list) and named else ""
    if first.endswith("ForImageClassification"):
        profile, source = "classify-image-fp32/1", _image(folder, config)
    elif first.endswith("ForSequenceClassification"):
        profile, source = "classify-text-fp32/1", InputSpec(kind="text", dtype="utf8", shape=[])
    else:
        profile, source = "embed-mean-fp32/1", InputSpec(kind="text", dtype="utf8", shape=[])
    if profile == "embed-mean-fp32/1":
        width, names = _number(config, "hidden_size", MAX_OUTPUTS), []
    else:
        names = _label_names(config)
        width = len(names)
        _check_problem(config, width)
    return Card(
        title=title,
        license=license_id,
        architecture=config["model_type"],
        engine=Engine(name="transformers", profile=profile),
        verification="tolerant",
        input=source,
        output=OutputSpec(kind="vector", dtype="float32", shape=[width], labels=names),
        tolerance=VECTOR_TOLERANCE,
    )


def _image(folder: Path, config: Mapping[str, Any]) -> InputSpec:
    """(channels, height, width): pixels as bytes where a preprocessor says how they are scaled."""
    from joynet_sdk.pixels import FILE

    side = config.get("image_size")
    sides = side if isinstance(side, list) else [side, side]
    if len(sides) != 2 or not all(_is_count(each, 4096) for each in sides):
        raise InvalidInputError(f"config.json: image_size is {side!r:.40}, expected 1 to 4096")
    channels = _number(config, "num_channels", 16)
    dtype = "uint8" if (folder / FILE).is_file() else "float32"
    return InputSpec(kind="tensor", dtype=dtype, shape=[channels, *sides])


def _check_problem(config: Mapping[str, Any], outputs: int) -> None:
    """Classifiers choose one label of several: what is answered is a softmax over them."""
    problem = config.get("problem_type")
    if problem not in (None, "single_label_classification") or outputs < 2:
        raise InvalidInputError(
            f"config.json: problem_type {problem!r:.40} with {outputs} outputs, expected one label "
            "of at least two"
        )


def _label_names(config: Mapping[str, Any]) -> list[str]:
    """`id2label` in the order of the outputs; transformers' LABEL_n where the config has none."""
    names = config.get("id2label")
    if names is None:
        count = _number(config, "num_labels", MAX_OUTPUTS) if "num_labels" in config else 2
        return [f"LABEL_{index}" for index in range(count)]
    if not isinstance(names, dict) or not 1 <= len(names) <= MAX_OUTPUTS:
        raise InvalidInputError(f"config.json: id2label, expected 1 to {MAX_OUTPUTS} names")
    ordered = [names.get(str(index)) for index in range(len(names))]
    if not all(isinstance(name, str) for name in ordered):
        raise InvalidInputError(
            f"config.json: id2label, expected text for each of 0 to {len(names) - 1}"
        )
    return [str(name) for name in ordered]


def _number(config: Mapping[str, Any], key: str, most: int) -> int:
    value = config.get(key)
    if not _is_count(value, most):
        raise InvalidInputError(f"config.json: {key} is {value!r:.40}, expected 1 to {most:,}")
    return int(value)  # type: ignore[arg-type]  # an int, as was just checked


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
