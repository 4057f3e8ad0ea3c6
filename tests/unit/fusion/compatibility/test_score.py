"""The learned score: what it was trained on, what it says, and when it keeps silent."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.methods import merge
from joynet_sdk.compute.merging.similarity import compare_arrays
from joynet_sdk.fusion.compatibility.score import FEATURES, METHODS, Score, features

MERGES = Path(__file__).parents[4] / "benchmarks" / "data" / "merges.csv"
LAYERS = 2


@pytest.fixture(scope="module")
def score() -> Score:
    return Score.load()


def new(rng):
    return {
        "0.weight": rng.normal(size=(32, 64)).astype("f4") * 0.18,
        "0.bias": np.zeros(32, "f4"),
        "1.weight": rng.normal(size=(10, 32)).astype("f4") * 0.25,
        "1.bias": np.zeros(10, "f4"),
    }


def tuned(network, x, y, steps, rate):
    """Plain gradient descent on everything at once."""
    network = {name: torch.tensor(value, requires_grad=True) for name, value in network.items()}
    adam = torch.optim.Adam(network.values(), lr=rate)
    for _ in range(steps):
        adam.zero_grad()
        torch.nn.functional.cross_entropy(
            logits(network, torch.tensor(x)), torch.tensor(y)
        ).backward()
        adam.step()
    return {name: value.detach().numpy() for name, value in network.items()}


def logits(network, x):
    hidden = torch.relu(x @ network["0.weight"].T + network["0.bias"])
    return hidden @ network["1.weight"].T + network["1.bias"]


def accuracy(network, x, y):
    held = {name: torch.from_numpy(value) for name, value in network.items()}
    return float((logits(held, torch.from_numpy(x)).argmax(1).numpy() == y).mean())


def averaged(models):
    result = {}
    for name in models[0]:
        tensors = tuple(torch.from_numpy(model[name]) for model in models)
        result[name] = merge("linear", MergeInputs(name, tensors, ({},) * len(models))).numpy()
    return result


@pytest.fixture(scope="module")
def merges(score):
    """Merges made here: (expected, measured, similarity) by how the two experts came about."""
    pixels, labels = load_digits(return_X_y=True)
    x, y = (pixels / 16).astype("f4"), labels
    train, test, low = slice(0, 1200), slice(1200, None), y < 5
    rng = np.random.default_rng(5)
    base = tuned(new(rng), x[train], y[train], 60, 0.01)
    here = np.zeros(len(y), bool)
    here[train] = True
    pairs = {
        "light": [tuned(base, x[here & s], y[here & s], 10, 1e-3) for s in (low, ~low)],
        "heavy": [tuned(base, x[here & s], y[here & s], 200, 1e-2) for s in (low, ~low)],
        "strangers": [tuned(new(rng), x[train], y[train], 60, 0.01) for _ in range(2)],
    }
    found = {}
    for name, models in pairs.items():
        near = compare_arrays(models, base if name != "strangers" else None)
        masks = (low, ~low) if name != "strangers" else (low | True, low | True)
        kept = [
            accuracy(averaged(models), x[test][mask[test]], y[test][mask[test]])
            / accuracy(model, x[test][mask[test]], y[test][mask[test]])
            for model, mask in zip(models, masks, strict=True)
        ]
        estimate = score.estimate(near, 2, LAYERS, "linear")
        found[name] = (estimate, float(np.mean(kept)), near)
    return found


def test_the_score_orders_merges_that_it_has_never_seen(merges):
    expected = {name: estimate.kept for name, (estimate, _, _) in merges.items()}
    measured = {name: kept for name, (_, kept, _) in merges.items()}
    assert None not in expected.values()
    assert expected["light"] > expected["strangers"] + 0.1
    assert expected["heavy"] > expected["strangers"]
    assert measured["light"] > measured["strangers"] + 0.1
    assert abs(expected["light"] - measured["light"]) < 0.15


def test_the_interval_and_the_reasons(merges):
    estimate, _, _ = merges["light"]
    assert estimate.low < estimate.kept < estimate.high
    assert estimate.reasons[0].endswith("before anything is known")
    assert any("cosine" in reason or "distance" in reason for reason in estimate.reasons[1:])


def test_the_parts_add_up(score, merges):
    row = features(merges["heavy"][2], 2, LAYERS, "linear")
    value, parts = score.explain(row)
    roots = sum(tree["value"][0] for tree in score.document["trees"])
    assert value == pytest.approx(score.document["start"] + roots + sum(parts.values()))
    assert parts.keys() == set(FEATURES)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"parameters": 22_000_000}, "parameters (log10) is 7.34"),
        ({"weight_cosine": 0.4}, "weight cosine is 0.4"),
        ({"distance": 9.0}, "distance is 9"),
    ],
)
def test_outside_its_range_there_is_no_estimate(change, shown, score, merges):
    near = merges["light"][2]._replace(**change)
    estimate = score.estimate(near, 2, LAYERS, "linear")
    assert (estimate.kept, estimate.low, estimate.high) == (None, None, None)
    assert any(reason.startswith(shown) for reason in estimate.reasons)


@pytest.mark.parametrize(("models", "layers"), [(5, 2), (2, 40)])
def test_no_estimate_for_other_numbers_of_models_and_layers(models, layers, score, merges):
    assert score.estimate(merges["light"][2], models, layers, "linear").kept is None


def test_no_estimate_for_other_methods(score, merges):
    assert score.estimate(merges["light"][2], 2, LAYERS, "della").kept is None


def test_the_committed_merges_are_what_the_figures_are_about(score):
    with MERGES.open() as file:
        rows = list(csv.DictReader(file))
    assert MERGES.stat().st_size < 200_000
    assert len(rows) == score.figures["merges"]
    assert len({row["group"] for row in rows}) == score.figures["groups"]
    assert {row["method"] for row in rows} == set(METHODS)


def test_the_figures_beat_saying_the_mean(score):
    for name in ("held_out", "held_out_related", "held_out_data_sets"):
        figures = score.figures[name]
        assert figures["mae"] < 0.75 * figures["mae_of_mean"]
        assert figures["spearman"] > 0.4


def test_calibration_of_the_well_filled_bins(score):
    for each in score.document["bins"]:
        assert each["low"] < 0 < each["high"]
        if each["merges"] >= 300:
            assert abs(each["predicted"] - each["measured"]) < 0.05
