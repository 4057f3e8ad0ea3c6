"""How the parts of a composition fit together, and which class it is of."""

import math
from collections.abc import Iterable, Iterator, Mapping

from joynet_sdk.compositions.document import (
    INPUT,
    MAX_TOLERANCE,
    OUTPUT,
    Cascade,
    Composition,
    Connection,
    Ensemble,
    Pipeline,
    Port,
    Probabilities,
    Quantise,
    Router,
    decode_document,
)
from joynet_sdk.compositions.typing import (
    Clash,
    MismatchError,
    check_fit,
    input_port,
    output_port,
    passed,
)
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest

FLOAT_TOLERANCE = 4  # int16 steps, as for single models: far above the drift of fp32 on CPUs
STEPS = 32767  # of int16 per unit, docs/spec/manifest.md
# What keeps int8 answers bit-identical everywhere; the other adapters compute in floats.
_EXACT_ADAPTERS = {"rescale", "relabel", "reshape"}


def decode(data: bytes) -> Composition:
    """Read `composition.json` and insist that everything fits.

    Raises:
        InvalidInputError: As `decode_document`; or lists the clashes.
    """
    composition = decode_document(data)
    check(composition)
    return composition


def check(composition: Composition) -> None:
    """Insist that everything fits.

    Raises:
        InvalidInputError: Lists the first clashes; the hint is the first one's fix.
    """
    if found := clashes(composition):
        text = "; ".join(f"{clash.where}: {clash.problem}" for clash in found[:3])
        raise InvalidInputError(f"composition does not fit together: {text}", hint=found[0].fix)


def clashes(composition: Composition) -> list[Clash]:
    """Everything in the document that does not fit, in itself."""
    if found := _wiring(composition):
        return found  # types say nothing useful before the wires are right
    return [*_types(composition), *_rule(composition), *_ends(composition)]


def manifest_clashes(
    composition: Composition, manifests: Mapping[str, Manifest], scales: Mapping[str, str]
) -> list[Clash]:
    """Where the declared types are not what the components' manifests say.

    Args:
        manifests: Of every component, by its name.
        scales: Input scales of the QModels among them, by name, as far as known.
    """
    found: list[Clash] = []
    for connection in composition.connections:
        where = str(connection)
        try:
            if connection.source != INPUT:
                actual = output_port(manifests[connection.source].output)
                found += _differs(f"{where}, before", connection.before, actual)
            if connection.target != OUTPUT:
                actual = input_port(manifests[connection.target].input)
                found += _differs(f"{where}, after", connection.after, actual)
        except InvalidInputError as error:
            found.append(Clash(where, str(error), "choose another component"))
        found += _scale_clashes(connection, scales.get(connection.target))
    rule = composition.rule
    if isinstance(rule, Router) and rule.classifier is not None and rule.decides is not None:
        actual = output_port(manifests[rule.classifier].output)
        found += _differs("router, decides", rule.decides, actual)
    return found


def check_manifests(
    composition: Composition, manifests: Mapping[str, Manifest], scales: Mapping[str, str]
) -> None:
    """Insist that the declared types are the components' own; see `manifest_clashes`.

    Raises:
        InvalidInputError: Names the first difference.
    """
    if found := manifest_clashes(composition, manifests, scales):
        raise InvalidInputError(f"{found[0].where}: {found[0].problem}", hint=found[0].fix)


def check_verification(composition: Composition, manifests: Mapping[str, Manifest]) -> None:
    """Insist that int8 answers hang on integers alone, so that every node gives the same.

    Args:
        manifests: Of every component, by its name.

    Raises:
        InvalidInputError: The output is logits, but something on the way computes in floats.
    """
    if composition.output.kind != "logits":
        return
    rule = composition.rule
    floats = [a.adapter for c in composition.connections for a in c.adapters]
    culprits = [f"adapter {name}" for name in floats if name not in _EXACT_ADAPTERS]
    culprits += [
        f"component {name!r}" for name, each in manifests.items() if each.verification != "exact"
    ]
    if isinstance(rule, Cascade) and rule.confidence == "probability":
        culprits.append("the confidence 'probability'")
    if culprits:
        raise InvalidInputError(
            f"the output is int8 logits, but {culprits[0]} computes in floats, which nodes could "
            "not compare",
            hint="adapter probabilities before the output, or exact components throughout",
        )


def tolerance_of(connections: Iterable[Connection], manifests: Mapping[str, Manifest]) -> int:
    """Largest distance, in int16 steps, that honest nodes of a tolerant composition may show.

    A float that drifts over a rounding boundary of `quantise` can move the integer model behind it
    by one step of its logits, each either way; in probability that is at most half a step.

    Args:
        manifests: Of every component, by its name.
    """
    own = [manifest.tolerance or 0 for manifest in manifests.values()]
    connections = list(connections)
    least = max(FLOAT_TOLERANCE, *own) if own else FLOAT_TOLERANCE
    if any(isinstance(a, Quantise) for c in connections for a in c.adapters):
        scales = [
            float(c.before.scale)
            for c in connections
            if c.before.scale and any(isinstance(a, Probabilities) for a in c.adapters)
        ]
        least = max(least, math.ceil(STEPS * max(scales, default=1.0) / 2))
    return min(least, MAX_TOLERANCE)


# --- wiring -------------------------------------------------------------------------------------


def _wiring(composition: Composition) -> list[Clash]:
    """Names exist, and the connections are those that the rule needs."""
    names = {component.name for component in composition.components}
    if unknown := [name for name in _named(composition) if name not in names]:
        fix = f"use one of {', '.join(sorted(names))}"
        return [Clash(composition.rule.kind, f"no component is named {unknown[0]!r}", fix)]
    have = [(c.source, c.target) for c in composition.connections]
    want = _wanted(composition)
    found = [
        Clash(f"{source} -> {target}", "this connection is missing", "add it")
        for source, target in sorted(want - set(have))
    ]
    found += [
        Clash(
            f"{source} -> {target}",
            f"a {composition.rule.kind} has no such connection",
            "leave it out",
        )
        for source, target in sorted(set(have) - want)
    ]
    found += [
        Clash(f"{source} -> {target}", "this connection is there twice", "leave one out")
        for source, target in sorted({pair for pair in have if have.count(pair) > 1})
    ]
    return found or _everyone_takes_part(composition, names)


def _named(composition: Composition) -> Iterator[str]:
    match composition.rule:
        case Pipeline(order=order) | Cascade(order=order):
            yield from order
        case Ensemble(weights=weights):
            yield from weights
        case Router() as router:
            yield from answering(router)
            if router.classifier is not None:
                yield router.classifier


def answering(router: Router) -> list[str]:
    """Components that a router may hand a request to, each once."""
    names = [route.use for route in router.routes] + [rule.use for rule in router.rules]
    if router.otherwise is not None:
        names.append(router.otherwise)
    return list(dict.fromkeys(names))


def _wanted(composition: Composition) -> set[tuple[str, str]]:
    """The connections of a rule, as (source, target)."""
    match composition.rule:
        case Pipeline(order=order):
            return set(zip((INPUT, *order), (*order, OUTPUT), strict=True))
        case Router() as router:
            names = answering(router)
            both = {(INPUT, name) for name in names} | {(name, OUTPUT) for name in names}
            return both | ({(INPUT, router.classifier)} if router.classifier else set())
        case Ensemble(weights=members) | Cascade(order=members):
            return {(INPUT, name) for name in members} | {(name, OUTPUT) for name in members}


def _everyone_takes_part(composition: Composition, names: set[str]) -> list[Clash]:
    kind, used = composition.rule.kind, list(_named(composition))
    found = [
        Clash(kind, f"component {name!r} takes no part", "leave it out")
        for name in sorted(names - set(used))
    ]
    repeated = sorted({name for name in used if used.count(name) > 1})
    if repeated:
        found.append(Clash(kind, f"component {repeated[0]!r} is there twice", "leave one out"))
    return found


# --- types --------------------------------------------------------------------------------------


def _types(composition: Composition) -> list[Clash]:
    """What each connection declares is what its adapters make of it."""
    found: list[Clash] = []
    takes: dict[str, Port] = {}
    for connection in composition.connections:
        where = str(connection)
        try:
            check_fit(passed(connection.before, connection.adapters), connection.after)
            if connection.source == INPUT:
                check_fit(composition.input, connection.before)
        except MismatchError as error:
            found.append(error.at(where))
        after = takes.setdefault(f"to {connection.target}", connection.after)
        if connection.target != OUTPUT and after != connection.after:
            found.append(Clash(where, "two types for one input", "declare the same type"))
        before = takes.setdefault(f"of {connection.source}", connection.before)
        if connection.source != INPUT and before != connection.before:
            found.append(Clash(where, "two types for one output", "declare the same type"))
    return found


def _differs(where: str, declared: Port, actual: Port) -> list[Clash]:
    """Texts may be declared shorter than the model takes; all else is as in the manifest."""
    if declared.kind == actual.kind == "text" and declared.max_bytes <= actual.max_bytes:
        return []
    if declared == actual:
        return []
    detail = "" if str(declared) != str(actual) else ", with other labels or another scale"
    problem = f"it declares {declared}, the model's manifest says {actual}{detail}"
    return [Clash(where, problem, "write the document again with joynet fuse compose")]


def _scale_clashes(connection: Connection, scale: str | None) -> list[Clash]:
    """An int8 input is filled in steps of the QModel's own input scale."""
    if scale is None or not connection.adapters:
        return []
    used = [
        adapter.scale if adapter.adapter == "quantise" else adapter.to
        for adapter in connection.adapters
        if adapter.adapter in ("quantise", "rescale")
    ]
    if not used or float(used[-1]) == float(scale):
        return []
    problem = f"values come in steps of {used[-1]}, the model reads steps of {scale}"
    return [Clash(str(connection), problem, f"{connection.adapters[-1].adapter} to {scale}")]


# --- rules --------------------------------------------------------------------------------------


def _ends(composition: Composition) -> list[Clash]:
    """What a node can serve: text or a tensor in, int8 logits or a vector out."""
    found = []
    if composition.input.kind not in ("text", "tensor"):
        problem = f"it takes {composition.input}, expected a text or a tensor"
        found.append(Clash(INPUT, problem, "declare the input as a tensor"))
    if composition.output.kind not in ("logits", "vector"):
        problem = f"it gives {composition.output}, expected logits or a vector"
        found.append(Clash(OUTPUT, problem, "adapter normalise or probabilities before the output"))
    return found


def _rule(composition: Composition) -> list[Clash]:
    answers = [c for c in composition.connections if c.target == OUTPUT]
    match composition.rule:
        case Ensemble() as ensemble:
            return _ensemble(ensemble, answers, composition.output)
        case Cascade():
            return _same_output(answers, composition.output) + _classifier(composition.output)
        case Router() as router:
            return _same_output(answers, composition.output) + _router(router, composition)
        case Pipeline():
            return _same_output(answers, composition.output)


def _same_output(answers: list[Connection], output: Port) -> list[Clash]:
    found = []
    for connection in answers:
        try:
            check_fit(connection.after, output)
        except MismatchError as error:
            found.append(error.at(str(connection)))
    return found


def _classifier(port: Port) -> list[Clash]:
    if port.is_classifier:
        return []
    return [Clash(OUTPUT, f"{port} names no label", "choose components that classify")]


def _ensemble(rule: Ensemble, answers: list[Connection], output: Port) -> list[Clash]:
    found = _classifier(output)
    for connection in answers:
        after, where = connection.after, str(connection)
        if after.names != output.names:
            fix = "adapter relabel, with a mapping from the one's labels to the other's"
            problem = f"answers {list(after.names)!s:.80}, expected {list(output.names)!s:.80}"
            found.append(Clash(where, problem, fix))
        if not after.is_classifier or (after.kind != output.kind and rule.mean != "majority"):
            problem = f"{after} goes into a mean of {output.kind}"
            found.append(Clash(where, problem, "adapter probabilities"))
    if output.kind == "logits" and rule.mean == "probabilities":
        found.append(
            Clash(
                OUTPUT, "a mean of probabilities is no int8 logits", "declare a vector, or logits"
            )
        )
    votes, counts = sum(rule.weights.values()), rule.mean == "majority"
    if output.kind == "logits" and counts and (votes > 127 or output.scale != "1"):
        problem = f"{votes} votes in steps of {output.scale}, expected at most 127 and '1'"
        found.append(Clash(OUTPUT, problem, "smaller weights, and scale '1'"))
    return found


def _router(rule: Router, composition: Composition) -> list[Clash]:
    if rule.classifier is not None and rule.decides is not None:
        return _routes(rule, rule.classifier, rule.decides)
    found = []
    for condition in rule.rules:
        wants_text = condition.index is None
        if wants_text != (composition.input.kind == "text"):
            problem = f"a rule about {'a text' if wants_text else 'a tensor'} meets"
            fix = "contains and min_bytes for texts, index and at_least for tensors"
            found.append(Clash("router", f"{problem} {composition.input}", fix))
        elif not wants_text and (condition.index or 0) >= composition.input.size:
            problem = f"index {condition.index} of {composition.input.size} values"
            found.append(Clash("router", problem, "an index within the tensor"))
    return found


def _routes(rule: Router, classifier: str, decides: Port) -> list[Clash]:
    if not decides.is_classifier:
        problem = f"classifier {classifier!r} gives {decides}, expected labels"
        return [Clash("router", problem, "choose a component that classifies, or state rules")]
    found = [
        Clash("router", f"{classifier!r} gives no label {route.label!r:.60}", "use its own labels")
        for route in rule.routes
        if route.label not in decides.names
    ]
    routed = {route.label for route in rule.routes}
    unrouted = [label for label in decides.names if label not in routed]
    if unrouted and rule.otherwise is None:
        problem = f"label {unrouted[0]!r:.60} has no route, and there is no otherwise"
        found.append(Clash("router", problem, "add a route or an otherwise"))
    return found
