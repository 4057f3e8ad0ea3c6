"""Statistics against SciPy, scikit-learn and numbers worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.evaluation import metrics, statistics
from joynet_sdk.evaluation.items import Dataset, Item
from joynet_sdk.evaluation.metrics import Outcomes

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (3, 7), (539, 540), (250, 1000)])
def test_share_intervals_are_scipys(right, n):
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert statistics.wilson(right / n, n) == pytest.approx((expected.low, expected.high))


def test_standard_errors_by_hand():
    assert statistics.binomial_error(0.9, 100) == pytest.approx(0.03)
    assert statistics.mean_error(np.array([1.0, 3.0])) == pytest.approx(1.0)
    assert statistics.mean_error(np.array([1.0])) == math.inf
    # A alone right on 15 items of 100, B alone on 5: difference 0.1, sqrt((0.2 - 0.01) / 100).
    assert statistics.paired_error(15, 5, 100) == pytest.approx(math.sqrt(0.0019))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 9), (5, 5), (30, 12), (400, 600)])
def test_mcnemar_is_scipys_binomial_test(b, c):
    expected = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert statistics.mcnemar(b, c) == pytest.approx(expected, rel=1e-9)


def test_rank_correlation_is_scipys_with_ties():
    a, b = RNG.integers(0, 6, 50).astype(float), RNG.normal(size=50)
    assert np.array_equal(statistics.ranks(a), stats.rankdata(a))
    assert statistics.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert math.isnan(statistics.spearman(a, np.ones(50)))


def test_bootstrap_of_a_mean_finds_its_standard_error():
    values = RNG.normal(size=200)
    resampled = statistics.bootstrap(lambda at: float(values[at].mean()), 200, seed=1)
    error, low, high = statistics.spread(resampled)
    assert error == pytest.approx(statistics.mean_error(values), rel=0.1)
    assert low < values.mean() < high
    again = statistics.bootstrap(lambda at: float(values[at].mean()), 200, seed=1)
    assert np.array_equal(resampled, again)


def test_bootstrap_p_values():
    assert statistics.bootstrap_p(np.full(1999, 0.3)) == pytest.approx(2 / 2000)
    assert statistics.bootstrap_p(np.array([-1.0, 1.0] * 500)) == 1.0
    assert statistics.bootstrap_p(np.empty(0)) == 1.0


# --- metrics


def classified(expected, predicted):
    return Outcomes("classify", np.array(expected, float), np.array(predicted, float))


def test_accuracy_f1_and_classes():
    expected, predicted = RNG.integers(0, 4, 300), RNG.integers(0, 4, 300)
    found = classified(expected, predicted)
    accuracy, f1 = metrics.measure(found, list("abcd"), seed=0)
    assert accuracy.value == pytest.approx((expected == predicted).mean())
    assert f1.value == pytest.approx(f1_score(expected, predicted, average="macro"))
    assert 0 < f1.stderr < 0.05
    assert f1.low < f1.value < f1.high
    for index, part in enumerate(metrics.per_class(found, list("abcd"))):
        of_class = expected == index
        assert part.value == pytest.approx((predicted[of_class] == index).mean())
        assert part.items == of_class.sum()


def test_a_class_that_does_not_occur_is_left_out():
    found = classified([0, 0, 1], [0, 1, 1])
    assert [part.name for part in metrics.per_class(found, list("abc"))] == ["a", "b"]
    assert metrics.measure(found, list("abc"), 0)[1].value == pytest.approx(2 / 3)


def test_perplexity_weighs_tokens_not_texts():
    found = Outcomes("perplexity", np.array([1.0, 3.0]), np.array([math.log(16), 0.0]))
    [metric] = metrics.measure(found, [], 0)
    assert metric.value == pytest.approx(2.0)  # 16 ** (1 / 4)


def test_squared_error():
    found = Outcomes("regress", np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 2.0]))
    [metric] = metrics.measure(found, [], 0)
    assert metric.value == pytest.approx(5 / 3)
    assert metric.stderr == pytest.approx(stats.sem([0, 4, 1]))


def task(kind, labels=(), n=2):
    items = tuple(Item(("x", "y") if kind == "similarity" else ("x",), float(i)) for i in range(n))
    return Dataset("t", kind, "all", "here", 0, None, items, labels)


def test_answers_that_mean_nothing_are_refused():
    with pytest.raises(VerificationError, match="item 2 of t: the model answered NaN"):
        metrics.outcomes_of(
            task("classify", ("a", "b")), [[np.array([0.0, 1])], [np.array([np.nan, 1])]]
        )
    with pytest.raises(InvalidInputError, match="the model gives 3 numbers, t expects 2"):
        metrics.outcomes_of(task("classify", ("a", "b")), [[np.zeros(3)]] * 2)
    with pytest.raises(InvalidInputError, match="no text has two tokens"):
        metrics.outcomes_of(task("perplexity"), [[np.zeros(2)]] * 2)
    constant = Outcomes("similarity", np.array([1.0, 1.0]), np.array([0.2, 0.3]))
    with pytest.raises(InvalidInputError, match="every similarity is the same"):
        metrics.measure(constant, [], 0)
    hopeless = Outcomes("perplexity", np.array([1.0]), np.array([900.0]))
    with pytest.raises(VerificationError, match="beyond e\\^700"):
        metrics.measure(hopeless, [], 0)


def test_similarity_is_the_cosine():
    pairs = [[np.array([1.0, 0]), np.array([2.0, 0])], [np.array([1.0, 0]), np.array([0.0, 0])]]
    assert metrics.outcomes_of(task("similarity"), pairs).predicted.tolist() == [1.0, 0.0]
