"""From a measurement to an unsigned report."""

import time

from joynet_sdk.evaluation import metrics, report
from joynet_sdk.evaluation.items import Dataset
from joynet_sdk.evaluation.measuring import Measured, Options, Target
from joynet_sdk.evaluation.metrics import Metric
from joynet_sdk.evaluation.ports import Machine
from joynet_sdk.evaluation.report import EvalReport, decimal_text


def make_report(
    target: Target,
    dataset: Dataset,
    options: Options,
    measured: Measured,
    machine: Machine,
    evaluator: str | None,
) -> EvalReport:
    """Everything that docs/spec/eval-report.md asks for."""
    outcomes, answers = measured.outcomes, measured.answers
    words, versions = machine.describe()
    found = metrics.measure(outcomes, dataset.labels, options.seed)
    return EvalReport(
        evaluator=evaluator,
        task=report.TaskPart(
            name=dataset.task,
            kind=dataset.kind,
            split=dataset.split,
            source=dataset.source,
            seed=dataset.seed,
            limit=dataset.limit,
            items=len(dataset.items),
            labels=list(dataset.labels),
            data=_hex(dataset.digest),
        ),
        model=report.ModelPart(
            ref=target.ref,
            model_id=None if target.model_id is None else _hex(target.model_id),
            digest=None if target.is_remote else _hex(target.identity),
            files=[
                report.FilePart(path=f.path, size=f.size, sha256=f.sha256) for f in target.files
            ],
            profile=target.model.profile,
            dtype=target.model.dtype,
            is_remote=target.is_remote,
        ),
        settings=report.SettingsPart(
            seed=options.seed, batch_size=options.batch_size, dtype=options.dtype
        ),
        metrics=[_part(metric) for metric in found],
        classes=[_part(metric) for metric in metrics.per_class(outcomes, dataset.labels)],
        outcomes=report.OutcomesPart(
            expected=[decimal_text(value) for value in outcomes.expected],
            predicted=[decimal_text(value) for value in outcomes.predicted],
        ),
        work=report.WorkPart(
            answers=answers.asked,
            from_cache=answers.from_cache,
            paid=str(target.paid()),
            seconds=decimal_text(round(measured.seconds, 3)),
        ),
        machine=words,
        versions=versions,
        time=int(time.time()),
    )


def _part(metric: Metric) -> report.MetricPart:
    return report.MetricPart(
        name=metric.name,
        value=decimal_text(metric.value),
        stderr=decimal_text(metric.stderr),
        low=decimal_text(metric.low),
        high=decimal_text(metric.high),
        items=metric.items,
        method=metric.method,
    )


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
