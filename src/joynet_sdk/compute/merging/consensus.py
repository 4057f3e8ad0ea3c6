"""Sign consensus of TIES: per element, only task vectors of the prevailing sign are added.

Yadav et al. 2023, "TIES-Merging", arXiv:2306.01708, section 4, steps 2 and 3.
"""

from collections.abc import Sequence

import torch


def agreed(
    deltas: Sequence[torch.Tensor], weights: Sequence[float], *, is_normalized: bool
) -> torch.Tensor:
    """Sum of the weighted task vectors whose sign is that of the sum over all (0 counts as +).

    Args:
        deltas: Weighted and pruned task vectors, shape (n,) each; written to.
        weights: Their weights.
        is_normalized: Divide by the weights of those that took part, where these are not 0.

    Returns:
        Shape (n,).
    """
    total = deltas[0].clone()
    for delta in deltas[1:]:
        total.add_(delta)
    total.add_(0.0)  # -0 becomes +0
    sign = torch.copysign(torch.ones_like(total), total)
    mixed, divisor = torch.zeros_like(total), torch.zeros_like(total)
    for delta, weight in zip(deltas, weights, strict=True):
        delta.mul_(sign).clamp_(min=0)
        mixed.add_(delta)
        if is_normalized:
            divisor.add_(delta.sign_().mul_(weight))
    if is_normalized:
        divisor.masked_fill_(divisor == 0, 1)
        mixed.div_(divisor)
    return mixed.mul_(sign)
