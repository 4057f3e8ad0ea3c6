"""What a person says about a composition: which models, and how they work together.

YAML of this form, or the flags of `joynet fuse compose`; `composing` makes the document of it.

    kind: router
    components: {topic: topic.joy, sport: sport.joy, rest: 0x12...}
    classifier: topic
    routes: {sports: sport}
    otherwise: rest
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from joynet_sdk.compositions.document import (
    MAX_COMPONENTS,
    Cascade,
    Condition,
    Ensemble,
    Label,
    Labels,
    Name,
    Pipeline,
    Port,
    Route,
    Router,
    Rule,
    Scale,
    Weight,
    explain,
)
from joynet_sdk.errors import InvalidInputError

Reference = Annotated[str, Field(min_length=1, max_length=1024)]


class Recipe(BaseModel):
    """A composition before its models are looked up.

    Attributes:
        components: Name -> REF, in order: of a pipeline or cascade, first to last.
        classifier, routes, rules, otherwise: Of a router; routes are label -> component.
        mean, weights: Of an ensemble; a weight is 1 where none is given.
        confidence, thresholds: Of a cascade.
        labels: Of the output, in order; by default those of the first component that answers.
        relabel: Component -> its label -> output label, where names differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pipeline", "router", "ensemble", "cascade"]
    components: Annotated[dict[Name, Reference], Field(min_length=1, max_length=MAX_COMPONENTS)]
    classifier: Name | None = None
    routes: dict[Label, Name] = {}
    rules: tuple[Condition, ...] = ()
    otherwise: Name | None = None
    mean: Literal["probabilities", "logits", "majority"] = "probabilities"
    weights: dict[Name, Weight] = {}
    confidence: Literal["probability", "margin"] = "probability"
    thresholds: tuple[Scale, ...] = ()
    labels: Labels = ()
    relabel: dict[Name, dict[Label, Label]] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        own = _OWN[self.kind]
        given = {name for name in set().union(*_OWN.values()) if name in self.model_fields_set}
        if foreign := sorted(given - own):
            takes = ", ".join(sorted(own)) or "none of its kind"
            raise ValueError(f"a {self.kind} takes no {foreign[0]}, it takes {takes}")
        for name in (*self.weights, *self.relabel):
            if name not in self.components:
                known = ", ".join(self.components)
                raise ValueError(f"no component is named {name!r}, have {known}")
        if self.classifier is None:
            self.rule(None)  # what can be refused before any model is looked up
        return self

    def rule(self, decides: Port | None) -> Rule:
        """The rule of the document.

        Args:
            decides: Output type of the classifier, where there is one.

        Raises:
            InvalidInputError: Parts are missing, or do not belong to this kind.
        """
        names = tuple(self.components)
        try:
            match self.kind:
                case "pipeline":
                    return Pipeline(order=names)
                case "ensemble":
                    return Ensemble(
                        mean=self.mean, weights={n: self.weights.get(n, 1) for n in names}
                    )
                case "cascade":
                    return Cascade(
                        order=names, confidence=self.confidence, thresholds=self.thresholds
                    )
                case "router":
                    routes = tuple(Route(label=a, use=b) for a, b in self.routes.items())
                    return Router(
                        classifier=self.classifier,
                        decides=decides,
                        routes=routes,
                        rules=self.rules,
                        otherwise=self.otherwise,
                    )
        except ValidationError as error:
            raise InvalidInputError(f"{self.kind}: {explain(error)}") from None


_OWN: Mapping[str, set[str]] = {
    "pipeline": set(),
    "ensemble": {"mean", "weights"},
    "cascade": {"confidence", "thresholds"},
    "router": {"classifier", "routes", "rules", "otherwise"},
}


def read_recipe(document: Mapping[str, Any]) -> Recipe:
    """Check what YAML or flags say.

    Raises:
        InvalidInputError: Names the first part that is wrong.
    """
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise InvalidInputError(f"composition: {explain(error)}") from None
