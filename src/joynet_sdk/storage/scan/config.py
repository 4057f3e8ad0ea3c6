"""config.json: what would be instantiated from it, estimated before anything is.

A config of 600 bytes can ask for terabytes. The estimate is that of a plain transformer, generous
on purpose: sharing and grouping make real models smaller, so a claim counts as absurd only when it
passes the weights that are there by a wide margin.
"""

import json
import re
from typing import Any

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import check_json_depth

MAX_CONFIG_BYTES = 1024 * 1024
MAX_FIELD = 2**31 - 1
ALWAYS_ALLOWED_BYTES = 1 << 30
CLAIM_FACTOR = 16
_BYTES_PER_PARAMETER = 4
_MAX_NESTING = 8

_SIZE_KEY = re.compile(
    r"(num|n|d)_\w+|\w*(size|sizes|dim|dims|layers|depths|embeddings|channels|positions|width)"
)
_HIDDEN = ("hidden_size", "d_model", "n_embd", "dim", "embed_dim", "hidden_dim", "model_dim")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
_INNER = ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "encoder_ffn_dim", "ffn_hidden_size")
_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")


def read_config(data: bytes, name: str) -> dict[str, Any]:
    """Parse a config and check each number in it.

    Raises:
        InvalidInputError: Over 1 MiB, not a JSON object, or a size that is negative or past 2^31.
    """
    if len(data) > MAX_CONFIG_BYTES:
        raise InvalidInputError(f"{name} has {len(data)} bytes, expected <= {MAX_CONFIG_BYTES}")
    try:
        check_json_depth(data)
        config = json.loads(data)
    except ValueError as error:  # InvalidInputError is one
        raise InvalidInputError(f"{name} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise InvalidInputError(f"{name} holds {type(config).__name__}, expected a JSON object")
    _check_sizes(config, name, 0)
    return config


def _check_sizes(config: dict[str, Any], name: str, depth: int) -> None:
    if depth > _MAX_NESTING:
        raise InvalidInputError(f"{name} is nested deeper than {_MAX_NESTING} objects")
    for key, value in config.items():
        if isinstance(value, dict):
            _check_sizes(value, name, depth + 1)
        elif _SIZE_KEY.fullmatch(key):
            for number in value if isinstance(value, list) else [value]:
                if isinstance(number, int | float) and not -1 <= number <= MAX_FIELD:
                    raise InvalidInputError(
                        f"{name}: {key[:80]} is {number}, expected at most {MAX_FIELD}"
                    )


def _number(config: dict[str, Any], keys: tuple[str, ...], default: int = 0) -> int:
    values = (config.get(key) for key in keys)
    return next((value for value in values if isinstance(value, int) and value > 0), default)


def estimate_parameters(config: dict[str, Any]) -> int:
    """Parameters a transformer of this config would have, nested parts (text, vision) included."""
    total = sum(estimate_parameters(part) for part in config.values() if isinstance(part, dict))
    for value in config.values():  # widths of the stages of a convolutional network
        if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
            total += max(value) ** 2 if max(value) > 1024 else 0
    hidden = _number(config, _HIDDEN)
    rows = _number(config, ("vocab_size",)) + _number(config, _POSITIONS)
    inner = _number(config, _INNER, 4 * hidden) * _number(config, _EXPERTS, 1)
    layers = _number(config, _LAYERS) + _number(config, ("decoder_layers", "num_decoder_layers"))
    return total + rows * hidden + layers * (4 * hidden * hidden + 2 * hidden * inner)


def check_claim(config: dict[str, Any], name: str, weights_bytes: int) -> None:
    """Refuse a config that asks for far more than its weights hold.

    Args:
        weights_bytes: Bytes of the tensors that come with it.

    Raises:
        InvalidInputError: The estimate passes 1 GiB and 16 times the weights.
    """
    claimed = estimate_parameters(config) * _BYTES_PER_PARAMETER
    allowed = max(ALWAYS_ALLOWED_BYTES, CLAIM_FACTOR * weights_bytes)
    if claimed > allowed:
        keys = ("vocab_size", *_HIDDEN, *_LAYERS, *_INNER, *_POSITIONS, *_EXPERTS)
        shown = ", ".join(f"{key}={config[key]}" for key in keys if key in config)[:300]
        raise InvalidInputError(
            f"{name} asks for about {claimed} bytes of weights ({shown}), the files hold "
            f"{weights_bytes}, expected at most {allowed}",
            hint="the config does not belong to these weights",
        )
