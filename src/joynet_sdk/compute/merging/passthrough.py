"""One model's tensor as it is, to stack layers.

Kim et al. 2023, "SOLAR 10.7B: Scaling Large Language Models with Simple yet Effective Depth
Up-Scaling", arXiv:2312.15166.
"""

import torch

from joynet_sdk.compute.merging.blocks import Blocks, spans
from joynet_sdk.compute.merging.inputs import MergeInputs


def merge(inputs: MergeInputs) -> torch.Tensor:
    """scale x tensor."""
    scale = float(inputs.parameters[0]["scale"])
    blocks = Blocks(inputs)
    for span in spans(blocks.count):
        block = blocks.model(0, span)
        blocks.write(span, block * scale if scale != 1 else block)
    return blocks.result
