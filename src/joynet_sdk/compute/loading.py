"""Loading a transformers model from a verified folder: local, safetensors, fp32, no remote code."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from joynet_sdk.errors import InvalidInputError, MissingDependencyError

SOURCE = {"local_files_only": True, "trust_remote_code": False}


def load_model(auto_class: str, folder: Path, *, optional: Iterable[str] = ()) -> Any:
    """A model in evaluation mode, on one thread.

    Args:
        auto_class: Name of a class of transformers, e.g. "AutoModel".
        optional: Beginnings of names of weights that may be missing, as nothing uses them.

    Raises:
        InvalidInputError: transformers refuses it, or a weight is missing: it would be random.
        MissingDependencyError: transformers or torch is not installed.
    """
    transformers, torch = _packages()
    torch.set_num_threads(1)
    try:
        model, report = getattr(transformers, auto_class).from_pretrained(
            folder,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **SOURCE,
        )
    except _refusals() as error:
        raise InvalidInputError(
            f"transformers cannot load the model: {type(error).__name__}: {error!s:.400}"
        ) from None
    unset = sorted(key for key in report["missing_keys"] if not key.startswith(tuple(optional)))
    if unset:
        raise InvalidInputError(
            f"the files hold no weights for {', '.join(unset[:3])}, which would be random",
            hint="publish the model as it was saved after its training",
        )
    return model.eval()


def load_tokenizer(folder: Path) -> Any:
    """The model's tokenizer.

    Raises:
        InvalidInputError: transformers refuses it.
        MissingDependencyError: transformers is not installed.
    """
    transformers, _ = _packages()
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, **SOURCE)
    except _refusals() as error:
        raise InvalidInputError(
            f"transformers cannot load the tokenizer: {type(error).__name__}: {error!s:.400}"
        ) from None


def max_tokens(tokenizer: Any, model: Any) -> int:
    """Tokens that fit one input; longer texts are cut."""
    return int(min(tokenizer.model_max_length, model.config.max_position_embeddings))


def decode_text(data: bytes, max_bytes: int) -> str:
    """A request's text.

    Raises:
        InvalidInputError: Empty, too long, or not UTF-8.
    """
    if not 0 < len(data) <= max_bytes:
        raise InvalidInputError(f"text has {len(data)} bytes, expected 1 to {max_bytes} of UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"text is not UTF-8: {error}") from None


def _refusals() -> tuple[type[Exception], ...]:
    """What transformers raises for files that make no sense: configs are a stranger's JSON."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    builtin = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError)
    return (*builtin, TypeError, ValueError, StrictDataclassError, SafetensorError)


def _packages() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            str(error.name), 'pip install "joynet-sdk[ai]"', why="the model's engine"
        ) from None
    return transformers, torch
