"""Models on the marketplace: describe, publish, look up, get paid."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.formats import (
    Card,
    Engine,
    InputSpec,
    Manifest,
    OutputSpec,
    check_lister,
    model_cid,
)
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import Address, JoyWei, ModelId
from joynet_sdk.units import format_joy

PUBLISH_FLOW = "model.publish"
VECTOR_TOLERANCE = 4  # int16 steps; far above the drift of fp32 on CPUs, far below any meaning
MAX_CONFIG_BYTES = 1 << 20
EXACT, TOLERANT = 0, 1
ZERO = "0x" + "00" * 20


class Library(Protocol):
    """The local models; `storage.library.Library` in use."""

    def add(self, path: Path, card: Card) -> Manifest:
        """Scan, store, describe and pin a model."""

    def load(self, model_id: ModelId) -> Manifest:
        """A stored manifest."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A model on the marketplace, amounts in wei."""

    model_id: str
    cid: str
    publisher: Address
    price: JoyWei
    verification: str
    tolerance: int
    is_active: bool
    nodes: int
    manifest: Manifest | None


class Models:
    """Reached as `JoyNet().models`."""

    def __init__(self, chain: Chain, flows: Flows, library: Library) -> None:
        self._chain, self._flows, self._library = chain, flows, library

    def publish(self, path: Path, card: Card, price: JoyWei) -> Manifest:
        """Store a model's files and list it; the account becomes its publisher.

        Publishing a model of one's own again changes its price: a lower one holds at once, a
        higher one after a day.

        Args:
            path: The folder that `card` describes.
            price: Wei per call.

        Raises:
            InvalidInputError: A file is refused, or somebody else has listed this model.
        """
        manifest = self._library.add(path, card.by(self._chain.account.address))
        market = self._chain.contract("ModelMarketplace")
        listed = market.call("listing", manifest.model_id)
        if listed["publisher"] == ZERO:
            args = {
                "model_id": "0x" + manifest.model_id.hex(),
                "price": str(price),
                "verification": TOLERANT if manifest.verification == "tolerant" else EXACT,
                "tolerance": manifest.tolerance or 0,
            }
            title = f"list {card.title!r:.60} for {format_joy(price)} a call"
            self._flows(PUBLISH_FLOW, title, args)
        elif listed["publisher"] != self._chain.account.address:
            raise InvalidInputError(f"this model is listed already, by {listed['publisher']}")
        elif price != self._next_price(manifest.model_id, listed["price"]):
            market.transact("set_price", manifest.model_id, price, listed["token_price"])
        return manifest

    def _next_price(self, model_id: ModelId, price: int) -> int:
        """Wei per call once a change that waits for its notice holds."""
        market = self._chain.contract("ModelMarketplace")
        scheduled, _, effective_at = market.call("scheduled_price", model_id)
        return int(scheduled) if effective_at else price

    def show(self, model_id: ModelId) -> Listing:
        """A listed model.

        Raises:
            NotFoundError: It was never listed.
        """
        listed: dict[str, Any] = self._chain.contract("ModelMarketplace").call("listing", model_id)
        if listed["publisher"] == ZERO:
            raise NotFoundError("listed model", "0x" + model_id.hex())
        try:
            manifest = self._library.load(model_id)
            check_lister(manifest, listed["publisher"])
        except NotFoundError:
            manifest = None
        return Listing(
            model_id="0x" + model_id.hex(),
            cid=model_cid(model_id),
            publisher=Address(listed["publisher"]),
            price=JoyWei(listed["price"]),
            verification="tolerant" if listed["verification"] == TOLERANT else "exact",
            tolerance=listed["tolerance"],
            is_active=listed["active"],
            nodes=len(self._chain.contract("NodeCoordinator").call("offers_of", model_id)),
            manifest=manifest,
        )

    # --- royalties ------------------------------------------------------------------------------

    def account(self, model_id: ModelId) -> JoyWei:
        """Wei that the model has earned and not distributed yet."""
        market = self._chain.contract("ModelMarketplace")
        return JoyWei(market.call("account_of", model_id))

    def claimable(self, owner: Address) -> JoyWei:
        """Wei that `claim` would send to an owner."""
        return JoyWei(self._chain.contract("ModelMarketplace").call("claimable", owner))

    def claim(self, model_ids: Sequence[ModelId] = ()) -> JoyWei:
        """Distribute these models' accounts, then claim what is owed to this account.

        Returns:
            Wei received; the contract's outflow limit may hold back the rest until later.
        """
        market = self._chain.contract("ModelMarketplace")
        for model_id in model_ids:
            if market.call("account_of", model_id):
                market.transact("distribute", model_id)
        if not self.claimable(self._chain.account.address):
            return JoyWei(0)
        return JoyWei(market.transact("claim").event("Claimed").args["amount"])


def publish_flow(run: Run) -> None:
    """list_model, owned by the publisher alone."""
    args, market = run.args, run.session.contract("ModelMarketplace")
    run.transact(
        "list",
        market,
        "list_model",
        args["model_id"],
        int(args["price"]),
        0,
        args["verification"],
        args["tolerance"],
        [],
    )


# --- describing files -----------------------------------------------------------------------------


def describe(path: Path, *, title: str, license_id: str, labels: Sequence[str] = ()) -> Card:
    """Recognise what lies at `path` and how it is served.

    Args:
        path: A folder with `model.safetensors` (a QModel, or a transformers encoder).
        labels: Names of a classifier's outputs.

    Raises:
        InvalidInputError: Nothing that an engine of this version runs.
    """
    if not path.is_dir():
        raise InvalidInputError(f"{path} is no folder, expected the folder of a model")
    config = path / "config.json"
    if config.is_file():
        return _describe_encoder(config, title, license_id)
    card = _describe_qmodel(path / "model.safetensors", title, license_id)
    if labels:
        if len(labels) != card.output.shape[0]:
            raise InvalidInputError(f"{len(labels)} labels, expected {card.output.shape[0]}")
        card = card.with_labels(labels)
    return card


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


def _describe_encoder(config: Path, title: str, license_id: str) -> Card:
    if config.stat().st_size > MAX_CONFIG_BYTES:
        raise InvalidInputError(f"config.json has {config.stat().st_size} bytes, expected <= 1 MiB")
    try:
        document = json.loads(config.read_bytes())
        architecture, width = str(document["model_type"]), int(document["hidden_size"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInputError(
            f"config.json: {error!r:.80}, expected a transformers config"
        ) from None
    if not 1 <= width <= 1024:
        raise InvalidInputError(f"config.json: hidden_size is {width}, expected 1 to 1,024")
    return Card(
        title=title,
        license=license_id,
        architecture=architecture,
        engine=Engine(name="transformers", profile="embed-mean-fp32/1"),
        verification="tolerant",
        input=InputSpec(kind="text", dtype="utf8", shape=[]),
        output=OutputSpec(kind="vector", dtype="float32", shape=[width]),
        tolerance=VECTOR_TOLERANCE,
    )
