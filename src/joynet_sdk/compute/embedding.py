"""Sentence embeddings in the profile `embed-mean-fp32/1`.

One text per forward pass (no padding from other requests), fp32, one thread, mean over the
attention mask, L2 norm: Reimers and Gurevych 2019, "Sentence-BERT".
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.compute.loading import decode_text, load_model, load_tokenizer, max_tokens
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest


class EmbeddingEngine:
    """A transformers encoder from a local folder of safetensors; no remote code, no hub."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._model = load_model("AutoModel", folder, optional=("pooler.",))
        self._tokenizer = load_tokenizer(folder)
        self._max_tokens = max_tokens(self._tokenizer, self._model)
        self._max_bytes = manifest.input.max_bytes
        width = self._model.config.hidden_size
        if [width] != manifest.output.shape:
            raise InvalidInputError(
                f"manifest output is {manifest.output.shape}, expected [{width}]"
            )

    def run(self, data: bytes) -> bytes:
        """UTF-8 text in, a unit vector of float32 (little-endian) out; long texts are truncated."""
        import torch

        tokens = self._tokenizer(
            decode_text(data, self._max_bytes),
            return_tensors="pt",
            truncation=True,
            max_length=self._max_tokens,
        )
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state[0].numpy()
        mask = tokens["attention_mask"][0].numpy()[:, None].astype(np.float32)
        vector: NDArray[np.float32] = (states * mask).sum(axis=0) / mask.sum()
        vector /= np.linalg.norm(vector)
        return vector.astype("<f4").tobytes()
