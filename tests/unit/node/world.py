"""A payer, a node and a contract small enough to count every wei of."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

from joynet_sdk.chain.accounts import Account
from joynet_sdk.errors import RevertedError, UnavailableError, VerificationError
from joynet_sdk.formats import Engine, InputSpec, Manifest, ManifestFile, OutputSpec
from joynet_sdk.inference.lanes import Channel
from joynet_sdk.node.serving import Served
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.translate import to_bytes20, wire_voucher
from joynet_sdk.receipts import Domain, Voucher, recover, sign

PAYER = Account.from_key(bytes.fromhex("21" * 32))
OTHER_PAYER = Account.from_key(bytes.fromhex("22" * 32))
OPERATOR = Account.from_key(bytes.fromhex("23" * 32))
DOMAIN = Domain(412_346_001, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
PRICE = 10
_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
MANIFEST = Manifest(
    title="four numbers",
    architecture="qmodel/2",
    engine=Engine(name="qmodel", profile="qmodel/2"),
    verification="exact",
    root=_CID,
    files=[ManifestFile(path="model.safetensors", size=1, sha256="0x" + "00" * 32, cid=_CID)],
    input=InputSpec(kind="tensor", dtype="int8", shape=[4]),
    output=OutputSpec(kind="logits", dtype="int8", shape=[4], scale="0.5"),
    license="Apache-2.0",
)
MODEL = MANIFEST.model_id
INPUT = b"\x01\x02\x03\x04"


def _is_signed(promise, signature):
    try:
        return recover(DOMAIN, promise, signature) == promise.payer
    except VerificationError:
        return False


@dataclass
class Allocation:
    """As the contract keeps it."""

    amount: int = 0
    thawing: int = 0
    redeemed: int = 0


@dataclass
class Coordinator:
    """NodeCoordinator's escrow, as docs/spec/money.md says; also the chain that holds it."""

    price_of: int = 0
    allocations: dict[str, Allocation] = field(default_factory=dict)
    channels: dict[tuple, list[int]] = field(default_factory=dict)  # [calls, amount, unpaid, due]
    royalties: int = 0
    reads: int = 0
    is_down: bool = False
    transactions: int = 0

    def contract(self, name):
        assert name == "NodeCoordinator"
        return self

    def allocate(self, payer, amount):
        self.allocations.setdefault(payer, Allocation()).amount += amount

    def call(self, function, *args):
        if self.is_down:
            raise UnavailableError("no chain at 127.0.0.1:1")
        self.reads += 1
        if function == "allocation":
            held = self.allocations.get(args[0], Allocation())
            return dict(vars(held))
        channel = self.channels.get(args, [0, 0, 0, 0])
        return tuple(channel[:2]) if function == "channel" else channel[2]

    def transact(self, function, vouchers, signatures):
        assert function == "redeem"
        self.transactions += 1
        for index, (voucher, signature) in enumerate(zip(vouchers, signatures, strict=True)):
            if not _is_signed(Voucher(**voucher), signature):
                raise RevertedError("NodeCoordinator", f"bad signature at index {index}")
        events = [self._settle(Voucher(**voucher)) for voucher in vouchers]
        return SimpleNamespace(events=[event for event in events if event.args["amount"]])

    def _settle(self, voucher):
        key = (voucher.payer, voucher.operator, voucher.model_id, voucher.lane)
        channel = self.channels.setdefault(key, [0, 0, 0, 0])
        calls = max(voucher.calls - channel[0], 0)
        amount = max(voucher.amount - channel[1], 0)
        held = self.allocations.setdefault(voucher.payer, Allocation())
        due = channel[3] + min(calls * self.price_of, amount)
        owed, left = channel[2] + amount, held.amount - held.redeemed
        taken = min(owed, left)
        royalty = min(due, taken)
        held.redeemed += taken
        held.thawing = min(held.thawing, left - taken)
        self.royalties += royalty
        channel[:] = [channel[0] + calls, channel[1] + amount, owed - taken, due - royalty]
        return SimpleNamespace(name="Redeemed", args={"amount": taken, "royalty": royalty})

    @property
    def redeemed(self):
        return sum(held.redeemed for held in self.allocations.values())


class Catalogue:
    """One model that answers its input backwards; `gate` holds runs, `problem` fails them."""

    def __init__(self, price=PRICE):
        self.price, self.problem, self.runs = price, None, 0
        self.gate = None
        self.started = asyncio.Event()

    async def served(self, model_id):
        return Served(MANIFEST, self.price) if model_id == MODEL else None

    async def run(self, manifest, data):
        self.runs += 1
        self.started.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.problem is not None:
            raise self.problem
        return data[::-1]


def channel(payer=PAYER):
    return Channel(DOMAIN, payer.address, OPERATOR.address, MODEL)


def voucher(calls, amount, *, lane=1, payer=PAYER, operator=OPERATOR, model=MODEL):
    return Voucher(payer.address, operator.address, model, lane, calls, amount)


def request(promise, *, request_id=b"r" * 16, signer=PAYER, signature=None, client=None, **changes):
    """An `infer` frame that pays with `promise`."""
    fields = {
        "request_id": request_id,
        "model_id": promise.model_id,
        "client": to_bytes20(client or promise.payer),
        "salt": b"s" * 32,
        "input": INPUT,
        "max_tokens": 0,
        "voucher": wire_voucher(promise, signature or sign(DOMAIN, promise, signer)),
    }
    return wire.encode(wire.InferRequest(**(fields | changes)))


def result_request(request_id=b"r" * 16, signer=PAYER, client=PAYER):
    text = f"joynet result 0x{request_id.hex()}"
    message = wire.ResultRequest(
        request_id=request_id,
        client=to_bytes20(client.address),
        signature=signer.sign_message(text.encode()),
    )
    return wire.encode(message)


def lane_request(lane=1, payer=PAYER):
    message = wire.LaneRequest(payer=to_bytes20(payer.address), model_id=MODEL, lane=lane)
    return wire.encode(message)


def read(frame, kind=wire.InferAnswer):
    return wire.decode_answer(frame, kind)
