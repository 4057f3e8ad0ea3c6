"""Three small digit models: a base that has seen a little of everything, and two experts of it.

`low` was tuned on 0 to 4 only, `high` on 5 to 9 only; each forgot the other half. All are vision
transformers of 8x8 pixels as transformers saves them: config.json and model.safetensors. They are
trained on the train split of `joynet eval`'s sklearn:digits, so that its test split is held out.
"""

from pathlib import Path

import numpy as np
import torch
from transformers import ViTConfig, ViTForImageClassification

from joynet_sdk.evaluation.tasks import load

TASK = "sklearn:digits"
SEED = 1
LOW, HIGH = range(5), range(5, 10)


def images(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels (n, 1, 8, 8) in 0 to 1, and labels (n,), of the split "train" or "test"."""
    items = load(TASK, split=split).items
    pixels = np.stack([item.queries[0] for item in items]).reshape(-1, 1, 8, 8)
    labels = torch.tensor([int(item.label) for item in items])
    return torch.tensor(pixels, dtype=torch.float32), labels


def new_model() -> ViTForImageClassification:
    """An untrained model of 30,000 parameters."""
    torch.manual_seed(SEED)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    names = {number: str(number) for number in range(10)}
    config = ViTConfig(
        **sizes,
        intermediate_size=64,
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=names,
        label2id={name: number for number, name in names.items()},
    )
    return ViTForImageClassification(config)


def train(model: ViTForImageClassification, classes: range, epochs: int, rate: float) -> None:
    """Train on the digits of some classes."""
    pixels, labels = images("train")
    chosen = torch.isin(labels, torch.tensor(list(classes)))
    pixels, labels = pixels[chosen], labels[chosen]
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    order = torch.Generator().manual_seed(SEED)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(labels), generator=order).split(64):
            loss = model(pixel_values=pixels[batch], labels=labels[batch]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()


def accuracy(model: ViTForImageClassification) -> float:
    """On the held-out images, 0 to 1."""
    pixels, labels = images("test")
    with torch.no_grad():
        return float((model(pixel_values=pixels).logits.argmax(1) == labels).float().mean())


def save(model: ViTForImageClassification, folder: Path) -> Path:
    """Save a model as it is published, with a card."""
    model.save_pretrained(folder, safe_serialization=True)
    card = "---\nlicense: apache-2.0\ntags: [digits, vision]\n---\n# Handwritten digits, 8x8\n"
    (folder / "README.md").write_text(card)
    return folder


def make(folder: Path) -> dict[str, float]:
    """Write base, low and high below `folder`; returns their held-out accuracies (about 10 s)."""
    torch.set_num_threads(1)
    base = new_model()
    train(base, range(10), epochs=4, rate=3e-3)
    found = {"base": accuracy(base)}
    save(base, folder / "base")
    for name, classes in (("low", LOW), ("high", HIGH)):
        expert = new_model()
        expert.load_state_dict(base.state_dict())
        train(expert, classes, epochs=16, rate=3e-4)
        found[name] = accuracy(expert)
        save(expert, folder / name)
    return found


if __name__ == "__main__":
    print(make(Path("experts")))
