"""Runs inside mergekit's own environment: merges tensors with it and writes what comes out.

python mergekit_peer.py CASES.json TENSORS.safetensors OUT.safetensors
"""

import json
import sys
from pathlib import Path

import torch
from mergekit import merge_methods
from mergekit.merge_methods.base import TensorEntry, TensorGroup, TensorMetadata
from safetensors.torch import load_file, save_file


def merge(case, tensors):
    """One merge; the base comes first among the inputs, as mergekit counts it."""
    models = [tensors[f"{case['shape']}.{index}"] for index in range(case["models"])]
    base = [tensors[f"{case['shape']}.base"]] if case["has_base"] else []
    entries = [TensorEntry(id="base", tensor=tensor, is_base=True) for tensor in base]
    entries += [
        TensorEntry(id=f"model{index}", tensor=tensor, is_base=False)
        for index, tensor in enumerate(models)
    ]
    group = TensorGroup(entries=tuple(entries), metadata=TensorMetadata(name="layer.weight"))
    parameters = dict(case["settings"])
    for name in case["parameters"][0] if case["parameters"] else ():
        parameters[name] = {
            f"model{index}": values[name] for index, values in enumerate(case["parameters"])
        }
    if case["seed"] is not None:
        torch.manual_seed(case["seed"])
    (merged,) = merge_methods.get(case["method"])((group,), parameters=parameters)
    return merged.contiguous().clone()


def main():
    """Read, merge, write."""
    cases, parents, out = map(Path, sys.argv[1:])
    tensors = load_file(parents)
    merged = {
        str(index): merge(case, tensors) for index, case in enumerate(json.loads(cases.read_text()))
    }
    save_file(merged, out)


if __name__ == "__main__":
    main()
