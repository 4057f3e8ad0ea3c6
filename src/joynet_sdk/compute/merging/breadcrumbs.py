"""Model Breadcrumbs: drop the largest and the smallest of each task vector, add the rest.

Davari and Belilovsky 2024, "Model Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks",
arXiv:2312.06795.
"""

import torch

from joynet_sdk.compute.merging.blocks import Blocks
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.pruning import Pruner, middle
from joynet_sdk.compute.merging.task_vectors import merge_task_vectors


def merge(inputs: MergeInputs) -> torch.Tensor:
    """Drop both ends, add."""

    def pruner(blocks: Blocks, index: int) -> Pruner:
        values = inputs.parameters[index]
        return middle(blocks, index, float(values["density"]), float(values["gamma"]))

    return merge_task_vectors(inputs, pruner, has_consensus=False)
