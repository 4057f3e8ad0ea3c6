"""The engine of runtime compositions, profile `composition/1`: docs/spec/composition.md.

All components live in one process; one request passes through them in the order of the document.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from joynet_sdk.compositions.checking import check_manifests, check_verification
from joynet_sdk.compositions.document import (
    FILE,
    INPUT,
    OUTPUT,
    Cascade,
    Composition,
    Condition,
    Connection,
    Ensemble,
    Pipeline,
    Router,
)
from joynet_sdk.compositions.nesting import Nesting, is_composition, read_composition
from joynet_sdk.compositions.parts import Part
from joynet_sdk.compositions.typing import input_port, output_port
from joynet_sdk.compute import adapters
from joynet_sdk.compute.adapters import Values
from joynet_sdk.compute.engine import Engine, EngineError, open_engine
from joynet_sdk.compute.integer import IntegerEngine
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest

MAX_CALLS = 64  # of single models in one request; nesting would multiply them


class CompositionEngine:
    """Components in one process.

    Args:
        manifest, folder: The composition's own.
        parts: Every model it needs by model id, of all levels.
    """

    def __init__(self, manifest: Manifest, folder: Path, parts: Mapping[bytes, Part]) -> None:
        loaded: dict[bytes, Engine] = {}
        self._root = _Level(manifest, folder, parts, Nesting(), (), loaded)

    def run(self, data: bytes) -> bytes:
        """The composition's input in, its output out.

        Raises:
            InvalidInputError: The input does not fit.
            EngineError: A component gives what it did not declare.
        """
        return self._root.run(data)


class _Level:
    """One composition, its components loaded; nested ones are levels of their own."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        parts: Mapping[bytes, Part],
        nesting: Nesting,
        path: tuple[bytes, ...],
        loaded: dict[bytes, Engine],
    ) -> None:
        nesting.enter(manifest, path)
        self._composition = read_composition(folder)
        path = (*path, manifest.model_id)
        self._engines: dict[str, Engine] = {}
        manifests: dict[str, Manifest] = {}
        for component in self._composition.components:
            part = parts.get(component.model_id)
            if part is None:
                raise InvalidInputError(
                    f"component {component.name!r}, model {component.model}, is not here",
                    hint=f"joynet model pull {component.model}",
                )
            nesting.enter(part.manifest, path)
            manifests[component.name] = part.manifest
            if component.model_id not in loaded:
                loaded[component.model_id] = self._load(part, parts, nesting, path, loaded)
            self._engines[component.name] = loaded[component.model_id]
        self._check(manifest, manifests)
        engines = self._engines.values()
        self.calls: int = sum(e.calls if isinstance(e, _Level) else 1 for e in engines)
        if self.calls > MAX_CALLS:
            raise InvalidInputError(
                f"composition may run {self.calls} models for one request, expected <= {MAX_CALLS}"
            )

    def _load(
        self,
        part: Part,
        parts: Mapping[bytes, Part],
        nesting: Nesting,
        path: tuple[bytes, ...],
        loaded: dict[bytes, Engine],
    ) -> Engine:
        if is_composition(part.manifest):
            return _Level(part.manifest, part.folder, parts, nesting, path, loaded)
        return open_engine(part.manifest, part.folder)

    def _check(self, manifest: Manifest, manifests: Mapping[str, Manifest]) -> None:
        """The document, the components' manifests and the composition's own agree."""
        composition = self._composition
        scales = {
            name: engine.input_scale
            for name, engine in self._engines.items()
            if isinstance(engine, IntegerEngine) and engine.input_scale is not None
        }
        check_manifests(composition, manifests, scales)
        check_verification(composition, manifests)
        ends = input_port(manifest.input), output_port(manifest.output)
        if ends != (composition.input, composition.output):
            raise InvalidInputError(
                f"manifest says {ends[0]} to {ends[1]}, "
                f"expected {composition.input} to {composition.output} as in {FILE}"
            )
        if manifest.verification != composition.verification:
            raise InvalidInputError(
                f"manifest says class {manifest.verification}, expected {composition.verification}"
            )

    # --- running

    def run(self, data: bytes) -> bytes:
        """One request."""
        self._check_input(data)
        match self._composition.rule:
            case Pipeline() as rule:
                return self._pipeline(rule, data)
            case Router() as rule:
                return self._out(self._route(rule, data), data).tobytes()
            case Ensemble() as rule:
                return self._ensemble(rule, data)
            case Cascade() as rule:
                return self._cascade(rule, data)

    def _check_input(self, data: bytes) -> None:
        port = self._composition.input
        if port.kind == "text":
            if not 0 < len(data) <= port.max_bytes:
                raise InvalidInputError(
                    f"text has {len(data)} bytes, expected 1 to {port.max_bytes}"
                )
            return
        expected = port.size * np.dtype(port.dtype).itemsize
        if len(data) != expected:
            raise InvalidInputError(f"input has {len(data)} bytes, expected {expected}")
        if not np.isfinite(adapters.read_values(port, data)).all():
            raise InvalidInputError("input has NaN or infinite values, expected finite numbers")

    def _pipeline(self, rule: Pipeline, data: bytes) -> bytes:
        source = INPUT
        for name in rule.order:
            data = self._ask(name, self._pass(self._composition.connection(source, name), data))
            source = name
        return self._pass(self._composition.connection(source, OUTPUT), data)

    def _route(self, rule: Router, data: bytes) -> str:
        """The component that answers."""
        if rule.classifier is None or rule.decides is None:
            chosen = (c.use for c in rule.rules if _holds(c, self._composition, data))
            return _found(next(chosen, rule.otherwise))
        entry = self._composition.connection(INPUT, rule.classifier)
        answer = self._ask(rule.classifier, self._pass(entry, data))
        best = int(adapters.read_values(rule.decides, answer).argmax())
        label = rule.decides.names[best]
        routes = {route.label: route.use for route in rule.routes}
        return _found(routes.get(label, rule.otherwise))

    def _ensemble(self, rule: Ensemble, data: bytes) -> bytes:
        answers = {name: self._out(name, data) for name in rule.weights}
        output = self._composition.output
        if rule.mean == "majority":
            counts = adapters.votes(answers, rule.weights)
            if output.kind == "logits":
                return counts.astype(np.int8).tobytes()
            return (counts / sum(rule.weights.values())).astype("<f4").tobytes()
        if rule.mean == "probabilities":
            return adapters.mean_probabilities(answers, rule.weights).tobytes()
        if output.kind == "vector":
            return adapters.mean_logits(answers, rule.weights).tobytes()
        ports = {name: self._composition.connection(name, OUTPUT).after for name in rule.weights}
        scales = {name: port.scale or "1" for name, port in ports.items()}
        return adapters.mean_int8(answers, rule.weights, scales, output.scale or "1").tobytes()

    def _cascade(self, rule: Cascade, data: bytes) -> bytes:
        for name, threshold in zip(rule.order, rule.thresholds, strict=False):
            values = self._out(name, data)
            port = self._composition.output
            if adapters.is_confident(rule.confidence, threshold, port, values):
                return values.tobytes()
        return self._out(rule.order[-1], data).tobytes()

    # --- one component

    def _out(self, name: str, data: bytes) -> Values:
        """A component's answer to the composition's input, as the output takes it."""
        answer = self._ask(name, self._pass(self._composition.connection(INPUT, name), data))
        connection = self._composition.connection(name, OUTPUT)
        return adapters.read_values(connection.after, self._pass(connection, answer))

    def _ask(self, name: str, data: bytes) -> bytes:
        try:
            return self._engines[name].run(data)
        except InvalidInputError as error:
            raise InvalidInputError(f"{name}: {error}", hint=error.hint) from None

    def _pass(self, connection: Connection, data: bytes) -> bytes:
        """Take bytes along a connection."""
        port = connection.before
        if port.kind == "text":
            return data
        expected = port.size * np.dtype(port.dtype).itemsize
        if len(data) != expected:
            raise EngineError(f"{connection.source} gave {len(data)} bytes, expected {expected}")
        values = adapters.read_values(port, data)
        return adapters.apply(connection.adapters, port, values).tobytes()


def _holds(condition: Condition, composition: Composition, data: bytes) -> bool:
    if condition.index is not None and condition.at_least is not None:
        values = adapters.read_values(composition.input, data).reshape(-1)
        return bool(values[condition.index] >= condition.at_least)
    if len(data) < condition.min_bytes:
        return False
    text = data.decode(errors="replace").casefold()
    return not condition.contains or any(each.casefold() in text for each in condition.contains)


def _found(name: str | None) -> str:
    if name is None:  # the checks of the document exclude it
        raise EngineError("no route matches, and there is no otherwise")
    return name
