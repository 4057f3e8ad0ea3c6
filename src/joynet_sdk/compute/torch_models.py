"""Transformers models run directly in torch: batches, other dtypes, and language models."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.compute.loading import load_model, load_tokenizer, max_tokens
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.pixels import FILE, read_pixels

Values = NDArray[np.float64]
Query = str | Values
WINDOW = 512  # tokens a language model sees at once, its own limit permitting
STRIDE = 256  # tokens between windows: each is scored once, after at least as many unless at first
THREADS_FROM = 10_000_000  # parameters: threads only slow smaller models down
MAX_TEXT_TOKENS = 32_768  # of one text; more are not scored


def is_language_model(config: dict[str, Any]) -> bool:
    """Whether a config is a causal language model's."""
    return _head(config).endswith(("ForCausalLM", "LMHeadModel"))


def _head(config: dict[str, Any]) -> str:
    names = config.get("architectures") or [""]
    return str(names[0]) if isinstance(names, list) else ""


class _TorchModel:
    """What the torch models share."""

    output = "classes"
    labels: tuple[str, ...] = ()

    def __init__(self, folder: Path, auto: str, dtype: str, batch_size: int) -> None:
        model = load_model(auto, folder, optional=("pooler.",))
        import torch

        is_large = sum(one.numel() for one in model.parameters()) >= THREADS_FROM
        torch.set_num_threads(len(os.sched_getaffinity(0)) if is_large else 1)
        self.dtype = "float32" if dtype == "profile" else dtype
        self._torch: Any = torch
        self._model = model.to(getattr(torch, self.dtype))
        self.profile = f"torch/{auto}/{self.dtype}/batch-{batch_size}"
        self.shape: tuple[int, ...] | None = None

    def continue_text(self, prompt: str, tokens: int) -> list[int]:
        """Refuse: it is no language model."""
        raise InvalidInputError(f"{type(self._model).__name__} generates no text")

    def _rows(self, tensor: Any) -> list[Values]:
        return list(tensor.float().numpy().astype(np.float64))


def open_torch(
    folder: Path, config: dict[str, Any], dtype: str, batch_size: int
) -> "Images | Texts":
    """A classifier of images or texts, or an encoder.

    Raises:
        InvalidInputError: Another kind of model.
    """
    head = _head(config)
    if head.endswith("ForImageClassification"):
        return Images(folder, dtype, batch_size)
    if head.endswith("ForSequenceClassification"):
        return Texts(folder, "AutoModelForSequenceClassification", dtype, batch_size)
    if "For" in head and not head.endswith("ForMaskedLM"):
        raise InvalidInputError(
            f"architecture {head:.60} is not measured here, expected ...ForImageClassification, "
            "...ForSequenceClassification, ...ForCausalLM or a plain encoder"
        )
    return Texts(folder, "AutoModel", dtype, batch_size)


def _class_names(model: Any) -> tuple[str, ...]:
    """Names of the classes in order; none where the config never named them."""
    names = [str(model.config.id2label[index]) for index in range(model.config.num_labels)]
    is_default = all(name == f"LABEL_{index}" for index, name in enumerate(names))
    return () if is_default else tuple(names)


class Images(_TorchModel):
    """Images (channels, height, width) to class logits; 1.0 is full ink where pixels are uint8."""

    def __init__(self, folder: Path, dtype: str, batch_size: int) -> None:
        super().__init__(folder, "AutoModelForImageClassification", dtype, batch_size)
        self.labels = _class_names(self._model)
        config, side = self._model.config, self._model.config.image_size
        height, width = (side, side) if isinstance(side, int) else side
        self.shape = (int(config.num_channels), int(height), int(width))
        path = folder / FILE
        self._pixels = read_pixels(path.read_bytes() if path.is_file() else None, self.shape)

    def answer(self, queries: Sequence[Query]) -> list[Values]:
        """One forward pass over all queries."""
        if any(isinstance(query, str) for query in queries):
            raise InvalidInputError("the task asks with text, the model reads images")
        assert self.shape is not None, "set when the model was loaded"
        try:
            pixels = np.stack([np.asarray(query).reshape(self.shape) for query in queries])
        except ValueError:
            raise InvalidInputError(
                f"the task has {np.asarray(queries[0]).size} numbers, "
                f"the model reads {'x'.join(map(str, self.shape))}"
            ) from None
        if self._pixels.dtype == np.uint8:
            pixels = np.clip(np.rint(pixels / self._pixels.factor), 0, 255)
        values = np.stack([self._pixels.values(raw) for raw in pixels])
        with self._torch.inference_mode():
            given = self._torch.from_numpy(values).to(self._model.dtype)
            return self._rows(self._model(pixel_values=given).logits)


class Texts(_TorchModel):
    """A text classifier's logits, or an encoder's mean vector of length one."""

    def __init__(self, folder: Path, auto: str, dtype: str, batch_size: int) -> None:
        super().__init__(folder, auto, dtype, batch_size)
        self._tokenizer = load_tokenizer(folder)
        if auto == "AutoModel":
            self.output = "vector"
        else:
            self.labels = _class_names(self._model)
        self._longest = max_tokens(self._tokenizer, self._model)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token or self._tokenizer.unk_token

    def answer(self, queries: Sequence[Query]) -> list[Values]:
        """One forward pass over all queries, padded to the longest; long ones are truncated."""
        if not all(isinstance(query, str) for query in queries):
            raise InvalidInputError("the task asks with numbers, the model reads text")
        tokens = self._tokenizer(
            list(queries), return_tensors="pt", truncation=True, max_length=self._longest,
            padding=len(queries) > 1,
        )  # fmt: skip
        with self._torch.inference_mode():
            answer = self._model(**tokens)
            if self.output == "classes":
                return self._rows(answer.logits)
            mask = tokens["attention_mask"][:, :, None].to(answer.last_hidden_state.dtype)
            means = (answer.last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)
            return self._rows(self._torch.nn.functional.normalize(means, dim=1))


class LanguageModel(_TorchModel):
    """A causal language model: how likely it finds a text, and what it would write."""

    output = "tokens"

    def __init__(self, folder: Path, dtype: str) -> None:
        super().__init__(folder, "AutoModelForCausalLM", dtype, 1)
        self._tokenizer = load_tokenizer(folder)
        longest = getattr(self._model.config, "max_position_embeddings", WINDOW)
        self._window = max(2, min(WINDOW, longest))
        self.profile = f"torch/perplexity/{self.dtype}/window-{self._window}"

    def answer(self, queries: Sequence[Query]) -> list[Values]:
        """(sum of -log p in nats, tokens scored) of each text; a text's first token is given."""
        if not all(isinstance(query, str) for query in queries):
            raise InvalidInputError("the task asks with numbers, the model reads text")
        return [np.array(self._score(str(query))) for query in queries]

    def _score(self, text: str) -> tuple[float, float]:
        """Sliding windows of `_window` tokens: each token is scored once."""
        ids = self._tokenizer(text, return_tensors="pt", verbose=False)["input_ids"]
        ids = ids[:, :MAX_TEXT_TOKENS]
        total, scored, length, done = 0.0, 0, ids.shape[1], 1
        stride = max(1, min(STRIDE, self._window // 2))
        for start in range(0, max(0, length - 1), stride):
            part = ids[:, start : start + self._window]
            fresh = start + part.shape[1] - done
            if fresh <= 0:
                break
            done = start + part.shape[1]
            total += self._nll(part, fresh)
            scored += fresh
        return total, float(scored)

    def _nll(self, ids: Any, fresh: int) -> float:
        """-log p of the last `fresh` tokens given those before them."""
        with self._torch.inference_mode():
            logits = self._model(ids).logits[0, -fresh - 1 : -1].float()
            wanted = ids[0, -fresh:]
            losses = self._torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
        return float(losses.double().sum())

    def continue_text(self, prompt: str, tokens: int) -> list[int]:
        """Greedy: the likeliest token, `tokens` times or until the end token."""
        ids = self._tokenizer(prompt, return_tensors="pt", verbose=False)["input_ids"][
            :, -self._window // 2 :
        ]
        end, added = self._tokenizer.eos_token_id, []
        with self._torch.inference_mode():
            for _ in range(tokens):
                best = int(self._model(ids[:, -self._window :]).logits[0, -1].argmax())
                added.append(best)
                if best == end:
                    break
                ids = self._torch.cat([ids, self._torch.tensor([[best]])], dim=1)
        return added
