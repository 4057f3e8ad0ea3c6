"""`joynet fuse init` and `methods`: write a spec, know the methods."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.merges import Method, Parameter

_HEAD = """\
# A merge of weights. mergekit's files are read unchanged; docs/spec/fusion.md has every key.
# Next:  joynet fuse plan {path}
#        joynet fuse build {path} --out DIR
merge_method: {method}   # joynet fuse methods {method}
"""
_TAIL = """\
# Layers instead of whole models (for passthrough: stacked; the last layer is left out):
# slices:
#   - sources:
#       - {{model: {first}, layer_range: [0, 8]}}
# dtype: float32         # of the result; by default that of the parents
# tokenizer: {{source: union}}   # when vocabularies differ: base, union, or one of the models
# chat_template: auto    # the most frequent one of the parents
seed: 0                  # of the methods that drop parts at random
"""


def init(
    ref: Annotated[
        list[str] | None, typer.Argument(help="Models: folders, names, CIDs or 0x ids.")
    ] = None,
    method: Annotated[str, typer.Option("--method", help="See joynet fuse methods.")] = "ties",
    base: Annotated[
        str | None, typer.Option("--base", help="The model that the others were tuned from.")
    ] = None,
    to: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("fusion.yaml"),
) -> None:
    """Write a commented spec to start from.

    Examples:
      joynet fuse init ./cats ./dogs --base ./pets --out pets.yaml
      joynet fuse init a.joy b.joy --method slerp --base a.joy
    """
    from joynet_sdk import merges
    from joynet_sdk.fusion.mergekit_yaml import parse_spec
    from joynet_sdk.paths import atomic_write

    found = merges.method(method)
    if found.base == "required" and base is None:
        base = "BASE"
    models = [one for one in ref or ["MODEL-A", "MODEL-B"] if one != base or found.base == "none"]
    text = _document(to, found, models, base)
    parse_spec(text.encode(), str(to))  # what we write, we read
    stop_if_dry_run(f"write {to}")
    if to.exists():
        out.confirm(f"Replace {to}?")
    atomic_write(to, text, mode=0o644)
    out.result({"path": str(to), "method": method}, lambda _: out.line(f"wrote {to}"))
    out.note(f"next: joynet fuse plan {to}")


def _document(path: Path, method: "Method", models: list[str], base: str | None) -> str:
    import json

    lines = [_HEAD.format(path=path, method=method.name)]
    if base is not None:
        lines.append(f"base_model: {json.dumps(base)}\n")
    lines.append("models:\n")
    for model in models:
        lines.append(f"  - model: {json.dumps(model)}\n")
        if method.of_models:
            lines.append("    parameters:\n")
            lines += [_line(parameter, "      ") for parameter in method.of_models]
    if method.of_tensor:
        lines.append("parameters:\n")
        lines += [_line(parameter, "  ") for parameter in method.of_tensor]
        first = method.of_tensor[0].name
        lines.append(f"  # by layer and tensor: {first}: [{{filter: mlp, value: [...]}}, ...]\n")
    return "".join(lines) + _TAIL.format(first=json.dumps(models[0]))


def _line(parameter: "Parameter", indent: str) -> str:
    value = str(parameter.default).lower() if parameter.is_switch else f"{parameter.default:g}"
    return f"{indent}{parameter.name}: {value}  # {parameter.summary}\n"


def methods(
    name: Annotated[str | None, typer.Argument(help="One of them, with its parameters.")] = None,
) -> None:
    """List the ways to merge weights; describe one with its parameters and its paper.

    Examples:
      joynet fuse methods
      joynet fuse methods ties
    """
    from joynet_sdk import merges

    if name is None:
        table = [[one.name, one.base, _span(one), one.summary] for one in merges.METHODS.values()]
        out.result(
            [_described(one) for one in merges.METHODS.values()],
            lambda _: out.table(["method", "base", "models", "what it does"], table),
        )
        return
    found = merges.method(name)

    def human(_: dict[str, Any]) -> None:
        out.line(f"{found.title}: {found.summary}")
        out.line(f"paper   {found.paper}")
        out.line(f"base    {found.base}")
        out.line(f"models  {_span(found)}" + ("" if found.base == "none" else " beside the base"))
        rows = [
            [one.name, "model" if one.per_model else "tensor", _default(one), one.summary]
            for one in found.parameters
        ]
        out.table(["parameter", "of each", "default", "meaning"], rows)

    out.result(_described(found), human)


def _span(method: "Method") -> str:
    if method.max_models is None:
        return f"{method.min_models}+"
    if method.min_models == method.max_models:
        return str(method.min_models)
    return f"{method.min_models}-{method.max_models}"


def _default(parameter: "Parameter") -> str:
    return str(parameter.default).lower() if parameter.is_switch else f"{parameter.default:g}"


def _described(method: "Method") -> dict[str, Any]:
    return {
        "name": method.name,
        "title": method.title,
        "paper": method.paper,
        "base": method.base,
        "min_models": method.min_models,
        "max_models": method.max_models,
        "random": method.is_random,
        "summary": method.summary,
        "parameters": [
            {
                "name": one.name,
                "default": one.default,
                "low": one.low,
                "high": one.high,
                "per_model": one.per_model,
                "summary": one.summary,
            }
            for one in method.parameters
        ],
    }
