"""Embedding rows moved to another vocabulary, as `mergeplans.Alignment` says."""

from collections.abc import Mapping

import torch

from joynet_sdk.mergeplans import Alignment


def aligned(alignment: Alignment, tensors: Mapping[int, torch.Tensor]) -> dict[int, torch.Tensor]:
    """The parents' tensors with the result's rows.

    Args:
        tensors: By parent, (its rows, ...).

    Returns:
        By parent, (alignment.rows, ...), dtypes unchanged. Means are taken in float32 (float64 of
        float64) and rounded once.
    """
    places = torch.tensor(list(alignment.defaults), dtype=torch.int64)
    wide = (
        torch.float64 if any(t.dtype == torch.float64 for t in tensors.values()) else torch.float32
    )
    first = next(iter(tensors.values()))
    stand_in = torch.zeros((len(places), *first.shape[1:]), dtype=wide)
    for line, rows in enumerate(alignment.defaults.values()):
        for row in rows:
            stand_in[line] += tensors[row.parent][row.row].to(wide)
        if len(rows) > 1:
            stand_in[line] /= len(rows)
    return {
        parent: _moved(alignment, parent, tensor, places, stand_in)
        for parent, tensor in tensors.items()
    }


def _moved(
    alignment: Alignment,
    parent: int,
    tensor: torch.Tensor,
    places: torch.Tensor,
    stand_in: torch.Tensor,
) -> torch.Tensor:
    own = torch.from_numpy(alignment.own[parent])
    result = torch.zeros((alignment.rows, *tensor.shape[1:]), dtype=tensor.dtype)
    there = torch.nonzero(own >= 0).flatten()
    result[there] = tensor[own[there]]
    lacking = own[places] < 0
    result[places[lacking]] = stand_in[lacking].to(tensor.dtype)
    if alignment.rows > alignment.tokens:
        tokens = result[: alignment.tokens].to(stand_in.dtype)
        result[alignment.tokens :] = tokens.mean(dim=0).to(tensor.dtype)
    return result
