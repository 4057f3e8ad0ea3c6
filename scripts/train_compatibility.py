"""Train the score of `joynet fuse check` on merges that this script makes itself.

It trains many small networks (multilayer perceptrons) on scikit-learn's sets, merges them with
`joynet_sdk.compute.merging`, measures each merge on held-out data, and fits boosted trees to what
is known before a merge: how near the weights are, and which method is used.

    python scripts/train_compatibility.py            # make the merges, then fit: some minutes
    python scripts/train_compatibility.py --fit      # fit again on the committed merges: seconds

Writes benchmarks/data/merges.csv (one row for each merge) and the score.json of the package (the
trees, their range, their errors), and prints the tables of docs/guides/compatibility.md.
"""

import argparse
import csv
import dataclasses
import itertools
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.methods import merge
from joynet_sdk.compute.merging.similarity import compare_arrays
from joynet_sdk.fusion.compatibility import Similarity
from joynet_sdk.fusion.compatibility.score import FEATURES, METHODS, Score, features

ROOT = Path(__file__).parents[1]
MERGES = ROOT / "benchmarks" / "data" / "merges.csv"
SCORE = ROOT / "src" / "joynet_sdk" / "fusion" / "compatibility" / "score.json"
SETTINGS = 460
FOLDS = 6
DATA = ["digits"] * 3 + ["synthetic"] * 3 + ["wine", "breast_cancer", "iris"]
NUMBERS = [
    each.name for each in dataclasses.fields(Similarity) if each.name not in ("farthest", "sampled")
]
COLUMNS = [
    "group", "data", "start", "split", "method", "models", "layers",
    *NUMBERS, "better", "merged", "kept",
]  # fmt: skip

WITHOUT_BASE: dict[str, Any] = dict.fromkeys(
    ("task_cosine", "least_task_cosine", "sign_agreement", "task_norm")
)
Weights = dict[str, np.ndarray]


# --- networks ---------------------------------------------------------------------------------


def new_network(sizes: list[int], rng: np.random.Generator) -> Weights:
    """He initialisation. Source: He et al. 2015, arXiv:1502.01852."""
    network: Weights = {}
    for i, (rows, columns) in enumerate(zip(sizes[1:], sizes[:-1], strict=True)):
        scale = np.sqrt(2 / columns)
        network[f"layers.{i}.weight"] = (rng.normal(size=(rows, columns)) * scale).astype("f4")
        network[f"layers.{i}.bias"] = np.zeros(rows, "f4")
    return network


def forward(network: Weights, x: np.ndarray) -> list[np.ndarray]:
    """Activations of every layer, the logits last."""
    depth = len(network) // 2
    outputs = [x]
    for i in range(depth):
        x = outputs[-1] @ network[f"layers.{i}.weight"].T + network[f"layers.{i}.bias"]
        outputs.append(np.maximum(x, 0) if i < depth - 1 else x)
    return outputs


def accuracy(network: Weights, x: np.ndarray, y: np.ndarray) -> float:
    return float((forward(network, x)[-1].argmax(axis=1) == y).mean())


def train(
    network: Weights, x: np.ndarray, y: np.ndarray, steps: int, rate: float, seed: int
) -> Weights:
    """Adam on cross-entropy, batches of 32. Source: Kingma and Ba 2015, arXiv:1412.6980."""
    rng = np.random.default_rng(seed)
    network = {name: value.copy() for name, value in network.items()}
    first = {name: np.zeros_like(value) for name, value in network.items()}
    second = {name: np.zeros_like(value) for name, value in network.items()}
    depth = len(network) // 2
    for step in range(1, steps + 1):
        batch = rng.integers(0, len(x), min(32, len(x)))
        outputs = forward(network, x[batch])
        logits = outputs[-1] - outputs[-1].max(axis=1, keepdims=True)
        slope = np.exp(logits)
        slope /= slope.sum(axis=1, keepdims=True)
        slope[np.arange(len(batch)), y[batch]] -= 1
        slope /= len(batch)
        for i in reversed(range(depth)):
            gradients = {
                f"layers.{i}.weight": slope.T @ outputs[i],
                f"layers.{i}.bias": slope.sum(axis=0),
            }
            slope = (slope @ network[f"layers.{i}.weight"]) * (outputs[i] > 0)
            for name, gradient in gradients.items():
                first[name] += 0.1 * (gradient - first[name])
                second[name] += 0.001 * (gradient**2 - second[name])
                mean = first[name] / (1 - 0.9**step)
                spread = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
                network[name] -= (rate * mean / spread).astype("f4")
    return network


# --- data -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """A set, standardised and split."""

    name: str
    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", int(self.y.max()) + 1)


def load(name: str, rng: np.random.Generator) -> Data:
    """One of scikit-learn's sets, or a synthetic one; a third is held out."""
    if name == "synthetic":
        classes = int(rng.integers(2, 9))
        x, y = datasets.make_classification(
            n_samples=1500,
            n_features=int(rng.integers(8, 40)),
            n_informative=7,
            n_redundant=0,
            n_classes=classes,
            n_clusters_per_class=1,
            class_sep=float(rng.uniform(0.8, 2)),
            random_state=int(rng.integers(1 << 31)),
        )
    else:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x = StandardScaler().fit_transform(x).astype("f4")
    order = rng.permutation(len(x))
    cut = len(x) // 3
    return Data(name, x[order[cut:]], y[order[cut:]], x[order[:cut]], y[order[:cut]])


def parts(
    data: Data, split: str, count: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What each expert is tuned on (rows), and which held-out rows are its own task (mask)."""
    rows, everything = np.arange(len(data.x)), np.ones(len(data.test_x), bool)
    if split == "same":
        return [(rows, everything)] * count
    if split == "halves":
        return [(each, everything) for each in np.array_split(rng.permutation(rows), count)]
    found = []
    for mine in np.array_split(rng.permutation(data.classes), count):
        chosen = rows[np.isin(data.y, mine)]
        if split == "leaning":  # mostly its own classes, and a tenth of everything
            chosen = np.concatenate([chosen, rng.permutation(rows)[: len(rows) // 10]])
        found.append((chosen, np.isin(data.test_y, mine)))
    return found


# --- merges -----------------------------------------------------------------------------------


def merged(method: str, experts: list[Weights], base: Weights) -> Weights:
    """A merge with the parameters that people use; slerp and linear leave the base out."""
    result = {}
    for name in base:
        tensors = [torch.from_numpy(expert[name]) for expert in experts]
        start: torch.Tensor | None = torch.from_numpy(base[name])
        parameters: list[dict[str, Any]] = [{} for _ in tensors]
        settings: dict[str, Any] = {}
        if method == "slerp":
            start, tensors, parameters = tensors[0], tensors[1:], [{}]
            settings = {"t": 0.5}
        elif method == "linear":
            start = None
        elif method == "ties":
            parameters = [{"density": 0.5} for _ in tensors]
        inputs = MergeInputs(name, tuple(tensors), tuple(parameters), base=start, settings=settings)
        result[name] = merge(method, inputs).numpy()
    return result


def make_group(group: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One setting: a start, experts tuned from it, and every merge of them."""
    name = str(rng.choice(DATA))
    data = load(name, rng)
    start = str(rng.choice(["trained", "trained", "half", "untrained", "unrelated"]))
    splits = ["same", "halves", "classes", "leaning"]
    count = int(rng.choice([2, 2, 3]))
    split = str(rng.choice(splits[:2] if data.classes < count else splits))
    depth, width = int(rng.integers(1, 4)), int(rng.choice([8, 16, 32, 64, 128, 256]))
    sizes = [data.x.shape[1], *[width] * depth, data.classes]
    seeds = rng.integers(1 << 31, size=8)
    base = new_network(sizes, rng)
    if start in ("trained", "half"):
        rows = rng.permutation(len(data.x))[: len(data.x) // (2 if start == "half" else 1)]
        steps = int(rng.choice([60, 200, 600]))
        base = train(base, data.x[rows], data.y[rows], steps, 2e-3, int(seeds[0]))
    rate, steps = float(10 ** rng.uniform(-4, -2)), int(10 ** rng.uniform(1.5, 3))
    experts, tasks = [], []
    for i, (rows, own) in enumerate(parts(data, split, count, rng)):
        first = new_network(sizes, rng) if start == "unrelated" else base
        experts.append(train(first, data.x[rows], data.y[rows], steps, rate, int(seeds[1 + i])))
        tasks.append(own)
    return measure(group, data, (start, split), list(zip(experts, tasks, strict=True)), base)


def measure(
    group: int,
    data: Data,
    setting: tuple[str, str],
    parents: list[tuple[Weights, np.ndarray]],
    base: Weights,
) -> list[dict[str, Any]]:
    """A row for each method: on what the merge and each expert do on the expert's own task."""
    experts = [expert for expert, _ in parents]
    near = compare_arrays(experts, base)
    assert near is not None, "networks of one shape"

    def on(network: Weights, mask: np.ndarray) -> float:
        return accuracy(network, data.test_x[mask], data.test_y[mask])

    alone = np.array([on(expert, own) for expert, own in parents])
    if alone.min() < 0.5:  # an expert that learned nothing
        return []
    rows = []
    for method in METHODS:
        if method == "slerp" and len(experts) != 2:
            continue
        result = merged(method, experts, base)
        together = np.array([on(result, own) for _, own in parents])
        everything = np.ones(len(data.test_x), bool)
        rows.append(
            {"group": group, "data": data.name, "start": setting[0], "split": setting[1],
             "method": method, "models": len(experts), "layers": len(base) // 2,
             **{name: getattr(near, name) for name in NUMBERS},
             "better": max(on(expert, everything) for expert in experts),
             "merged": on(result, everything), "kept": float((together / alone).mean())}
        )  # fmt: skip
    return rows


def make_merges(path: Path) -> None:
    """Write the data set."""
    rows = []
    for group in range(SETTINGS):
        rows += make_group(group, np.random.default_rng([2026, group]))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})


# --- the score --------------------------------------------------------------------------------


def read_merges(path: Path) -> tuple[list[dict[str, str]], np.ndarray, np.ndarray, np.ndarray]:
    """Rows, features, targets and groups; a merge that needs no base is in twice, once without."""
    rows, table, targets, groups = [], [], [], []
    with path.open() as file:
        for row in csv.DictReader(file):
            known = {name: float(row[name]) for name in NUMBERS}
            near = Similarity(farthest="", sampled=0, **known)  # type: ignore[arg-type]
            variants = [near]
            if row["method"] in ("linear", "slerp"):
                variants.append(dataclasses.replace(near, **WITHOUT_BASE))
            for each in variants:
                rows.append(row)
                found = features(each, int(row["models"]), int(row["layers"]), row["method"])
                table.append(found)
                targets.append(float(row["kept"]))
                groups.append(int(row["group"]))
    return rows, np.array(table), np.array(targets), np.array(groups)


def new_model() -> GradientBoostingRegressor:
    return GradientBoostingRegressor(
        n_estimators=120,
        max_depth=3,
        learning_rate=0.05,
        subsample=0.6,
        max_features=0.6,
        min_samples_leaf=30,
        loss="huber",
        random_state=1,
    )


def held_out(model: Any, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Predictions for each row by a model that saw none of its group."""
    found = np.empty(len(y))
    for fit, test in GroupKFold(min(FOLDS, len(set(groups)))).split(x, y, groups):
        found[test] = model().fit(x[fit], y[fit]).predict(x[test])
    return found


def spans(column: np.ndarray) -> list[list[float]]:
    """Where a feature was seen: its range, cut at gaps of more than 15% of it."""
    values = np.unique(column)
    cuts = np.flatnonzero(np.diff(values) > 0.15 * (values[-1] - values[0])) + 1
    pieces = np.split(values, cuts)
    return [[float(f"{each:.6g}") for each in (piece[0], piece[-1])] for piece in pieces]


def figures(found: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Mean absolute error, that of always saying the mean, R2, and rank correlation."""
    ranks = [np.argsort(np.argsort(each)) for each in (found, y)]
    return {
        "mae": float(np.abs(found - y).mean()),
        "mae_of_mean": float(np.abs(y - y.mean()).mean()),
        "r2": float(1 - ((found - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()),
        "spearman": float(np.corrcoef(*ranks)[0, 1]),
    }


def trees_of(model: GradientBoostingRegressor) -> list[dict[str, list[float]]]:
    """The trees as arrays; a leaf has feature -1. Values are in units of the target."""
    found = []
    for (estimator,) in model.estimators_:
        tree = estimator.tree_
        found.append(
            {
                "feature": [int(each) if each >= 0 else -1 for each in tree.feature],
                "threshold": [float(f"{each:.6g}") for each in tree.threshold],
                "left": tree.children_left.tolist(),
                "right": tree.children_right.tolist(),
                "value": [
                    float(f"{each * model.learning_rate:.6g}") for each in tree.value[:, 0, 0]
                ],
            }
        )
    return found


def fit(merges: Path, score: Path) -> None:
    """Fit the score, measure it on groups it has not seen, and write it down."""
    rows, x, y, groups = read_merges(merges)
    found = held_out(new_model, x, y, groups)
    linear = held_out(lambda: Ridge(1.0), x, y, groups)
    data_sets = np.array([row["data"] for row in rows])
    codes = np.unique(data_sets, return_inverse=True)[1]
    foreign = held_out(new_model, x, y, codes)  # a fold is a data set
    residuals = y - found
    related = np.array([row["start"] != "unrelated" for row in rows])
    edges = [-1, 0.4, 0.6, 0.8, 0.9, 0.95, 1, 2]
    bins = []
    for low, high in itertools.pairwise(edges):
        inside = (found >= low) & (found < high)
        if inside.sum() >= 10:
            spread = np.quantile(residuals[inside], [0.1, 0.9])
            bins.append(
                {"from": low, "to": high, "merges": int(inside.sum()),
                 "predicted": float(found[inside].mean()), "measured": float(y[inside].mean()),
                 "low": float(spread[0]), "high": float(spread[1])}
            )  # fmt: skip
    model = new_model().fit(x, y)
    document = {
        "format": "joynet-merge-score/1",
        "features": list(FEATURES),
        "range": [spans(column) for column in x.T],
        "start": float(model.init_.predict(x[:1])[0]),
        "trees": trees_of(model),
        "bins": bins,
        "figures": {
            "merges": len({(row["group"], row["method"]) for row in rows}),
            "groups": len(set(groups.tolist())),
            "held_out": figures(found, y),
            "held_out_related": figures(found[related], y[related]),
            "held_out_data_sets": figures(foreign, y),
            "ridge": figures(linear, y),
        },
    }
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    score.write_text(text + "\n")
    check(Score.load(), model, x)
    report(document, data_sets, found, y)


def check(score: Score, model: GradientBoostingRegressor, x: np.ndarray) -> None:
    """The committed trees say what scikit-learn's say."""
    mine = np.array([score.value(row) for row in x[::17]])
    assert np.allclose(mine, model.predict(x[::17]), atol=2e-3), "trees were written down wrong"


def report(
    document: dict[str, Any], data_sets: np.ndarray, found: np.ndarray, y: np.ndarray
) -> None:
    """Print the tables of the docs."""
    print(json.dumps(document["figures"], indent=1))
    for each in document["bins"]:
        print({k: round(v, 3) for k, v in each.items()})
    for name in sorted(set(data_sets)):
        mine = data_sets == name
        print(f"{name:14} {mine.sum():5} rows, mae {np.abs(found[mine] - y[mine]).mean():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="Keep the merges, fit the score only.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    if not options.fit:
        make_merges(MERGES)
    fit(MERGES, SCORE)
    print(f"{time.process_time() - started:.0f} CPU-seconds")


if __name__ == "__main__":
    main()
