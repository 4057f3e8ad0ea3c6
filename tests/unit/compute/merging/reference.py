"""The merge methods in plain NumPy, whole tensors at once: what the fast ones are tested against.

Sums are in float64, elementwise arithmetic in float32, as docs of the methods say.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Values = Mapping[str, Any]
_MASK = (1 << 64) - 1


def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Philox4x64-10 from the paper (Salmon et al. 2011, section 5), with Python's integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (p1 >> 64) ^ c1 ^ k0, p1 & _MASK, (p0 >> 64) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & _MASK, (k1 + 0xBB67AE8584CAA73B) & _MASK
    return [c0, c1, c2, c3]


def words(seed: int, stream: int, count: int) -> NDArray[np.uint32]:
    """The 32-bit word of each element."""
    found: list[int] = []
    for block in range(-(-count // 8)):
        for word in philox([block + 1, 0, 0, 0], [seed, stream]):
            found += [word & 0xFFFFFFFF, word >> 32]
    return np.array(found[:count], dtype=np.uint32)


def merge(
    name: str,
    tensors: Sequence[Array],
    parameters: Sequence[Values],
    base: Array | None,
    settings: Values,
    seed: int,
) -> Array:
    """What the method of that name gives; all parameters must be there."""
    return globals()[f"_{name}"](tensors, parameters, base, settings, seed)


def _linear(tensors, parameters, base, settings, seed):
    weights = [p["weight"] for p in parameters]
    total = sum(weights) if settings["normalize"] else 1
    return sum(t * np.float32(w / total) for t, w in zip(tensors, weights, strict=True))


def _passthrough(tensors, parameters, base, settings, seed):
    return tensors[0] * np.float32(parameters[0]["scale"])


def _arc(cosine: float, t: float) -> tuple[float, float]:
    angle = math.acos(min(1, max(-1, cosine)))
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)


def _inner(a: Array, b: Array) -> float:
    return math.fsum((a.astype(float) * b.astype(float)).ravel())


def _slerp(tensors, parameters, base, settings, seed):
    (other,), t = tensors, settings["t"]
    lengths = [math.sqrt(_inner(x, x)) for x in (base, other)]
    cosine = _inner(base, other)
    for length in lengths:
        cosine /= length if length > 1e-8 else 1
    first, second = (1 - t, t) if abs(cosine) > 0.9995 else _arc(cosine, t)
    return base * np.float32(first) + other * np.float32(second)


def _nuslerp(tensors, parameters, base, settings, seed):
    w0, w1 = (p["weight"] for p in parameters)
    t = w1 / (w0 + w1) if abs(w0 + w1) >= 1e-6 else 0.5
    v0, v1 = tensors if base is None else (tensor - base for tensor in tensors)
    point = np.empty_like(v0)
    for where in _lanes(v0.shape, settings):
        a, b = v0[where], v1[where]
        lengths = [max(math.sqrt(_inner(x, x)), 1e-7) for x in (a, b)]
        cosine = _inner(a, b) / lengths[0] / lengths[1]
        first, second = (1 - t, t) if 1 - cosine**2 <= 2**-24 else _arc(cosine, t)
        point[where] = a * np.float32(first) + b * np.float32(second)
    return point if base is None else base + point


def _lanes(shape, settings):
    if settings["nuslerp_flatten"] or not shape:
        return [...]
    if settings["nuslerp_row_wise"]:
        return [(slice(None), *index) for index in np.ndindex(shape[1:])]
    return list(np.ndindex(shape[:-1]))


def _model_stock(tensors, parameters, base, settings, seed):
    is_by_row = settings["filter_wise"] and base.ndim
    result = np.empty_like(base)
    count = len(tensors)
    for where in np.ndindex(base.shape[:-1]) if is_by_row else [...]:
        deltas = [tensor[where] - base[where] for tensor in tensors]
        cosines = [
            _inner(a, b) / max(math.sqrt(_inner(a, a)) * math.sqrt(_inner(b, b)), 1e-6)
            for a, b in combinations(deltas, 2)
        ]
        cosine = sum(min(1, max(-1, c)) for c in cosines) / len(cosines)
        denominator = 1 + (count - 1) * cosine
        ratio = count * cosine / denominator if abs(denominator) >= 1e-6 else 0
        average = sum(tensor[where] for tensor in tensors) / np.float32(count)
        result[where] = average * np.float32(ratio) + base[where] * (1 - np.float32(ratio))
    return result


# --- task vectors


def _add(tensors, parameters, base, settings, masks, has_consensus):
    """The family: mask, rescale, weigh, agree, sum, normalise."""
    weights = [p["weight"] for p in parameters]
    deltas = []
    for tensor, mask, weight in zip(tensors, masks, weights, strict=True):
        delta = tensor - base
        kept = np.where(mask, delta, np.float32(0))
        before, after = (np.abs(x.astype(float)).sum() for x in (delta, kept))
        is_scaled = settings["rescale"] and before >= 1e-7 and after >= 1e-7
        deltas.append(kept * np.float32(weight * (before / after if is_scaled else 1)))
    if has_consensus:
        sign = np.where(sum(deltas) >= 0, 1, -1)
        agree = [np.sign(delta) == sign for delta in deltas]
        mixed = sum(np.where(a, d, np.float32(0)) for a, d in zip(agree, deltas, strict=True))
        divisor = sum(a * np.float32(w) for a, w in zip(agree, weights, strict=True))
        divisor = np.where(divisor == 0, np.float32(1), divisor)
    else:
        mixed = sum(deltas)
        divisor = np.float32(sum(weights) if abs(sum(weights)) >= 1e-8 else 1)
    if settings["normalize"]:
        mixed = mixed / divisor
    return base + mixed * np.float32(settings["lambda"])


def _everything(tensors):
    return [np.ones(tensor.shape, bool) for tensor in tensors]


def _task_arithmetic(tensors, parameters, base, settings, seed):
    return _add(tensors, parameters, base, settings, _everything(tensors), False)


def largest(delta: Array, density: float) -> NDArray[np.bool_]:
    """The largest part; among equal ones the first."""
    count = max(1, int(density * delta.size)) if density > 0 else 0
    mask = np.zeros(delta.size, bool)
    mask[np.argsort(-np.abs(delta).ravel(), kind="stable")[:count]] = True
    return mask.reshape(delta.shape)


def middle(delta: Array, density: float, gamma: float) -> NDArray[np.bool_]:
    """Without the largest gamma and the smallest; all of it at density 1."""
    if density >= 1:
        return np.ones(delta.shape, bool)
    kept = int(density * delta.size)
    start = max(0, delta.size - kept - int(gamma * delta.size))
    mask = np.zeros(delta.size, bool)
    mask[np.argsort(np.abs(delta).ravel(), kind="stable")[start : start + kept]] = True
    return mask.reshape(delta.shape)


def by_chance(delta: Array, density: float, seed: int, stream: int) -> NDArray[np.bool_]:
    """Each with probability density."""
    chances = np.full(delta.size, math.floor(density * 2**32), np.uint64)
    return (words(seed, stream, delta.size) < chances).reshape(delta.shape)


def by_rank(
    delta: Array, density: float, epsilon: float, seed: int, stream: int
) -> NDArray[np.bool_]:
    """Each with a probability by its rank along the second axis."""
    if density >= 1 or density <= 0:
        return np.full(delta.shape, density >= 1)
    lanes = np.abs(delta if delta.ndim > 1 else delta.reshape(1, -1))
    ranks = np.argsort(np.argsort(lanes, axis=1, kind="stable"), axis=1, kind="stable")
    length = lanes.shape[1]
    steps = ranks / (length - 1) if length > 1 else np.full(lanes.shape, 0.5)
    chances = np.floor(((density - epsilon) + steps * 2 * epsilon) * 2**32).astype(np.uint64)
    drawn = words(seed, stream, delta.size).reshape(lanes.shape)
    return (drawn < chances).reshape(delta.shape)


def _ties(tensors, parameters, base, settings, seed):
    masks = [largest(t - base, p["density"]) for t, p in zip(tensors, parameters, strict=True)]
    return _add(tensors, parameters, base, settings, masks, True)


def _middles(tensors, parameters, base):
    pairs = zip(tensors, parameters, strict=True)
    return [middle(tensor - base, p["density"], p["gamma"]) for tensor, p in pairs]


def _breadcrumbs(tensors, parameters, base, settings, seed):
    return _add(tensors, parameters, base, settings, _middles(tensors, parameters, base), False)


def _breadcrumbs_ties(tensors, parameters, base, settings, seed):
    return _add(tensors, parameters, base, settings, _middles(tensors, parameters, base), True)


def _chances(tensors, parameters, base, seed):
    pairs = enumerate(zip(tensors, parameters, strict=True))
    return [by_chance(tensor - base, p["density"], seed, index) for index, (tensor, p) in pairs]


def _dare_linear(tensors, parameters, base, settings, seed):
    masks = _chances(tensors, parameters, base, seed)
    return _add(tensors, parameters, base, settings, masks, False)


def _dare_ties(tensors, parameters, base, settings, seed):
    masks = _chances(tensors, parameters, base, seed)
    return _add(tensors, parameters, base, settings, masks, True)


def _ranks(tensors, parameters, base, seed):
    pairs = enumerate(zip(tensors, parameters, strict=True))
    return [by_rank(t - base, p["density"], p["epsilon"], seed, i) for i, (t, p) in pairs]


def _della(tensors, parameters, base, settings, seed):
    masks = _ranks(tensors, parameters, base, seed)
    return _add(tensors, parameters, base, settings, masks, True)


def _della_linear(tensors, parameters, base, settings, seed):
    masks = _ranks(tensors, parameters, base, seed)
    return _add(tensors, parameters, base, settings, masks, False)
