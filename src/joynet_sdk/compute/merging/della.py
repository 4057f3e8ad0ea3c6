"""DELLA: drop elements at random, small ones more often, then elect signs as TIES does.

Deep et al. 2024, "DELLA-Merging: Reducing Interference in Model Merging through Magnitude-Based
Sampling", arXiv:2406.11617. What is left is rescaled to the sum of magnitudes before.
"""

import torch

from joynet_sdk.compute.merging.blocks import Blocks
from joynet_sdk.compute.merging.chances import by_rank
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.pruning import Pruner
from joynet_sdk.compute.merging.task_vectors import merge_task_vectors


def merge(inputs: MergeInputs) -> torch.Tensor:
    """Drop by rank, rescale, elect, merge."""

    def pruner(blocks: Blocks, index: int) -> Pruner:
        return by_rank(blocks, index, inputs)

    return merge_task_vectors(inputs, pruner, has_consensus=True)
