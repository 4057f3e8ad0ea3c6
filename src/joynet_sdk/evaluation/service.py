"""Measure models: on this machine or behind the network, sign what was found, refuse garbage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.evaluation import report, running, smoke, tasks
from joynet_sdk.evaluation.cache import AnswerCache
from joynet_sdk.evaluation.gate import Gate
from joynet_sdk.evaluation.items import Dataset, Kind, Split
from joynet_sdk.evaluation.measuring import (
    Options,
    Target,
    measure,
    open_folder,
)
from joynet_sdk.evaluation.metrics import MisfitError
from joynet_sdk.evaluation.ports import Machine, Remote
from joynet_sdk.evaluation.remote import PROFILE as REMOTE_PROFILE
from joynet_sdk.evaluation.report import ReportFile
from joynet_sdk.evaluation.reporting import make_report
from joynet_sdk.evaluation.trial import Candidate, Trial, make_trial
from joynet_sdk.receipts import Signer


@dataclass(frozen=True, slots=True)
class Quote:
    """What measuring a published model through nodes costs.

    Attributes:
        calls: Questions that no cached answer covers.
        price: Wei of JOY for one; no call pays more.
        total: Wei at most.
    """

    model_id: bytes
    calls: int
    price: int
    total: int


class Evaluation:
    """Reached as `JoyNet().evaluation`."""

    def __init__(
        self,
        cache: Path,
        machine: Machine,
        locate: Callable[[str], tuple[bytes | None, Path]],
        signer: Callable[[], Signer],
        remote: Remote,
    ) -> None:
        """
        Args:
            cache: Folder for `evaluation.db`.
            locate: The model id and the verified files of a published model that is stored here.
            signer: The account that signs reports; called when there is one to sign.
        """
        self._cache_folder, self._machine, self._locate = cache, machine, locate
        self._signer, self._remote = signer, remote

    def dataset(
        self,
        task: str,
        *,
        split: Split | None = None,
        limit: int | None = None,
        seed: int = 0,
        kind: Kind | None = None,
    ) -> Dataset:
        """The examples of a task; see `tasks.load`."""
        return tasks.load(task, split=split, limit=limit, seed=seed, kind=kind)

    def quote(self, ref: str, dataset: Dataset) -> Quote:
        """What `run` would pay for a published model that is asked through nodes."""
        model_id, price = self._remote.price(ref)
        with AnswerCache(self._cache_folder) as cache:
            _, missing = running.open_questions(dataset, cache, model_id, REMOTE_PROFILE)
        return Quote(model_id, len(missing), price, len(missing) * price)

    def run(
        self,
        ref: str,
        dataset: Dataset,
        options: Options = Options(),  # noqa: B008  (frozen)
        *,
        quote: Quote | None = None,
        is_signed: bool = True,
        advance: Callable[[int], None] = lambda done: None,
    ) -> ReportFile:
        """Measure one model.

        Args:
            ref: A folder; or a published model, whose files must be stored here unless `quote`
                says that nodes are to be asked and paid.
            advance: Told how many more answers there are.

        Raises:
            NotFoundError: No such folder or model, or its files are not stored here.
            InvalidInputError: The model does not fit the task.
            VerificationError: It answers NaN or infinity.
        """
        target = self._open(ref, dataset, options, quote)
        return self._finish(target, dataset, options, is_signed, advance)

    def trial(
        self,
        child: Candidate,
        parents: Sequence[Candidate],
        dataset: Dataset,
        options: Options = Options(),  # noqa: B008  (frozen)
        *,
        is_signed: bool = True,
        advance: Callable[[int], None] = lambda done: None,
    ) -> Trial:
        """Measure a model and its parents on the same questions, and compare.

        A parent that cannot be asked, such as the head of a pipeline, is left out and named.

        Raises:
            InvalidInputError: The child does not fit the task.
        """
        files, left_out = [], []
        for candidate in (child, *parents):
            target = open_folder(
                self._machine,
                candidate.folder,
                options,
                dataset.integer_step,
                ref=candidate.name,
                model_id=candidate.model_id,
            )
            try:
                files.append(self._finish(target, dataset, options, is_signed, advance))
            except MisfitError as error:
                if candidate is child:
                    raise
                left_out.append(f"{candidate.name}: {error}")
        return make_trial(files, left_out)

    def _finish(
        self,
        target: Target,
        dataset: Dataset,
        options: Options,
        is_signed: bool,
        advance: Callable[[int], None],
    ) -> ReportFile:
        signer = self._signer() if is_signed else None
        with AnswerCache(self._cache_folder) as cache:
            measured = measure(target, dataset, cache, options.batch_size, advance)
        address = signer.address if signer is not None else None
        made = make_report(target, dataset, options, measured, self._machine, address)
        return report.sign(made, signer) if signer is not None else ReportFile(made, None)

    def _open(self, ref: str, dataset: Dataset, options: Options, quote: Quote | None) -> Target:
        if quote is not None:
            return self._open_remote(ref, dataset, options, quote)
        path = Path(ref)
        if path.is_dir():
            return open_folder(self._machine, path, options, dataset.integer_step)
        if path.exists() or is_path(ref):
            raise NotFoundError("model folder", ref, hint="expected a folder or a published model")
        model_id, folder = self._locate(ref)
        return open_folder(
            self._machine, folder, options, dataset.integer_step, ref=ref, model_id=model_id
        )

    def _open_remote(self, ref: str, dataset: Dataset, options: Options, quote: Quote) -> Target:
        if options != Options(seed=options.seed):
            raise InvalidInputError("nodes choose batch size and dtype themselves: leave both")
        paid = self._remote.open(ref, max_price=quote.price, integer_step=dataset.integer_step)
        if paid.model_id != quote.model_id:
            raise InvalidInputError(f"{ref} is another model now than when it was quoted")
        return Target(ref, paid, paid.model_id, paid.model_id, (), lambda: paid.paid)

    # --- the smoke gate -------------------------------------------------------------------------

    def smoke(
        self,
        model: Path,
        parents: Sequence[Path],
        task: str | None = None,
        *,
        kind: Kind | None = None,
        is_recorded: bool = True,
    ) -> smoke.SmokeRecord:
        """Check a built model against its parents; see `smoke.SmokeGate`.

        Args:
            kind: What a JSONL file is for; by default what its first line shows.
            is_recorded: Whether to write the record beside the model's folder.

        Raises:
            NotFoundError: A folder or the task does not exist.
            InvalidInputError: A parent cannot be opened or does not fit the task.
        """
        record = Gate(self._machine, self._cache_folder).check(model, parents, task, kind)
        if is_recorded:
            smoke.write_record(model, record)
        return record


def is_path(ref: str) -> bool:
    """Whether somebody means a path: no name, CID or model id has a slash."""
    return "/" in ref
