"""The base plus the weighted sum of task vectors.

Ilharco et al. 2023, "Editing Models with Task Arithmetic", arXiv:2212.04089.
"""

import torch

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.task_vectors import keep_everything, merge_task_vectors


def merge(inputs: MergeInputs) -> torch.Tensor:
    """base + lambda x sum of weight x task vector."""
    return merge_task_vectors(inputs, keep_everything, has_consensus=False)
