"""Between the base and the average of the models, by the angle between their task vectors.

Jang et al. 2024, "Model Stock: All we need is just a few fine-tuned models", arXiv:2403.19522,
equation 6 for k models: ratio = k cos / (1 + (k - 1) cos), with the mean cosine over all pairs.
`filter_wise` takes a ratio for each vector along the last axis.
"""

from itertools import combinations

import torch

from joynet_sdk.compute.merging.blocks import Blocks, spans
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.lanes import Lanes

_TINY_LENGTHS = 1e-6  # of a product of lengths
_SINGULAR = 1e-6  # of the denominator: there the base is kept


def merge(inputs: MergeInputs) -> torch.Tensor:
    """ratio x average + (1 - ratio) x base."""
    blocks = Blocks(inputs)
    count = len(inputs.tensors)
    shape = inputs.tensors[0].shape
    is_whole = not inputs.settings["filter_wise"] or not shape
    lanes = Lanes.whole() if is_whole else Lanes.along_last(shape)
    ratios = torch.tensor(_ratios(blocks, lanes, count), dtype=blocks.working)
    for span in spans(blocks.count, lanes.unit):
        average = blocks.model(0, span).clone()
        for index in range(1, count):
            average.add_(blocks.model(index, span))
        point = lanes.scale(average.div_(count), ratios, span)
        blocks.write(span, point.add_(lanes.scale(blocks.base(span).clone(), 1 - ratios, span)))
    return blocks.result


def _ratios(blocks: Blocks, lanes: Lanes, count: int) -> list[float]:
    pairs = [*((index, index) for index in range(count)), *combinations(range(count), 2)]
    sums = {pair: lanes.sums() for pair in pairs}
    for span in spans(blocks.count, lanes.unit):
        base = blocks.base(span)
        deltas = [blocks.delta(index, span, base) for index in range(count)]
        for (one, other), products in sums.items():
            products.add_products(deltas[one], deltas[other])
    totals = {pair: products.totals() for pair, products in sums.items()}
    return [
        _ratio({pair: lane[place] for pair, lane in totals.items()}, count)
        for place in range(len(totals[0, 0]))
    ]


def _ratio(products: dict[tuple[int, int], float], count: int) -> float:
    """The ratio of one lane, from the inner products of its task vectors."""
    lengths = [products[index, index] ** 0.5 for index in range(count)]
    cosines = [
        min(1.0, max(-1.0, products[a, b] / max(lengths[a] * lengths[b], _TINY_LENGTHS)))
        for a, b in combinations(range(count), 2)
    ]
    cosine = sum(cosines) / len(cosines)
    denominator = 1 + (count - 1) * cosine
    return 0.0 if abs(denominator) < _SINGULAR else count * cosine / denominator
