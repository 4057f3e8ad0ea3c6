"""Tiny integer models with known answers, and manifests of models that nobody loads."""

import numpy as np

from joynet_sdk import qmodel
from joynet_sdk.compositions.building import Candidate, compose
from joynet_sdk.compositions.document import FILE
from joynet_sdk.compositions.parts import Part
from joynet_sdk.compute.composition import CompositionEngine
from joynet_sdk.formats import Engine, InputSpec, Manifest, ManifestFile, OutputSpec
from joynet_sdk.models.describing_composition import describe_composition
from joynet_sdk.qmodel import Input, QModel
from joynet_sdk.qmodel.ops import Gemm

CID = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
ABC = ("a", "b", "c")
TEXT = InputSpec(kind="text", dtype="utf8", shape=[])
EXACT, FLOATS = Engine(name="qmodel", profile="qmodel/2"), Engine(name="transformers", profile="x")


def manifest_of(title, engine, source, output, tolerance=None, files=("model.safetensors",)):
    return Manifest(
        title=title,
        architecture="test",
        engine=engine,
        verification="exact" if tolerance is None else "tolerant",
        tolerance=tolerance,
        root=CID,
        files=[ManifestFile(path=p, size=1, sha256="0x" + "00" * 32, cid=CID) for p in files],
        input=source,
        output=output,
        license="Apache-2.0",
    )


def floats(title, source, output, tolerance=4):
    """A candidate that is only looked at."""
    return Candidate(title, manifest_of(title, FLOATS, source, output, tolerance))


def vector(*labels, size=None):
    return OutputSpec(
        kind="vector", dtype="float32", shape=[size or len(labels)], labels=list(labels)
    )


def tensor(*shape, dtype="int8"):
    return InputSpec(kind="tensor", dtype=dtype, shape=list(shape))


class Parts:
    """Makes models below one folder, and runs compositions of them."""

    def __init__(self, folder):
        self.folder, self.made = folder, {}

    def linear(self, name, weight, *, step="0.5", scale="0.25", labels=ABC):
        """A QModel: weight (outputs, inputs) @ x, as it is."""
        weight = np.asarray(weight, np.int8)
        halves = np.full(len(weight), 1 << 23, np.uint32)  # in 2^-24
        op = Gemm("y", "x", 2 * weight, np.zeros(len(weight), np.int32), halves, "clamp")
        model = QModel(Input("x", (weight.shape[1],), "tensor", step), (op,), scale)
        folder = self.folder / name
        folder.mkdir()
        qmodel.save(model, folder / "model.safetensors")
        output = OutputSpec(
            kind="logits", dtype="int8", shape=[len(weight)], labels=list(labels), scale=scale
        )
        manifest = manifest_of(name, EXACT, tensor(weight.shape[1]), output)
        self.made[name] = Part(manifest, folder)
        return Candidate(name, manifest, step)

    def publish(self, name, composition):
        """A composition as a model of its own."""
        folder = self.folder / name
        folder.mkdir()
        (folder / FILE).write_bytes(composition.encode())
        card = describe_composition(folder, name, "Apache-2.0")
        manifest = manifest_of(
            name, card.engine, card.input, card.output, card.tolerance, files=(FILE,)
        )
        self.made[name] = Part(manifest, folder)
        return Candidate(name, manifest)

    def open(self, name):
        """The engine of a published composition."""
        part = self.made[name]
        by_id = {bytes(each.manifest.model_id): each for each in self.made.values()}
        return CompositionEngine(part.manifest, part.folder, by_id)

    def run(self, rule, candidates, data, **options):
        """Compose, publish and ask once; the answer as the output's numbers."""
        composition = compose(rule, candidates, **options)
        name = f"composed{len(self.made)}"
        self.publish(name, composition)
        answer = self.open(name).run(bytes(np.asarray(data, np.int8)))
        return np.frombuffer(answer, "i1" if composition.output.kind == "logits" else "<f4")
