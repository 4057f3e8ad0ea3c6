"""The family of methods that add task vectors, pruned in some way, to the base.

Ilharco et al. 2023, "Editing Models with Task Arithmetic", arXiv:2212.04089: a task vector is a
tuned model less the base it was tuned from.
"""

from collections.abc import Callable, Sequence

import torch

from joynet_sdk.compute.merging.blocks import Blocks, spans
from joynet_sdk.compute.merging.consensus import agreed
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.pruning import Everything, Pruner
from joynet_sdk.compute.merging.sums import Sum

_TINY_MAGNITUDES = 1e-7  # a sum of magnitudes that is not rescaled
_TINY_WEIGHTS = 1e-8  # a sum of weights that is not divided by

MakePruner = Callable[[Blocks, int], Pruner]


def merge_task_vectors(
    inputs: MergeInputs, make_pruner: MakePruner, *, has_consensus: bool
) -> torch.Tensor:
    """base + lambda x (sum of weight x rescaled, pruned task vector), normalised if asked for.

    Args:
        inputs: With all parameters.
        make_pruner: Gives the pruner of the task vector of that index.
        has_consensus: Add only those whose sign prevails, element by element.
    """
    blocks = Blocks(inputs)
    weights = [float(values["weight"]) for values in inputs.parameters]
    pruners = [make_pruner(blocks, index) for index in range(len(weights))]
    factors = weights
    if inputs.settings["rescale"]:
        factors = [
            weight * _restoring(blocks, index, pruner)
            for index, (weight, pruner) in enumerate(zip(weights, pruners, strict=True))
        ]
    is_normalized, scale = bool(inputs.settings["normalize"]), float(inputs.settings["lambda"])
    if is_normalized and not has_consensus and abs(sum(weights)) >= _TINY_WEIGHTS:
        scale /= sum(weights)
    for span in spans(blocks.count, _unit(pruners)):
        base = blocks.base(span)
        deltas = []
        for index, (pruner, factor) in enumerate(zip(pruners, factors, strict=True)):
            delta = blocks.delta(index, span, base)
            pruner.prune(delta, span)
            deltas.append(delta.mul_(factor))
        mixed = (
            agreed(deltas, weights, is_normalized=is_normalized)
            if has_consensus
            else _summed(deltas)
        )
        if scale != 1:
            mixed.mul_(scale)
        blocks.write(span, mixed.add_(base))
    return blocks.result


def keep_everything(blocks: Blocks, index: int) -> Pruner:
    """The pruner of methods that prune nothing."""
    return Everything()


def _summed(deltas: Sequence[torch.Tensor]) -> torch.Tensor:
    for delta in deltas[1:]:
        deltas[0].add_(delta)
    return deltas[0]


def _unit(pruners: Sequence[Pruner]) -> int:
    return max(pruner.unit for pruner in pruners)


def _restoring(blocks: Blocks, index: int, pruner: Pruner) -> float:
    """The factor that gives a pruned task vector the sum of magnitudes that it had."""
    if isinstance(pruner, Everything):
        return 1.0
    whole, kept = Sum(), Sum()
    for span in spans(blocks.count, pruner.unit):
        delta = blocks.delta(index, span)
        whole.add_magnitudes(delta)
        pruner.prune(delta, span)
        kept.add_magnitudes(delta)
    before, after = whole.total(), kept.total()
    return before / after if before >= _TINY_MAGNITUDES and after >= _TINY_MAGNITUDES else 1.0
