"""Standard errors, intervals and paired tests. NumPy only; tests compare them with SciPy."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Z95 = 1.959963984540054  # two-sided 95% of the normal distribution
RESAMPLES = 1000
SIGNIFICANCE = 0.05


def binomial_error(share: float, n: int) -> float:
    """Standard error of a share of n independent trials."""
    return math.sqrt(share * (1 - share) / n)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95% interval of a share, honest also near 0 and 1: Wilson 1927."""
    z2 = Z95 * Z95 / n
    middle = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_error(values: Values) -> float:
    """Standard error of a mean; infinite for fewer than two values."""
    if len(values) < 2:
        return math.inf
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], n: int, seed: int, resamples: int = RESAMPLES
) -> Values:
    """A statistic over resamples of n items, drawn with replacement: Efron 1979.

    Args:
        statistic: From indices (n,) to a number; a NaN (a degenerate resample) is left out.

    Returns:
        (<= resamples,) sorted.
    """
    rng = np.random.default_rng(seed)
    found = np.array([statistic(rng.integers(n, size=n)) for _ in range(resamples)], float)
    return np.sort(found[~np.isnan(found)])


def spread(resampled: Values) -> tuple[float, float, float]:
    """Standard error and 95% percentile interval of a bootstrap; infinite when it is empty."""
    if len(resampled) < 2:
        return math.inf, -math.inf, math.inf
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(resampled.std(ddof=1)), float(low), float(high)


def ranks(values: Values) -> Values:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], float)


def pearson(a: Values, b: Values) -> float:
    """Correlation; NaN when one side is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else math.nan


def spearman(a: Values, b: Values) -> float:
    """Rank correlation; NaN when one side is constant."""
    return pearson(ranks(a), ranks(b))


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value: McNemar 1947 in the binomial form.

    Args:
        only_a: Items that A alone got right.
        only_b: Items that B alone got right.
    """
    n, k = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(k + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(x) for x in logs))


def paired_error(only_a: int, only_b: int, n: int) -> float:
    """Standard error of the difference of two shares over the same n items."""
    difference = (only_a - only_b) / n
    return math.sqrt(max(0.0, (only_a + only_b) / n - difference**2) / n)


def bootstrap_p(differences: Values) -> float:
    """Two-sided p-value of "no difference" from resampled differences, never below 2 / (n + 1)."""
    n = len(differences)
    if n == 0:
        return 1.0
    below, above = int((differences <= 0).sum()), int((differences >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (n + 1))


def normal_p(z: float) -> float:
    """Two-sided p-value of a standard normal."""
    return math.erfc(abs(z) / math.sqrt(2))
