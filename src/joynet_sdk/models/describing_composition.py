"""The card of a runtime composition: what its document says."""

from pathlib import Path

from joynet_sdk.compositions.document import FILE, PROFILE
from joynet_sdk.compositions.nesting import read_composition
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Card, Engine, InputSpec, OutputSpec


def describe_composition(path: Path, title: str, license_id: str) -> Card:
    """Read `composition.json` of a folder.

    Raises:
        InvalidInputError: Too long, or its parts do not fit together.
    """
    composition = read_composition(path)
    source, answer = composition.input, composition.output
    if source.kind not in ("text", "tensor") or answer.kind not in ("logits", "vector"):
        raise InvalidInputError(f"{FILE}: it takes {source} and gives {answer}")
    return Card(
        title=title,
        license=license_id,
        architecture=PROFILE,
        engine=Engine(name="composition", profile=PROFILE),
        verification=composition.verification,
        input=InputSpec(
            kind=source.kind,
            dtype=source.dtype,
            shape=list(source.shape),
            max_bytes=source.max_bytes or 4096,
        ),
        output=OutputSpec(
            kind=answer.kind,
            dtype=answer.dtype,
            shape=list(answer.shape),
            labels=list(answer.labels),
            scale=answer.scale,
        ),
        tolerance=composition.tolerance,
    )
