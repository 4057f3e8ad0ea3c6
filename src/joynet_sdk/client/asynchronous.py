"""`AsyncJoyNet`: the services of one home and network, wired to its adapters."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from joynet_sdk.chain import ens_names, flows
from joynet_sdk.chain.accounts import Account, locked_account, open_account
from joynet_sdk.chain.networks import resolve_url
from joynet_sdk.chain.session import ChainSession
from joynet_sdk.chain.transactions import Plan
from joynet_sdk.config import Settings
from joynet_sdk.domains import Domains
from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError
from joynet_sdk.governance import Governance
from joynet_sdk.inference.committee import FLOW as COMMITTEE
from joynet_sdk.inference.lanes import VoucherBook
from joynet_sdk.inference.proven import FLOW as PROVEN
from joynet_sdk.inference.proven import srs_digest
from joynet_sdk.inference.service import Inference, NodeClient
from joynet_sdk.licenses import Licenses
from joynet_sdk.models import Models, Pulls, Search
from joynet_sdk.nodes import Nodes
from joynet_sdk.paths import Home, private_dir
from joynet_sdk.payments import Payments
from joynet_sdk.proving import UNPUBLISHED, Located, Proving
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.catalogue import Catalogue
from joynet_sdk.storage.content_keys import ContentKeys
from joynet_sdk.storage.library import Library
from joynet_sdk.storage.manifest import export_model, load_manifest
from joynet_sdk.storage.texts import Texts
from joynet_sdk.token import Staking
from joynet_sdk.types import ModelId, Point

if TYPE_CHECKING:
    from joynet_sdk.p2p.inferclient import InferClient
    from joynet_sdk.proofs.inference import InferenceProver

GB = 10**9
FLOWS = {
    "dao.create": "joynet_sdk.governance:create_flow",
    "domain.records": "joynet_sdk.domains:records_flow",
    "domain.register": "joynet_sdk.domains:register_flow",
    "domain.renew": "joynet_sdk.domains:renew_flow",
    "fuse.claim": "joynet_sdk.fusion.publishing:claim_flow",
    "fuse.defend": "joynet_sdk.fusion.publishing:defend_flow",
    "fuse.publish": "joynet_sdk.fusion.publishing:publish_flow",
    "infer.committee": "joynet_sdk.inference.committee:committee_flow",
    "infer.proven": "joynet_sdk.inference.proven:proven_flow",
    "license.buy": "joynet_sdk.licenses:buy_flow",
    "license.renew": "joynet_sdk.licenses:renew_flow",
    "model.publish": "joynet_sdk.models:publish_flow",
    "node.register": "joynet_sdk.nodes:register_flow",
    "payment.deposit": "joynet_sdk.payments:deposit_flow",
    "proof.register": "joynet_sdk.proving:register_flow",
    "stake.remove": "joynet_sdk.token:remove_flow",
    "stake.withdraw": "joynet_sdk.token:withdraw_flow",
    "tld.amend": "joynet_sdk.domains:amend_flow",
}
for _kind, _flow in FLOWS.items():
    flows.register(_kind, _flow)


class AsyncJoyNet:
    """The services of one home and network; `inference.run` is a coroutine.

    Attributes:
        home: `$JOYNET_HOME`.
        settings: As `joynet_sdk.config` resolved them.
    """

    def __init__(
        self,
        home: Path,
        settings: Settings,
        *,
        password: Callable[[str], str],
        confirm: Callable[[Plan], None] | None = None,
        is_dry_run: bool = False,
    ) -> None:
        """
        Args:
            password: Asked for a key's password, by key name, when a key is first needed.
            confirm: Sees each transaction's plan before it is signed; raises to stop it.
            is_dry_run: Keys stay locked: plans are made with the account's address alone.
        """
        self.home, self.settings = home, settings
        self._password, self._confirm, self._is_dry_run = password, confirm, is_dry_run
        self._client: NodeClient | None = None
        self._provers: dict[bytes | None, InferenceProver] = {}

    @cached_property
    def chain(self) -> ChainSession:
        """The connection; opened on first use."""
        options: dict[str, Any] = {"confirm": self._confirm} if self._confirm else {}
        return ChainSession(
            resolve_url(self.home, self.settings.network),
            self.home,
            account=self._open_account,
            chain_id=self.settings.chain_id,
            timeout_s=self.settings.timeout_s,
            **options,
        )

    def _open_account(self) -> Account:
        if self.settings.account is None:
            raise AuthError("no account is chosen", hint="--account NAME; joynet account list")
        if self._is_dry_run:
            return locked_account(self.home, self.settings.account)
        return open_account(self.home, self.settings.account, self._password)

    def _start(self, kind: str, title: str, args: dict[str, Any]) -> Any:
        return flows.start(self.chain, kind, title, args)

    def _resume(self, job_id: int | None) -> tuple[dict[str, Any], Any]:
        """Finish a journaled committee or proven job, the latest open one by default."""
        journal, kinds = self.chain.journal, (COMMITTEE, PROVEN)
        if job_id is None:
            unfinished = [job for job in flows.unfinished(self.chain) if job.kind in kinds]
            if not unfinished:
                raise NotFoundError("interrupted inference", "in this home", hint="joynet tx list")
            job_id = unfinished[-1].id
        job = journal.job(job_id)
        if job.kind not in kinds:
            raise InvalidInputError(
                f"job {job_id} is {job.title!r}, expected an inference",
                hint=f"joynet tx resume {job_id}",
            )
        return job.args, flows.resume(self.chain, job_id)

    @cached_property
    def store(self) -> DiskBlockStore:
        """The home's block store."""
        quota = int(self.settings.storage.quota_gb * GB)
        return DiskBlockStore(self.home / "store", quota_bytes=quota)

    @cached_property
    def domains(self) -> Domains:
        """Names."""
        return Domains(self.chain, self._start, ens_names)

    @cached_property
    def governance(self) -> Governance:
        """DAOs of TLDs."""
        return Governance(
            self.chain, self._start, Texts(self.store), self._simulate, ens_names.normalise
        )

    def _simulate(self, trials: Sequence[tuple[str, str, bytes, int]]) -> Any:
        """Try (sender, target, data, wei of ether) on a copy of the chain."""
        from joynet_sdk.chain.simulation import Trial, simulate

        return simulate(self.chain, [Trial(*trial) for trial in trials])

    @cached_property
    def models(self) -> Models:
        """Publishing and royalties."""
        return Models(self.chain, self._start, Library(self.store, self.content_keys))

    @cached_property
    def pulls(self) -> Pulls:
        """Fetching models from peers."""
        return Pulls(
            self.chain,
            Library(self.store),
            self._new_client,
            lambda manifest: self.licenses.content_key(manifest),
            self.settings.p2p.bootstrap,
        )

    @cached_property
    def search(self) -> Search:
        """The index of models on the market."""
        return Search(
            lambda: self.chain,
            self._catalogue,
            Library(self.store),
            lambda model_ids: self.pulls.fetch_manifests(model_ids),
        )

    @cached_property
    def _catalogue(self) -> Catalogue:
        """Named by the network as it was configured, so that it opens without reaching it."""
        name = hashlib.sha256(self.settings.network.encode()).hexdigest()[:16]
        return Catalogue(self.home / "catalogue" / f"{name}.sqlite")

    @cached_property
    def content_keys(self) -> ContentKeys:
        """Keys of sealed models that were published or imported here."""
        return ContentKeys(Home(self.home).content_keys)

    @cached_property
    def licenses(self) -> Licenses:
        """Licences of models."""
        return Licenses(self.chain, self._start, self.content_keys, Library(self.store).load)

    @cached_property
    def nodes(self) -> Nodes:
        """Nodes on chain."""
        return Nodes(self.chain, self._start)

    @cached_property
    def payments(self) -> Payments:
        """Escrow."""
        return Payments(self.chain, self._start)

    @cached_property
    def staking(self) -> Staking:
        """JOY at stake."""
        return Staking(self.chain, self._start)

    @cached_property
    def _book(self) -> VoucherBook:
        return VoucherBook(self.home / "payments")

    @cached_property
    def inference(self) -> Inference:
        """Running models."""
        return Inference(
            self.chain,
            self._start,
            self.domains,
            self.payments,
            self._book,
            self._open_client,
            Library(self.store).load,
            self._resume,
            _LazyCommitter(self),
        )

    @cached_property
    def proving(self) -> Proving:
        """Proofs of inference."""
        return Proving(lambda: self.chain, self._start, self._open_prover, self._locate)

    def _open_prover(self, srs_digest: bytes | None) -> "InferenceProver":
        """This machine's prover under an SRS; a device is opened when something is proved."""
        from joynet_sdk.proofs.inference import InferenceProver

        if srs_digest not in self._provers:
            self._provers[srs_digest] = InferenceProver(Home(self.home), srs_digest=srs_digest)
        return self._provers[srs_digest]

    def _locate(self, ref: str) -> Located:
        """The files of a model: a path, or a published model whose blocks are in the store."""
        if (path := Path(ref)).exists():
            return Located(UNPUBLISHED, path)
        if len(path.parts) > 1 or path.suffix == ".safetensors":  # no name, CID or id has these
            raise NotFoundError("model file", ref, hint="joynet model quantize FILE.onnx")
        model_id = self.inference.resolve(ref)
        return Located(model_id, self._export(model_id))

    def _export(self, model_id: ModelId) -> Path:
        """A folder with the files of a model whose blocks are in the store."""
        target = self.home / "models" / model_id.hex()
        if not target.exists():  # written whole, verified
            try:
                manifest = load_manifest(self.store, model_id)
                private_dir(target.parent)
                key = self.licenses.content_key(manifest) if manifest.sealed else None
                export_model(self.store, manifest, target, content_key=key)
            except NotFoundError as error:
                raise NotFoundError(
                    "files of model", "0x" + model_id.hex(), hint="joynet node serves it; or a path"
                ) from error
        return target

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Self]:
        """Keep one libp2p host for all calls of the block, instead of a new one for each.

        Example:
            async with AsyncJoyNet(home, settings, password=ask).connected() as joynet:
                await asyncio.gather(*(joynet.inference.run("digits.joy", x) for x in inputs))
        """
        async with self._new_client() as client:
            self._client = client
            try:
                yield self
            finally:
                self._client = None

    @asynccontextmanager
    async def _open_client(self) -> AsyncIterator[NodeClient]:
        """The kept host of `connected`, else one for the time of one request."""
        if self._client is not None:
            yield self._client
            return
        async with self._new_client() as client:
            yield client

    @asynccontextmanager
    async def _new_client(self) -> AsyncIterator["InferClient"]:
        """A libp2p host that listens nowhere."""
        from joynet_sdk.p2p.host import P2PHost
        from joynet_sdk.p2p.identity import Identity
        from joynet_sdk.p2p.inferclient import InferClient

        key = Identity.generate().private_key  # a client needs no lasting peer id
        bootstrap = list(self.settings.p2p.bootstrap)
        async with P2PHost(key, (), bootstrap, block_store=self.store) as host:
            yield InferClient(host)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("chain", "store", "_book", "_catalogue"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()


class _LazyCommitter:
    """Opens the home's prover when there is something to commit to: most models need none."""

    def __init__(self, joynet: AsyncJoyNet) -> None:
        self._joynet = joynet

    def commit(self, shape: Sequence[int], data: bytes) -> Point:
        """See `inference.prover.Committer`."""
        prover = self._joynet._open_prover(srs_digest(self._joynet.chain))
        return prover.commit(shape, data)
