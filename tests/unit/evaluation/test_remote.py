"""Buying answers: quoted before, capped, stored at once, nothing paid twice."""

from types import SimpleNamespace

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError, NotFoundError, UnavailableError
from joynet_sdk.evaluation.items import Dataset, Item
from joynet_sdk.evaluation.measuring import Options
from joynet_sdk.evaluation.remote import Bought
from joynet_sdk.evaluation.service import Evaluation
from joynet_sdk.formats import Engine, InputSpec, Manifest, OutputSpec
from joynet_sdk.inference.codec import Decoded

MODEL = bytes(range(32))
PRICE = 7


class Market:
    """An `Inference` with one node, and what it was asked."""

    def __init__(self, *, breaks_after=10**9, offers=1):
        self.asked, self.breaks_after, self.offers = [], breaks_after, offers
        self.model = MODEL

    def resolve(self, ref):
        return self.model

    def routes(self, model_id):
        return [SimpleNamespace(price=PRICE, is_eligible=True)] * self.offers

    def ask(self, ref, inputs, max_price):
        assert max_price == PRICE
        results = []
        for data in inputs:
            if len(self.asked) >= self.breaks_after:
                return results, UnavailableError("the node went away")
            self.asked.append(data)
            label = "yes" if data.endswith(b" 16]") else "no"
            odds = {"no": 0.1, "yes": 0.1, label: 0.9}
            decoded = Decoded(label, {"label": label, "probabilities": odds})
            results.append(SimpleNamespace(price=PRICE - 1, decoded=decoded))
        return results, None


def manifest(dtype="int8"):
    return Manifest(
        title="t",
        architecture="qmodel/2",
        engine=Engine(name="qmodel", profile="qmodel/2"),
        verification="exact",
        root="",
        files=[],
        input=InputSpec(kind="tensor", dtype=dtype, shape=[2]),
        output=OutputSpec(kind="logits", dtype="int8", shape=[2], labels=["no", "yes"]),
        license="MIT",
    )


def dataset(step=1 / 16):
    items = tuple(Item((np.array([i / 16, i % 2]),), float(i % 2)) for i in range(20))
    return Dataset("t", "classify", "all", "here", 0, None, items, ("no", "yes"), step)


@pytest.fixture
def bench(tmp_path, machine):
    def make(market, dtype="int8"):
        remote = Bought(lambda: market, market.ask, lambda model_id: manifest(dtype))
        return Evaluation(tmp_path, machine, None, None, remote)

    return make


def test_it_is_quoted_asked_and_reported(bench):
    market = Market()
    evaluation = bench(market)
    quote = evaluation.quote("digits.joy", dataset())
    assert (quote.model_id, quote.calls, quote.price, quote.total) == (MODEL, 20, 7, 140)
    report = evaluation.run("digits.joy", dataset(), quote=quote, is_signed=False).report
    assert (report.work.paid, report.model.is_remote) == ("120", True)
    assert report.model.model_id == "0x" + MODEL.hex()
    assert report.metric.value == "1"
    assert market.asked[1] == b"[1, 16]"
    assert evaluation.quote("digits.joy", dataset()).total == 0


def test_what_was_paid_before_an_error_is_not_paid_again(bench):
    market = Market(breaks_after=17)
    evaluation = bench(market)
    with pytest.raises(UnavailableError, match="went away"):
        evaluation.run(
            "m.joy", dataset(), quote=evaluation.quote("m.joy", dataset()), is_signed=False
        )
    market.breaks_after = 10**9
    quote = evaluation.quote("m.joy", dataset())
    assert quote.calls == 3
    report = evaluation.run("m.joy", dataset(), quote=quote, is_signed=False).report
    assert (report.work.from_cache, report.work.paid) == (17, "18")
    assert len(market.asked) == 20


def test_a_name_that_was_bound_to_another_model_meanwhile_is_refused(bench):
    market = Market()
    evaluation = bench(market)
    quote = evaluation.quote("m.joy", dataset())
    market.model = bytes(32)
    with pytest.raises(InvalidInputError, match="another model now"):
        evaluation.run("m.joy", dataset(), quote=quote, is_signed=False)
    assert market.asked == []


def test_nodes_choose_their_own_settings(bench):
    evaluation = bench(Market())
    quote = evaluation.quote("m.joy", dataset())
    with pytest.raises(InvalidInputError, match="leave both"):
        evaluation.run("m.joy", dataset(), Options(batch_size=4), quote=quote, is_signed=False)


def test_a_model_that_nobody_offers_has_no_price(bench):
    with pytest.raises(NotFoundError, match="node for"):
        bench(Market(offers=0)).quote("m.joy", dataset())


def test_real_numbers_need_a_model_that_reads_them(bench):
    market = Market()
    evaluation = bench(market)
    quote = evaluation.quote("m.joy", dataset(step=0))
    with pytest.raises(InvalidInputError, match="does not say what one step means"):
        evaluation.run("m.joy", dataset(step=0), quote=quote, is_signed=False)
    floats = bench(market, "float32")
    floats.run("m.joy", dataset(step=0), quote=quote, is_signed=False)
    assert market.asked[1] == b"[0.0625, 1.0]"
