"""Runs the smoke gate: opens child and parents, asks them the same questions, judges."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from joynet_sdk import __version__
from joynet_sdk.errors import ConfigError, JoyNetError
from joynet_sdk.evaluation import metrics, running, smoke, smoke_checks, tasks
from joynet_sdk.evaluation.cache import AnswerCache
from joynet_sdk.evaluation.items import Dataset, Item, Kind, Query
from joynet_sdk.evaluation.measuring import (
    Options,
    Target,
    check_fit,
    measure,
    open_folder,
    reads_same,
)
from joynet_sdk.evaluation.metrics import MisfitError
from joynet_sdk.evaluation.ports import Machine, Model
from joynet_sdk.evaluation.smoke import Check, SmokeRecord
from joynet_sdk.evaluation.smoke_checks import Behaviour
from joynet_sdk.progress import stage

SEED = 0
TASK_ITEMS = 256  # of the task, at most
PROBES = 96  # questions without a task
WRITTEN_TOKENS = 40
PROMPTS = 3
_BY_SIZE = {64: "digits", 4: "iris", 13: "wine", 30: "breast_cancer"}


class Gate:
    """Checks builds on this machine."""

    def __init__(self, machine: Machine, cache: Path) -> None:
        self._machine, self._cache_folder = machine, cache

    def check(
        self, model: Path, parents: Sequence[Path], task: str | None, kind: Kind | None = None
    ) -> SmokeRecord:
        """Every check that can be made; see `smoke.SmokeGate`."""
        dataset = None
        if task is not None:
            dataset = tasks.load(task, limit=TASK_ITEMS, seed=SEED, kind=kind)
        step = dataset.integer_step if dataset is not None else 0.0
        with AnswerCache(self._cache_folder) as cache:
            checks, asked = self._checks(model, parents, dataset, step, cache)
        return SmokeRecord(
            model=smoke.folder_digest(model),
            parents=sorted(map(smoke.folder_digest, parents)),
            task=dataset.task if dataset is not None else None,
            data="0x" + asked.hex(),
            checks=checks,
            limits=smoke.limits_text(),
            version=__version__,
        )

    def _checks(
        self,
        folder: Path,
        parents: Sequence[Path],
        dataset: Dataset | None,
        step: float,
        cache: AnswerCache,
    ) -> tuple[list[Check], bytes]:
        """The checks, and the digest of the questions; zeros where none could be asked."""
        stage("smoke gate: looking at the weights")
        inherited = [fault for parent in parents for fault in self._machine.check_weights(parent)]
        checks = [smoke_checks.check_weights(self._machine.check_weights(folder), inherited)]
        if not checks[0].is_passed:
            return checks, bytes(32)
        try:
            target = open_folder(self._machine, folder, Options(), step)
            asked = dataset or probes(target.model)
            child = self._behaviour(target, asked, dataset, cache)
        except (ConfigError, MisfitError):
            raise  # this machine or this task cannot, which says nothing about the model
        except JoyNetError as error:
            return [*checks, _runs(str(error))], bytes(32)
        checks += [_runs(None), smoke_checks.check_numbers(child)]
        if checks[-1].is_passed:
            others = self._parents(parents, asked, dataset, step, child.output, cache)
            checks += _judge(child, others, dataset)
        return checks, asked.digest

    def _parents(
        self,
        folders: Sequence[Path],
        asked: Dataset,
        dataset: Dataset | None,
        step: float,
        output: str,
        cache: AnswerCache,
    ) -> list[Behaviour]:
        """What the parents do that can be asked the same, e.g. not the head of a pipeline."""
        found = []
        for folder in folders:
            target = open_folder(self._machine, folder, Options(), step)
            if not reads_same(target.model, asked):
                continue
            measured = dataset if target.model.output == output else None
            try:
                found.append(self._behaviour(target, asked, measured, cache))
            except MisfitError:  # other classes: its answers still tell, its accuracy does not
                found.append(self._behaviour(target, asked, None, cache))
        return found

    def _behaviour(
        self, target: Target, asked: Dataset, dataset: Dataset | None, cache: AnswerCache
    ) -> Behaviour:
        stage(f"smoke gate: asking {target.ref}")
        if dataset is not None:
            check_fit(target.model, dataset)
        answers = running.ask_all(asked, target.model, target.identity, cache, 1)
        rows = [numbers for item in answers.by_item for numbers in item]
        table, output = np.array(rows), target.model.output
        written = []
        if output == "tokens":
            prompts = [str(item.queries[0])[:80] for item in asked.items[:PROMPTS]]
            written = [target.model.continue_text(text, WRITTEN_TOKENS) for text in prompts]
        metric = None
        if np.isfinite(table).all() and (dataset is not None or output == "tokens"):
            measured = measure(target, dataset or asked, cache)
            metric = metrics.measure(measured.outcomes, asked.labels, SEED)[0]
        return Behaviour(table, output, written, metric)


def _runs(problem: str | None) -> Check:
    reason = f"the model does not run: {problem}" if problem else smoke_checks.PASSED
    return Check(name="runs", is_passed=problem is None, reason=reason[:2000])


def _judge(child: Behaviour, parents: Sequence[Behaviour], dataset: Dataset | None) -> list[Check]:
    checks = []
    if child.output == "tokens":
        checks.append(smoke_checks.check_repetition(child, parents))
    else:
        checks.append(smoke_checks.check_variety(child, parents))
        likeness = smoke_checks.check_likeness(child, parents)
        checks += [likeness] if likeness is not None else []
    if child.metric is not None:
        chance = None
        if dataset is not None and dataset.kind == "classify":
            labels = [item.label for item in dataset.items]
            chance = max(labels.count(label) for label in set(labels)) / len(labels)
        checks.append(smoke_checks.check_metric(child, parents, chance))
    return checks


def probes(model: Model) -> Dataset:
    """Questions for a model of which no task is known: plain English, or numbers of its size.

    Real measures where a data set of scikit-learn has that size, else noise within [0, 1].
    """
    if model.shape is None:
        texts = tasks.load("python:topics", limit=PROBES, seed=SEED).items
        length = 600 if model.output == "tokens" else 300
        queries: list[Query] = [_cut(str(item.queries[0]), length) for item in texts]
        kept = queries[:16] if model.output == "tokens" else queries
        kind: Kind = "perplexity" if model.output == "tokens" else "similarity"
        return _dataset("probe:english", kind, kept)
    size = int(np.prod(model.shape))
    name = _BY_SIZE.get(size)
    if name is not None:
        found = tasks.load(f"sklearn:{name}", split="all", limit=PROBES, seed=SEED)
        queries = [item.queries[0] for item in found.items]
        return _dataset(f"probe:{name}", "regress", queries)
    rng = np.random.default_rng(SEED)
    return _dataset("probe:noise", "regress", list(rng.random((PROBES, *model.shape))))


def _cut(text: str, length: int) -> str:
    """Paragraphs of the manual start with a heading and rules; some letters in, prose begins."""
    return " ".join(text.split())[:length]


def _dataset(name: str, kind: Kind, queries: Sequence[Query]) -> Dataset:
    items = tuple(Item((query,)) for query in queries)
    return Dataset(name, kind, "all", "probes of the smoke gate", SEED, None, items)
