"""TIES: keep the largest of each task vector, elect a sign, add those that agree.

Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
"""

import torch

from joynet_sdk.compute.merging.blocks import Blocks
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.pruning import Pruner, largest
from joynet_sdk.compute.merging.task_vectors import merge_task_vectors


def merge(inputs: MergeInputs) -> torch.Tensor:
    """Trim to `density`, elect, merge."""

    def pruner(blocks: Blocks, index: int) -> Pruner:
        return largest(blocks, index, float(inputs.parameters[index]["density"]))

    return merge_task_vectors(inputs, pruner, has_consensus=True)
