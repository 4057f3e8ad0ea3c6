"""The weighted average of models: Wortsman et al. 2022, "Model soups", arXiv:2203.05482."""

import torch

from joynet_sdk.compute.merging.blocks import Blocks, spans
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.errors import InvalidInputError


def merge(inputs: MergeInputs) -> torch.Tensor:
    """Sum of weight x tensor, divided by the sum of the weights if `normalize`.

    Raises:
        InvalidInputError: The weights sum to zero and `normalize` is set.
    """
    weights = [float(values["weight"]) for values in inputs.parameters]
    if inputs.settings["normalize"]:
        if not sum(weights):
            raise InvalidInputError(
                f"weights {weights} of {inputs.name} sum to 0, expected another sum",
                hint="set normalize: false, or give weights that do not cancel",
            )
        weights = [weight / sum(weights) for weight in weights]
    blocks = Blocks(inputs)
    for span in spans(blocks.count):
        mixed = blocks.model(0, span) * weights[0]
        for index, weight in enumerate(weights[1:], start=1):
            mixed.add_(blocks.model(index, span) * weight)
        blocks.write(span, mixed)
    return blocks.result
