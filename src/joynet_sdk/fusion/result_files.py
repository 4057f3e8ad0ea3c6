"""The small files of a fused model: config, tokenizer, chat template."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import check_json_depth
from joynet_sdk.fusion.vocabulary import FILE as TOKENIZER
from joynet_sdk.fusion.vocabulary import Vocabulary
from joynet_sdk.mergeplans import Checkpoint, TensorPlan

if TYPE_CHECKING:
    from joynet_sdk.fusion.outline import Section
    from joynet_sdk.fusion.planning import Parent
    from joynet_sdk.fusion.spec import WeightsSpec

CONFIG, TOKENIZER_CONFIG, TEMPLATE = "config.json", "tokenizer_config.json", "chat_template.jinja"
MAX_CONFIG_BYTES = 1024 * 1024
_LAYER_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
_OF_TOKENIZER = (
    TOKENIZER, TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    TEMPLATE,
)  # fmt: skip
_OF_MODEL = ("generation_config.json", "preprocessor_config.json", "processor_config.json")
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}


def read_config(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """config.json as data, {} without one.

    Raises:
        InvalidInputError: Over 1 MiB, or no JSON object.
    """
    data = checkpoint.text(CONFIG)
    return {} if data is None else _object(data, f"{CONFIG} of {name}")


def result_files(
    spec: "WeightsSpec",
    *,
    donor: "Parent",
    speaker: "Parent",
    parents: Sequence["Parent"],
    sections: Sequence["Section"],
    tensors: Sequence[TensorPlan],
    tokenizer: Vocabulary | None,
    size: int | None,
) -> dict[str, bytes]:
    """Name -> content.

    Args:
        donor: Gives config and generation settings.
        speaker: Gives the tokenizer's files.
        tokenizer: A vocabulary that is not the speaker's own, or None.
        size: Rows of the aligned embeddings, or None when nothing was aligned.
    """
    files: dict[str, bytes] = {}
    if donor.config:
        files[CONFIG] = _text(_config(spec, donor, parents, sections, tensors, size))
    for name in _OF_MODEL:
        _copy(files, donor.checkpoint, name)
    for name in _OF_TOKENIZER:
        _copy(files, speaker.checkpoint, name)
    if tokenizer is not None:
        files[TOKENIZER] = json.dumps(tokenizer.document, ensure_ascii=False, indent=2).encode()
        for stale in ("added_tokens.json", "vocab.json", "vocab.txt", "merges.txt"):
            files.pop(stale, None)
    template = _template(spec, parents)
    if template is not None:
        files[TEMPLATE] = template.encode()
        if TOKENIZER_CONFIG in files:
            settings = _object(files[TOKENIZER_CONFIG], TOKENIZER_CONFIG)
            settings.pop("chat_template", None)
            files[TOKENIZER_CONFIG] = _text(settings)
    return files


def _copy(files: dict[str, bytes], checkpoint: Checkpoint, name: str) -> None:
    data = checkpoint.text(name)
    if data is not None:
        files[name] = data


def _config(
    spec: "WeightsSpec",
    donor: "Parent",
    parents: Sequence["Parent"],
    sections: Sequence["Section"],
    tensors: Sequence[TensorPlan],
    size: int | None,
) -> dict[str, Any]:
    config = dict(donor.config)
    config.pop("_name_or_path", None)
    dtypes = Counter(_DTYPES[one.info.dtype] for one in tensors if one.info.dtype in _DTYPES)
    if dtypes:
        key = "dtype" if "dtype" in config else "torch_dtype"
        config[key] = dtypes.most_common(1)[0][0]
    holder = _holder(config, "vocab_size")
    if size is not None and holder is not None:
        holder["vocab_size"] = size
    is_untied = any(parent.config.get("tie_word_embeddings") is False for parent in parents)
    if is_untied and any(one.name.endswith("lm_head.weight") for one in tensors):
        config["tie_word_embeddings"] = False
    if spec.slices is not None:
        _set_layers(config, parents, sections)
    return config


def _holder(config: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The object that has `key`: the config itself, or its text part."""
    if key in config:
        return config
    inner = config.get("text_config")
    if isinstance(inner, dict) and key in inner:
        config["text_config"] = dict(inner)
        return config["text_config"]  # type: ignore[no-any-return]
    return None


def _set_layers(
    config: dict[str, Any], parents: Sequence["Parent"], sections: Sequence["Section"]
) -> None:
    """The number of layers, and every list of the config that has one entry for each."""
    for key in _LAYER_KEYS:
        holder = _holder(config, key)
        if holder is None:
            continue
        before = holder[key]
        holder[key] = sum(section.length for section in sections)
        for name, value in holder.items():
            if isinstance(value, list) and len(value) == before and before > 1:
                holder[name] = _stacked(name, value, parents, sections)
        return


def _stacked(
    name: str, value: list[Any], parents: Sequence["Parent"], sections: Sequence["Section"]
) -> list[Any]:
    stacked: list[Any] = []
    for section in sections:
        part = section.parts[0]
        own = parents[part.parent].config.get(name, value)
        entries = own if isinstance(own, list) and len(own) >= part.last else value
        stacked += entries[part.first : part.last]
    return stacked


def _template(spec: "WeightsSpec", parents: Sequence["Parent"]) -> str | None:
    """The chat template that the spec asks for, or None to keep the tokenizer's."""
    wanted = spec.chat_template
    if wanted is None:
        return None
    if wanted == "auto":
        found = [text for parent in parents if (text := _own_template(parent))]
        return Counter(found).most_common(1)[0][0] if found else None
    if "{" not in wanted:
        raise InvalidInputError(
            f"chat_template {wanted[:40]!r} is no template, expected Jinja text or auto",
            hint="names of mergekit's own templates are not known here: give the text",
        )
    return wanted


def _own_template(parent: "Parent") -> str | None:
    data = parent.checkpoint.text(TEMPLATE)
    if data is not None:
        return data.decode("utf-8", "replace").strip()
    settings = parent.checkpoint.text(TOKENIZER_CONFIG)
    if settings is None:
        return None
    template = _object(settings, f"{TOKENIZER_CONFIG} of {parent.name}").get("chat_template")
    return template.strip() if isinstance(template, str) else None


def _object(data: bytes, what: str) -> dict[str, Any]:
    if len(data) > MAX_CONFIG_BYTES:
        raise InvalidInputError(f"{what} has {len(data)} bytes, expected <= {MAX_CONFIG_BYTES}")
    try:
        check_json_depth(data)
        document = json.loads(data)
    except ValueError as error:  # InvalidInputError is one
        raise InvalidInputError(f"{what} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidInputError(f"{what} holds {type(document).__name__}, expected a JSON object")
    return document


def _text(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
