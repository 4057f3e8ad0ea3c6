"""Whether weights can be merged, told from configs and headers: one rule, one function.

Each rule yields what it finds, with the values of the models and what to do about it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from joynet_sdk.fusion.compatibility import facts
from joynet_sdk.fusion.compatibility.facts import FLOATS, Model, values
from joynet_sdk.fusion.compatibility.report import ERROR, NOTE, WARNING, Finding
from joynet_sdk.merges import METHODS, method

COMPOSE = "join them at run time instead: joynet fuse compose"
SHOWN = 3  # tensors named in a message
# Buffers that are computed from the config, not learned: their absence means nothing.
_BUFFERS = ("position_ids", "inv_freq", ".masked_bias", ".attn.bias", "num_batches_tracked")
_HEADS = ("classifier", "score", "lm_head", "head", "pooler", "projection")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked about.

    Attributes:
        method: A merge method, or None for any.
        has_base: The last model is the base of the others.
        tokenizer: "same" (the default: all must agree), or "union" or "base" when the fusion is
            told to align the embeddings.
    """

    method: str | None = None
    has_base: bool = False
    tokenizer: Literal["same", "union", "base"] = "same"


Rule = Callable[[Sequence[Model], Plan], Iterator[Finding]]


def check_formats(models: Sequence[Model], _plan: Plan) -> Iterator[Finding]:
    """Only float safetensors can be merged."""
    for model in models:
        if model.format != "safetensors":
            yield Finding(
                "format",
                ERROR,
                f"{model.name} is in {model.format}, expected safetensors",
                f"fuse the safetensors that it was made from, or {COMPOSE}"
                if model.format != "composition"
                else f"fuse its components, or {COMPOSE}",
            )
        elif wrong := [dtype for dtype in facts.dtypes(model) if dtype not in FLOATS]:
            floats = [dtype for dtype in facts.dtypes(model) if dtype in FLOATS]
            is_quantised = not floats or (model.architecture or "").startswith("qmodel")
            yield Finding(
                "quantised" if is_quantised else "integer_tensors",
                ERROR if is_quantised else NOTE,
                f"{model.name} holds {', '.join(wrong)} tensors"
                + ("" if is_quantised else ", which must be equal in all models"),
                "fuse the float models, then joynet model quantize; or " + COMPOSE
                if is_quantised
                else "",
            )


def check_method(models: Sequence[Model], plan: Plan) -> Iterator[Finding]:
    """As many models as the method takes, and a base where it needs one."""
    others = len(models) - plan.has_base
    if len(models) < 2:
        yield Finding(
            "count", ERROR, f"{len(models)} model, expected two or more", "name another model"
        )
    if plan.method in (None, "passthrough"):  # which takes each layer from any one of them
        return
    asked = method(plan.method)
    if asked.name == "slerp" and not plan.has_base:  # the first of two stands for the base
        others -= 1
    if others < asked.min_models or (asked.max_models is not None and others > asked.max_models):
        takes = [
            name
            for name, each in METHODS.items()
            if each.min_models <= others
            and (each.max_models is None or others <= each.max_models)
            and (plan.has_base or each.base != "required")
        ]
        span = (
            f"{asked.min_models} or more"
            if asked.max_models is None
            else f"{asked.min_models} to {asked.max_models}"
        )
        yield Finding(
            "count",
            ERROR,
            f"{asked.name} takes {span} models beside the base, {others} were given",
            f"--method {' or '.join(takes[:4])}" if takes else "name other models",
        )
    if asked.base == "required" and not plan.has_base and asked.name != "slerp":
        yield Finding(
            "base",
            ERROR,
            f"{asked.name} adds task vectors to a base, and there is none",
            "--base REF, the model that the others were tuned from; or --method linear",
        )
    if asked.base == "none" and plan.has_base:
        yield Finding(
            "base",
            WARNING,
            f"{asked.name} has no use for a base; it only tells here how far the models moved",
            "leave --base out of the fusion, or --method task_arithmetic",
        )


def check_architecture(models: Sequence[Model], _plan: Plan) -> Iterator[Finding]:
    """One architecture, one activation, one way of placing positions."""
    names = [model.architecture or "none" for model in models]
    if len(set(names)) > 1:
        yield Finding(
            "architecture",
            ERROR,
            f"the architectures differ: {values(models, names)}",
            f"choose models of one architecture, or {COMPOSE}",
        )
        return
    for key, code in (("hidden_act", "activation"), ("activation_function", "activation")):
        yield from _differs(models, key, code, "the weights were trained for another function")
    yield from _differs(models, "rope_theta", "positions", "their attention reads other positions")


def _differs(models: Sequence[Model], key: str, code: str, why: str) -> Iterator[Finding]:
    found = [model.config.get(key) for model in models]
    if len({str(value) for value in found}) > 1 and None not in found:
        yield Finding(
            code,
            ERROR,
            f"{key} differs: {values(models, found)}; {why}",
            f"choose others, or {COMPOSE}",
        )


_SIZES = (
    (facts.HIDDEN, "hidden_size", "hidden size"),
    (facts.HEADS, "heads", "number of attention heads"),
    (facts.KV_HEADS, "heads", "number of key-value heads"),
    (facts.INNER, "inner_size", "size of the feed-forward layers"),
)


def check_sizes(models: Sequence[Model], plan: Plan) -> Iterator[Finding]:
    """Widths, heads and layers as the configs say."""
    for keys, code, title in _SIZES:
        found = [facts.number(model, keys) for model in models]
        if None not in found and len(set(found)) > 1:
            yield Finding(
                code,
                ERROR,
                f"the {title} differs: {values(models, found)}",
                "choose a model of the same size (the same family has several), or " + COMPOSE,
            )
    layers = [facts.number(model, facts.LAYERS) for model in models]
    if None not in layers and len(set(layers)) > 1 and plan.method != "passthrough":
        yield Finding(
            "layers",
            ERROR,
            f"the number of layers differs: {values(models, layers)}",
            "--method passthrough stacks layers of models of one width; or " + COMPOSE,
        )


def check_tensors(models: Sequence[Model], plan: Plan) -> Iterator[Finding]:
    """The same tensors in the same shapes; embedding rows are the tokenizer rule's matter."""
    if plan.method == "passthrough":
        return
    everything = [{n for n in model.tensors if not _is_buffer(n)} for model in models]
    common = set.intersection(*everything)
    if not common:
        yield Finding(
            "tensors", ERROR, "the models have no tensor in common", f"choose others, or {COMPOSE}"
        )
        return
    for model, mine in zip(models, everything, strict=True):
        missing = sorted(set.union(*everything) - mine)
        if missing:
            yield _missing(model, missing, len(common))
    yield from _check_shapes(models, sorted(common))


def _is_buffer(name: str) -> bool:
    return name.endswith(_BUFFERS)


def _missing(model: Model, missing: list[str], common: int) -> Finding:
    shown = ", ".join(missing[:SHOWN]) + (" ..." if len(missing) > SHOWN else "")
    message = (
        f"{model.name} lacks {len(missing)} tensors that others have ({shown}); {common} are in all"
    )
    if all(name.startswith("lm_head.") for name in missing) and model.config.get(
        "tie_word_embeddings", True
    ):
        return Finding(
            "tied_head",
            WARNING,
            message + "; its output head is tied to the embeddings",
            "the merge keeps the head only if it is told so: add lm_head.weight to that model",
        )
    if all(_is_head(name) for name in missing):
        fix = "take the head from one model, as a slice of its own, or retrain it after the merge"
        return Finding("head", ERROR, message, fix)
    return Finding("tensors", ERROR, message, f"choose models of one architecture, or {COMPOSE}")


def _is_head(name: str) -> bool:
    return any(part in _HEADS for part in name.split("."))


def _check_shapes(models: Sequence[Model], common: list[str]) -> Iterator[Finding]:
    wrong = [n for n in common if len({tuple(model.tensors[n].shape) for model in models}) > 1]
    rows = [name for name in wrong if is_vocabulary(models, name)]
    heads = [name for name in wrong if name not in rows and _is_head(name)]
    others = [name for name in wrong if name not in rows and name not in heads]
    for found, fix in (
        (heads, "take the head from one model, as a slice of its own, or retrain it"),
        (others, f"choose models of one size, or {COMPOSE}"),
    ):
        if found:
            shown = values(models, [list(model.tensors[found[0]].shape) for model in models])
            more = f" (and {len(found) - 1} more tensors)" if len(found) > 1 else ""
            yield Finding(
                "head" if found is heads else "shape",
                ERROR,
                f"the shape of {found[0]} differs: {shown}{more}",
                fix,
            )


def is_vocabulary(models: Sequence[Model], name: str) -> bool:
    """Whether a tensor has one row for each token, so that its rows can be aligned."""
    shapes = [tuple(model.tensors[name].shape) for model in models]
    sizes = [facts.number(model, facts.VOCABULARY) for model in models]
    return len({shape[1:] for shape in shapes}) == 1 and all(
        bool(shape) and size is not None and shape[0] >= size
        for shape, size in zip(shapes, sizes, strict=True)
    )


def check_dtypes(models: Sequence[Model], _plan: Plan) -> Iterator[Finding]:
    """Different number formats merge, at the precision of the coarsest."""
    found = [facts.dtypes(model)[0] for model in models if model.tensors]
    if len(set(found)) > 1:
        yield Finding(
            "dtype",
            WARNING,
            f"the number formats differ: {values(models, found)}; the merge is computed in F32, "
            "and no finer than the coarsest parent",
            "state the merge's dtype in the recipe, or use parents of one format",
        )


def check_labels(models: Sequence[Model], _plan: Plan) -> Iterator[Finding]:
    """A classifier's outputs mean the same in all models."""
    found = [_labels(model) for model in models]
    known = [labels for labels in found if labels]
    if len(known) > 1 and len({len(labels) for labels in known}) == 1 and len(set(known)) > 1:
        position = next(
            i for i, names in enumerate(zip(*known, strict=True)) if len(set(names)) > 1
        )
        holders = [model for model, labels in zip(models, found, strict=True) if labels]
        shown = values(holders, [repr(labels[position])[:40] for labels in known])
        yield Finding(
            "labels",
            ERROR,
            f"output {position} means something else in each: {shown}",
            "bring the rows of the heads into one order, take the head from one model, or "
            + COMPOSE,
        )


def _labels(model: Model) -> tuple[str, ...]:
    """Names of a classifier's outputs in order; () when there are none or only defaults."""
    names: Any = None if model.manifest is None else model.manifest.output.labels
    table: Any = model.config.get("id2label")
    if not names and isinstance(table, dict):
        names = [table.get(str(index)) for index in range(len(table))]
    if not names or all(str(name).startswith("LABEL_") for name in names):
        return ()
    return tuple(map(str, names))


def check_templates(models: Sequence[Model], _plan: Plan) -> Iterator[Finding]:
    """Chat models that were taught different formats of conversation."""
    known = [model for model in models if model.template]
    if len({model.template for model in known}) > 1:
        names = " and ".join(model.name for model in known[:2])
        yield Finding(
            "template",
            WARNING,
            f"the chat templates of {names} differ: the merge hears one of them only",
            "choose whose template the merge keeps, and test it with that one",
        )


RULES: tuple[Rule, ...] = (
    check_method,
    check_architecture,
    check_sizes,
    check_tensors,
    check_dtypes,
    check_labels,
    check_templates,
)
