"""DARE with the sign consensus of TIES (arXiv:2306.01708).

Yu et al. 2024, "Language Models are Super Mario: Absorbing Abilities from Homologous Models as a
Free Lunch", arXiv:2311.03099. What is left is rescaled to the sum of magnitudes before, which on
average is the paper's factor 1 / density.
"""

import torch

from joynet_sdk.compute.merging.blocks import Blocks
from joynet_sdk.compute.merging.chances import by_chance
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.pruning import Pruner
from joynet_sdk.compute.merging.task_vectors import merge_task_vectors


def merge(inputs: MergeInputs) -> torch.Tensor:
    """Drop, rescale, elect, merge."""

    def pruner(blocks: Blocks, index: int) -> Pruner:
        return by_chance(blocks, index, inputs)

    return merge_task_vectors(inputs, pruner, has_consensus=True)
