"""`joynet model quantize`: a float ONNX model becomes an integer model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.qmodel.quantize import Layer, Quantised
    from joynet_sdk.qmodel.report import Accuracy


def quantize(
    file: Annotated[Path, typer.Argument(help="ONNX file.", exists=True, dir_okay=False)],
    calibrate: Annotated[
        Path,
        typer.Option(
            "--calibrate",
            help="Sample inputs: .npy, .npz (array x) or .json, the first axis counts them.",
            exists=True,
            dir_okay=False,
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="Right answers of the samples, to report accuracy.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Where to write [FILE's name/model.safetensors].")
    ] = None,
    input_scale: Annotated[
        str | None,
        typer.Option("--input-scale", help="Real value of one input step, e.g. 0.0625 [chosen]."),
    ] = None,
) -> None:
    """Turn a float ONNX model into a QModel, and report what that costs in accuracy.

    A QModel computes in integers only, gives the same bytes everywhere, and can be proven. Sample
    inputs set its scales: some hundred that look like what will be asked.

    Examples:
      joynet model quantize digits.onnx --calibrate samples.npy --labels labels.npy
      joynet model quantize encoder.onnx --calibrate samples.npz --out encoder/model.safetensors
    """  # fmt: skip
    from joynet_sdk import qmodel
    from joynet_sdk.progress import listening
    from joynet_sdk.qmodel.data import read_labels, read_samples
    from joynet_sdk.qmodel.onnx_import import read_onnx
    from joynet_sdk.qmodel.quantize import quantize as make
    from joynet_sdk.qmodel.report import measure

    target = to or file.with_suffix("") / "model.safetensors"
    with out.progress(f"Quantising {file.name}") as bar, listening(bar.stage):
        samples = read_samples(calibrate)
        answers = read_labels(labels, len(samples)) if labels is not None else None
        graph = read_onnx(file)
        made = make(graph, samples, input_scale=input_scale)
        accuracy = measure(graph, made.model, samples, answers)
    stop_if_dry_run(f"write {target}", **_document(made, accuracy))
    if target.exists():
        out.confirm(f"Replace {target}?")
    target.parent.mkdir(parents=True, exist_ok=True)
    qmodel.save(made.model, target)
    result = {"path": str(target), **_document(made, accuracy)}

    def human(_: dict[str, Any]) -> None:
        _print(made, accuracy)
        out.line(f"wrote {target}")
        out.note(f"next: joynet model publish {target.parent} --price JOY")

    out.result(result, human)


def _document(made: "Quantised", accuracy: "Accuracy") -> dict[str, Any]:
    model = made.model
    return {
        "parameters": model.parameters,
        "input": {"shape": list(model.input.shape), "scale": model.input.scale},
        "output": {"shape": list(model.output_shape), "scale": model.output_scale},
        "accuracy": {
            name: getattr(accuracy, name)
            for name in (
                "samples", "cosine", "max_error", "mean_error", "agreement",
                "float_top1", "integer_top1",
            )
        },
        "layers": [
            {
                "name": layer.name, "op": layer.kind, "source": layer.source,
                "shape": list(layer.shape), "scale": layer.scale, "q_bits": layer.q_bits,
                "snr_db": layer.snr_db,
            }
            for layer in made.layers
        ],
    }  # fmt: skip


def _print(made: "Quantised", accuracy: "Accuracy") -> None:
    rows = [_row(layer) for layer in made.layers]
    out.table(["op", "shape", "step", "q bits", "SNR dB", "from"], rows)
    worst = min(made.layers, key=lambda layer: layer.snr_db)
    out.line(f"{made.model.parameters:,} parameters; most noise after {worst.name}")
    if accuracy.float_top1 is not None and accuracy.integer_top1 is not None:
        out.line(
            f"top-1 float {accuracy.float_top1:.2%}, integer {accuracy.integer_top1:.2%} "
            f"of {accuracy.samples:,} samples"
        )
    out.line(f"cosine {accuracy.cosine:.5f}, same best output {accuracy.agreement:.2%}")
    out.line(f"error  {accuracy.mean_error:.3g} on average, {accuracy.max_error:.3g} at most")


def _row(layer: "Layer") -> list[object]:
    shape = "x".join(str(side) for side in layer.shape)
    bits = layer.q_bits or "-"
    return [layer.name, shape, f"{layer.scale:.3g}", bits, f"{layer.snr_db:.1f}", layer.source]
