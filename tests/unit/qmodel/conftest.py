"""Models exported by PyTorch, and digit classifiers trained once for the session."""

import io
import warnings

import numpy as np
import onnx
import pytest


def export(path, module, example, opset=17):
    """The exporter that needs no package besides torch."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        torch.onnx.export(
            module.eval(), (example,), buffer, dynamo=False, opset_version=opset,
            input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}},
        )  # fmt: skip
    onnx.save(onnx.load_from_string(buffer.getvalue()), path)
    return path


def classifier(make):
    """What `make` returns, its weights from a fixed seed."""
    import torch

    torch.manual_seed(2)
    return make()


@pytest.fixture(scope="session")
def torch_cnn(tmp_path_factory, digits):
    """conv-bn-relu, average pool, depthwise conv-bn-relu6, 1x1 conv, silu, pool, linear."""
    import torch
    from torch import nn

    module = classifier(lambda: nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, groups=8), nn.BatchNorm2d(16), nn.ReLU6(),
        nn.Conv2d(16, 32, 1), nn.SiLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10),
    ))  # fmt: skip
    digits.train(module, 8, (1, 8, 8), rate=1e-2)
    path = tmp_path_factory.mktemp("onnx") / "cnn.onnx"
    return export(path, module, torch.zeros(1, 1, 8, 8))


@pytest.fixture(scope="session")
def torch_encoder(tmp_path_factory, digits):
    """Opset -> file: pixels as 17 words, an encoder layer with 2 heads, the mean, a linear head."""
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(17, 16)
            self.positions = nn.Parameter(torch.randn(64, 16))
            self.layer = nn.TransformerEncoderLayer(
                16, 2, 32, dropout=0.0, activation="gelu", batch_first=True
            )
            self.head = nn.Linear(16, 10)

        def forward(self, ids):
            return self.head(self.layer(self.words(ids) + self.positions).mean(1))

    module, folder = classifier(Encoder), tmp_path_factory.mktemp("onnx")
    digits.train(module, 10, (64,), ids=True, rate=1e-2)
    example = torch.zeros(1, 64, dtype=torch.long)
    return lambda opset: export(folder / f"encoder{opset}.onnx", module, example, opset)


class Digits:
    """scikit-learn's 8x8 digits: `pixels` 0..16, `labels`; the last quarter is held out."""

    def __init__(self):
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(1).permutation(len(pixels))
        self.pixels, self.labels = pixels[order], labels[order].astype(np.int64)
        self.count = len(pixels) * 3 // 4

    def train(self, module, epochs, shape, ids=False, size=None, rate=4e-3):
        """Adam on the first three quarters; deterministic on one machine."""
        import torch
        from torch.nn import functional

        torch.set_num_threads(1)
        x = torch.tensor(self.inputs(size)[: self.count]).reshape(-1, *shape)
        x = (x * 16).long() if ids else x
        y = torch.tensor(self.labels[: self.count])
        adam = torch.optim.Adam(module.parameters(), rate)
        torch.manual_seed(4)
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(64):
                adam.zero_grad()
                functional.cross_entropy(module(x[batch]), y[batch]).backward()
                adam.step()
        return module

    def inputs(self, size=None):
        """(count, pixels) float32 0..1, enlarged to size x size."""
        images = (self.pixels / 16).astype(np.float32)
        if size is None:
            return images
        places = np.arange(size) * 8 // size
        return images.reshape(-1, 8, 8)[:, places][:, :, places].reshape(len(images), -1)


@pytest.fixture(scope="session")
def digits():
    """The data set and how to train on it."""
    return Digits()


@pytest.fixture(scope="session")
def perceptron(tmp_path_factory, digits):
    """64-64-64-10 with relus, the shape of the smallest benchmark model."""
    import torch
    from torch import nn

    module = classifier(lambda: nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10),
    ))  # fmt: skip
    digits.train(module, 25, (64,))
    path = tmp_path_factory.mktemp("onnx") / "perceptron.onnx"
    return export(path, module, torch.zeros(1, 64))


@pytest.fixture(scope="session")
def lenet(tmp_path_factory, digits):
    """Two convolutions with max pools and three linear layers, on 28x28."""
    import torch
    from torch import nn

    module = classifier(lambda: nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84),
        nn.ReLU(), nn.Linear(84, 10),
    ))  # fmt: skip
    digits.train(module, 8, (1, 28, 28), size=28)
    path = tmp_path_factory.mktemp("onnx") / "lenet.onnx"
    return export(path, module, torch.zeros(1, 1, 28, 28))
