"""Tiny real models, made without training: random bodies whose last layer is solved for."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTForImageClassification,
)

from joynet_sdk.compute.evaluating import Machine
from joynet_sdk.evaluation import tasks
from joynet_sdk.models import describe
from joynet_sdk.storage.scan import scan_model


def no_parts(folder):
    raise AssertionError(f"{folder} is no composition")


@pytest.fixture
def machine():
    return Machine(describe, no_parts, scan_model)


def digits(split):
    """Images (n, 1, 8, 8) and labels (n,)."""
    items = tasks.load("sklearn:digits", split=split).items
    images = torch.tensor([item.queries[0] for item in items], dtype=torch.float32)[:, None]
    return images, torch.tensor([int(item.label) for item in items])


def vision_model(seed, **options):
    """A random transformer over 4 patches; its classifier is a ridge regression on its features."""
    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        image_size=8, patch_size=4, num_channels=1, num_labels=10, initializer_range=0.3, **options,
    )  # fmt: skip
    model = ViTForImageClassification(config).eval()
    images, labels = digits("train")
    with torch.no_grad():
        features = model.vit(pixel_values=images).last_hidden_state[:, 0]
        solve_head(model.classifier, features, labels)
    return model


def solve_head(layer, features, labels):
    """Least squares from features (n, d) to one-hot classes, with an L2 penalty."""
    ones = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    wanted = torch.nn.functional.one_hot(labels, 10).double() * 10 - 5
    gram = ones.T @ ones + 0.1 * torch.eye(ones.shape[1])
    solved = torch.linalg.solve(gram, ones.T @ wanted).float()
    layer.weight.copy_(solved[:-1].T)
    layer.bias.copy_(solved[-1])


def average(*models):
    """A model whose weights are the mean of theirs."""
    states = [model.state_dict() for model in models]
    merged = {key: sum(state[key] for state in states) / len(states) for key in states[0]}
    child = type(models[0])(models[0].config)
    child.load_state_dict(merged)
    return child.eval()


@pytest.fixture(scope="session")
def vision(tmp_path_factory):
    """Folders: a, a2 (a tuned further), b (another beginning), and the means good and bad."""
    root = tmp_path_factory.mktemp("vision")
    first, other = vision_model(1), vision_model(2)
    tuned = vision_model(1)
    with torch.no_grad():
        tuned.classifier.weight.mul_(1.1)
    models = {
        "a": first, "a2": tuned, "b": other, "good": average(first, tuned),
        "bad": average(first, other),
    }  # fmt: skip
    for name, model in models.items():
        model.save_pretrained(root / name)
    return root


# --- texts

LETTERS = " abcdefghijklmnopqrstuvwxyz"


def letter_tokenizer():
    """One token a letter; anything else is unknown."""
    vocabulary = {letter: index for index, letter in enumerate(LETTERS)}
    words = models.WordLevel({**vocabulary, "[UNK]": 27, "[END]": 28}, unk_token="[UNK]")
    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", eos_token="[END]", model_max_length=64
    )


def bigrams(texts):
    """Log-probabilities of a letter after a letter, (29, 29), from counts with one added."""
    counts = np.ones((29, 29))
    for text in texts:
        ids = letter_tokenizer()(text, verbose=False)["input_ids"]
        np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return np.log(counts / counts.sum(axis=1, keepdims=True))


def language_model(log_p, seed=0):
    """A transformer that has learned bigrams: its blocks add next to nothing, its head is exact."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=29, n_positions=64, n_embd=64, n_layer=1, n_head=2, tie_word_embeddings=False,
        initializer_range=1e-4, bos_token_id=28, eos_token_id=28,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    mixing = torch.linalg.qr(torch.randn(64, 64))[0]
    with torch.no_grad():
        model.transformer.wte.weight.copy_(mixing[:29])
        features = model.transformer.ln_f(model.transformer.wte.weight).double()
        wanted = torch.from_numpy(log_p)
        head = torch.linalg.lstsq(features, wanted, driver="gelsd").solution
        model.lm_head.weight.copy_(head.T.float())
    return model


@pytest.fixture(scope="session")
def language(tmp_path_factory):
    """Folders: a, a2 (the same, tuned), shuffled (a with its head's values in random order)."""
    root = tmp_path_factory.mktemp("language")
    texts = [str(item.queries[0]) for item in tasks.load("python:topics", limit=30).items]
    log_p = bigrams(texts)
    made = {"a": language_model(log_p), "a2": language_model(log_p * 1.02)}
    for name, model in made.items():
        model.save_pretrained(root / name)
        letter_tokenizer().save_pretrained(root / name)
    copy_with(root / "a", root / "shuffled", shuffled)
    return root


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """The folder of a random sentence encoder."""
    root = tmp_path_factory.mktemp("encoder") / "bert"
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=29, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    BertModel(config).save_pretrained(root)
    letter_tokenizer().save_pretrained(root)
    return root


# --- broken models


def copy_with(source, target, change):
    """A model's folder with other weights."""
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    weights = target / "model.safetensors"
    save_file(change(load_file(weights)), weights, metadata={"format": "pt"})
    return target


def shuffled(tensors):
    """Every tensor's values in random order."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: tensor.flatten()[torch.randperm(tensor.numel(), generator=generator)].reshape(
            tensor.shape
        )
        for name, tensor in tensors.items()
    }
