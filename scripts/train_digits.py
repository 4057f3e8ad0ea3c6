"""Train the digit classifier that ships with JoyNet: scikit-learn digits -> ONNX -> QModel.

Writes src/joynet_sdk/demo/digits.safetensors and the sample input. Deterministic: same seed,
same file. Prints the accuracy of the float and of the integer model on the held-out split.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from joynet_sdk import qmodel
from joynet_sdk.qmodel.onnx_import import read_onnx
from joynet_sdk.qmodel.quantize import quantize
from joynet_sdk.qmodel.report import measure

DEMO = Path(__file__).parents[1] / "src" / "joynet_sdk" / "demo"
SAMPLE_DIGIT = 7


def export_onnx(classifier: MLPClassifier, path: Path) -> None:
    """The classifier's layers as Gemm and Relu nodes; logits out, no softmax."""
    nodes, tensors, current = [], [], "x"
    layers = list(zip(classifier.coefs_, classifier.intercepts_, strict=True))
    for index, (weight, bias) in enumerate(layers):
        tensors += [
            numpy_helper.from_array(weight.astype(np.float32), f"w{index}"),
            numpy_helper.from_array(bias.astype(np.float32), f"b{index}"),
        ]
        gemm = f"gemm{index}"
        nodes.append(helper.make_node("Gemm", [current, f"w{index}", f"b{index}"], [gemm], gemm))
        current = gemm
        if index < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [gemm], [f"relu{index}"], f"relu{index}"))
            current = f"relu{index}"
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, ["batch", 10])],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def main() -> None:
    """Train, export, quantise, report, write."""
    pixels, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, labels, test_size=0.2, random_state=7, stratify=labels
    )
    classifier = MLPClassifier((64, 64), alpha=1e-2, max_iter=400, random_state=7)
    classifier.fit(train_x / 16, train_y)
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(classifier, Path(folder) / "digits.onnx")
        graph = read_onnx(Path(folder) / "digits.onnx")
    model = quantize(graph, train_x / 16, input_scale="0.0625").model
    accuracy = measure(graph, model, test_x / 16, test_y)
    print(f"{model.parameters} parameters, {len(test_y)} held-out digits")
    print(f"float {accuracy.float_top1:.2%}, integer {accuracy.integer_top1:.2%}")

    DEMO.mkdir(exist_ok=True)
    qmodel.save(model, DEMO / "digits.safetensors")
    sample = test_x[test_y == SAMPLE_DIGIT][0].astype(int).reshape(8, 8).tolist()
    rows = ",\n ".join(json.dumps(row) for row in sample)
    (DEMO / "seven.json").write_text(f"[{rows}]\n")


if __name__ == "__main__":
    main()
