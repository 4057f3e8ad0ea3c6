"""`JoyNet`: `AsyncJoyNet` for scripts and notebooks, with what computes on this machine."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext
from contextvars import copy_context
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from joynet_sdk.chain.accounts import Account
from joynet_sdk.client.asynchronous import AsyncJoyNet
from joynet_sdk.errors import JoyNetError, NotFoundError
from joynet_sdk.formats import Manifest, parse_ref
from joynet_sdk.inference.service import Result
from joynet_sdk.paths import Home, home_root, private_dir
from joynet_sdk.proving import UNPUBLISHED, Located
from joynet_sdk.storage.library import Library
from joynet_sdk.storage.manifest import load_manifest
from joynet_sdk.storage.texts import Texts
from joynet_sdk.types import ModelId

if TYPE_CHECKING:
    from joynet_sdk.compositions.parts import Part
    from joynet_sdk.evaluation.service import Evaluation
    from joynet_sdk.fusion.composing import Composing
    from joynet_sdk.fusion.service import Fusion
    from joynet_sdk.peeking import Checked

T = TypeVar("T")


class JoyNet(AsyncJoyNet):
    """The same with a synchronous `infer`, for scripts and notebooks.

    Example:
        with JoyNet.connect(account="alice", password="...") as joynet:
            answer = joynet.infer("digits.joy", b"[[0, 0, 5, ...]]")
            print(answer.decoded.summary)
    """

    @classmethod
    def connect(
        cls,
        *,
        home: str | Path | None = None,
        network: str | None = None,
        account: str | None = None,
        password: str | Callable[[str], str] = "",
    ) -> Self:
        """Open a home with its own configuration.

        Args:
            home: Folder of all state; `$JOYNET_HOME` or ~/.joynet by default.
            network: RPC URL or "devnet"; the configured one by default.
            account: Key name; the configured one by default.
            password: Of the key, or a function from key name to password; by default what the
                configured `password_file` holds.
        """
        import os

        from joynet_sdk import config
        from joynet_sdk.environment import read_environment

        root = Path(home).expanduser().resolve() if home else home_root(os.environ)
        flags = {"network": network, "account": account}
        chosen = {key: value for key, value in flags.items() if value is not None}
        resolved = config.resolve(root, read_environment(Path.cwd()), Path.cwd(), chosen)
        settings = resolved.settings
        if not password and settings.password_file:
            password = Path(settings.password_file).expanduser().read_text().strip()
        ask = password if callable(password) else lambda _: str(password)
        return cls(root, settings, password=ask)

    def infer(self, ref: str, data: bytes | str, **options: Any) -> Result:
        """Run a model once; the options are those of `Inference.run`."""
        raw = data.encode() if isinstance(data, str) else data
        return self.wait(self.inference.run(ref, raw, **options))

    def check_fusion(
        self, refs: Sequence[str], *, base: str | None = None, method: str | None = None
    ) -> "Checked":
        """Judge from their headers whether models can be fused; see `peeking.check_fusion`."""
        from joynet_sdk.fusion.compatibility import Plan as Asked
        from joynet_sdk.peeking import check_fusion

        return check_fusion(
            [*refs, *([base] if base is not None else [])],
            Asked(method, base is not None),
            home=self.home,
            quota_gb=self.settings.storage.quota_gb,
            open_joynet=lambda: nullcontext(self),
        )

    @cached_property
    def evaluation(self) -> "Evaluation":
        """Measuring models, and the smoke gate."""
        from joynet_sdk.compute.evaluating import Machine
        from joynet_sdk.evaluation.remote import Bought
        from joynet_sdk.evaluation.service import Evaluation
        from joynet_sdk.models import describe
        from joynet_sdk.storage.scan import scan_model

        return Evaluation(
            Home(self.home).cache,
            Machine(describe, self._parts, scan_model),
            self._stored,
            lambda: self._signer,
            Bought(lambda: self.inference, self._ask_each, self._fetch_manifest),
        )

    @cached_property
    def _signer(self) -> Account:
        """The account, without connecting to a chain where none is needed."""
        return self.chain.account if "chain" in self.__dict__ else self._open_account()

    def _stored(self, ref: str) -> tuple[bytes | None, Path]:
        """Id and files of a published model that is stored here."""
        located = self._locate(ref)
        return located.model_id, located.folder

    def _parts(self, folder: Path) -> list["Part"]:
        """The models that a composition's folder names, of all levels; all must be stored here."""
        return self.composing.parts(folder)

    @cached_property
    def composing(self) -> "Composing":
        """Runtime compositions of published models."""
        from joynet_sdk.compute.once import run_once
        from joynet_sdk.fusion.composing import Composing

        return Composing(self._resolve, self._part, run_once)

    @cached_property
    def fusion(self) -> "Fusion":
        """Fusing the weights of models; connects to the chain only for its market."""
        from joynet_sdk.compute.merging.engine import MergeEngine
        from joynet_sdk.fusion.publishing import FusionMarket
        from joynet_sdk.fusion.service import Fusion
        from joynet_sdk.storage.scan import scan_model

        library, specs = Library(self.store), Texts(self.store, "fusion spec")
        return Fusion(
            MergeEngine(),
            self._find_model,
            scan_model,
            library,
            specs,
            lambda: self.evaluation,
            Home(self.home).cache / "fusion",
            FusionMarket(lambda: self.chain, self._start, library, specs),
        )

    def _find_model(self, ref: str) -> Located:
        """The files of a folder, or of a published model that is stored here."""
        if (path := Path(ref)).exists():
            return Located(UNPUBLISHED, path)
        model_id = self._resolve(ref)
        return Located(model_id, self._export(model_id))

    def _resolve(self, ref: str) -> ModelId:
        """A REF's model id; an id needs no chain."""
        found = parse_ref(ref)
        return found.model_id if found.model_id is not None else self.inference.resolve(ref)

    def _part(self, model_id: ModelId) -> "Part":
        """A published model's manifest and files, pulled from its nodes if need be."""
        from joynet_sdk.compositions.parts import Part

        try:
            folder = self._export(model_id)
        except NotFoundError:
            folder = private_dir(self.home / "models") / model_id.hex()
            self.wait(self.pulls.pull(model_id, folder))
        return Part(load_manifest(self.store, model_id), folder)

    def _ask_each(
        self, ref: str, inputs: Sequence[bytes], max_price: int
    ) -> tuple[list[Result], JoyNetError | None]:
        """Infer once for each input over one connection; stops at the first error."""

        async def ask() -> tuple[list[Result], JoyNetError | None]:
            results: list[Result] = []
            async with self.connected():
                for data in inputs:
                    try:
                        results.append(await self.inference.run(ref, data, max_price=max_price))
                    except JoyNetError as error:
                        return results, error
            return results, None

        return self.wait(ask())

    def _fetch_manifest(self, model_id: ModelId) -> Manifest:
        """A listed model's manifest, from the store or else from a node that serves it."""
        try:
            return load_manifest(self.store, model_id)
        except NotFoundError:
            routes = [route for route in self.inference.routes(model_id) if route.is_eligible]

        async def fetch() -> None:
            async with self._open_client() as client:
                peers = [await client.connect(route.addresses) for route in routes[:1]]
                await client.fetch_manifest(model_id, peers)

        self.wait(fetch())
        return load_manifest(self.store, model_id)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, also where an event loop runs already (a notebook)."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._interruptible(work))
        box: list[T | BaseException] = []
        context = copy_context()

        def run() -> None:
            try:
                box.append(context.run(asyncio.run, work))
            except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
                box.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if isinstance(box[0], BaseException):
            raise box[0]
        return box[0]

    async def _interruptible(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`; when Ctrl-C cancels it, end the waits of its worker threads too."""
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if "chain" in self.__dict__:
                self.chain.interrupt()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
