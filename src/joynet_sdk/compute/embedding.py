"""Sentence embeddings in the profile `embed-mean-fp32/1`.

One text per forward pass (no padding from other requests), fp32, one thread, mean over the
attention mask, L2 norm: Reimers and Gurevych 2019, "Sentence-BERT".
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError, MissingDependencyError
from joynet_sdk.formats import Manifest


class EmbeddingEngine:
    """A transformers encoder from a local folder of safetensors; no remote code, no hub."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        try:
            import torch
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingDependencyError(
                str(error.name), 'pip install "joynet-sdk[ai]"', why="the model's engine"
            ) from None
        torch.set_num_threads(1)
        source = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **source)
            model = AutoModel.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, **source
            )
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInputError(f"transformers cannot load the model: {error}") from None
        self._torch = torch
        self._model = model.eval()
        self._max_tokens = min(
            self._tokenizer.model_max_length, model.config.max_position_embeddings
        )
        self._max_bytes = manifest.input.max_bytes
        if [model.config.hidden_size] != manifest.output.shape:
            raise InvalidInputError(
                f"manifest output is {manifest.output.shape}, expected [{model.config.hidden_size}]"
            )

    def run(self, data: bytes) -> bytes:
        """UTF-8 text in, a unit vector of float32 (little-endian) out; long texts are truncated."""
        if not 0 < len(data) <= self._max_bytes:
            raise InvalidInputError(
                f"text has {len(data)} bytes, expected 1 to {self._max_bytes} of UTF-8"
            )
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"text is not UTF-8: {error}") from None
        tokens = self._tokenizer(
            text, return_tensors="pt", truncation=True, max_length=self._max_tokens
        )
        with self._torch.inference_mode():
            states = self._model(**tokens).last_hidden_state[0].numpy()
        mask = tokens["attention_mask"][0].numpy()[:, None].astype(np.float32)
        vector: NDArray[np.float32] = (states * mask).sum(axis=0) / mask.sum()
        vector /= np.linalg.norm(vector)
        return vector.astype("<f4").tobytes()
