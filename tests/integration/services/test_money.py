"""`joynet payment` and `joynet royalty` on a real chain, to the wei."""

import asyncio
import hashlib

import pytest

from joynet_sdk.chain import ChainSession, flows
from joynet_sdk.models import TOLERANT
from joynet_sdk.node.ledger import LaneState, Ledger
from joynet_sdk.node.money import EscrowView, Redeemer
from joynet_sdk.nodes import Nodes
from joynet_sdk.p2p.identity import Identity
from joynet_sdk.receipts import Domain, Voucher, sign, signing_hash

JOY = 10**18
MODEL = bytes.fromhex("5a" * 32)
MODEL_PRICE, NODE_PRICE = JOY // 100, JOY // 50
CALL = MODEL_PRICE + NODE_PRICE
STRANGER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture
def vault(person):
    return person("vault", joy=500)


@pytest.fixture
def operator(person):
    return person("operator", joy=0)


@pytest.fixture
def chain(anvil, vault, operator):
    """A session of the operator, whose node is registered and offers a model of `alice`'s."""
    with ChainSession(anvil.url, vault.home, account=vault.account, timeout_s=30) as session:
        nodes = Nodes(session, lambda *job: flows.start(session, *job))
        nodes.register(
            operator=operator.address,
            payout=vault.address,
            peer_key=Identity.generate(),
            endpoint=["/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAm"],
            stake=100 * JOY,
        )
    with ChainSession(anvil.url, operator.home, account=operator.account, timeout_s=30) as session:
        yield session


def list_model(person):
    with ChainSession(person.url, person.home, account=person.account) as session:
        market = session.contract("ModelMarketplace")
        market.transact("list_model", MODEL, MODEL_PRICE, 0, TOLERANT, 4, [])


def test_escrow_goes_round(alice, chain, operator, anvil):
    def amounts(document):
        keys = ("wallet_wei", "escrow_free_wei", "escrow_allocated_wei")
        return [int(document[key]) / JOY for key in keys]

    assert amounts(alice.ask("payment", "balance")) == [1000, 0, 0]
    assert amounts(alice.ask("payment", "deposit", "10")) == [990, 10, 0]
    assert amounts(alice.ask("payment", "allocate", operator.address, "6 JOY")) == [990, 4, 6]
    assert amounts(alice.ask("payment", "balance")) == [990, 4, 6]
    assert amounts(alice.ask("payment", "withdraw", "1.5")) == [991.5, 2.5, 6]

    thawing = alice.ask("payment", "deallocate", operator.address, "5")
    assert amounts(thawing) == [991.5, 2.5, 6]  # the node may redeem it until the thaw is over
    early = alice.refused("payment", "deallocate", operator.address)
    assert (early.exit_code, early.code, early.retryable) == (9, "pending", True)
    assert "thaws until" in early.message
    anvil.time_travel(3_600)
    done = alice.ask("payment", "deallocate", operator.address)
    assert amounts(done) == [991.5, 7.5, 1]
    text = alice.joynet("payment", "balance").stdout
    assert text == (
        "account           991.5 JOY\nescrow, free      7.5 JOY\nescrow, for nodes 1 JOY\n"
    )


def test_payment_errors_have_the_right_exit_code_and_a_hint(alice, chain, operator):
    def refused(*argv):
        error = alice.refused("payment", *argv)
        return error.exit_code, error.hint

    assert refused("deposit", "0") == (2, None)
    assert refused("deposit", "ten")[0] == 2
    assert refused("deposit", "1000.000000000000000001") == (8, "joynet token balance")
    assert refused("withdraw", "1") == (8, "joynet payment deallocate OPERATOR AMOUNT")
    assert refused("allocate", operator.address, "1234.5") == (8, "joynet payment deposit 1234.5")
    assert refused("allocate", STRANGER, "1")[0] == 5
    assert refused("allocate", "0x1234", "1")[0] == 2
    nothing = refused("deallocate", operator.address)
    assert nothing == (5, f"joynet payment deallocate {operator.address} AMOUNT")
    assert refused("deallocate", operator.address, "1")[0] == 8
    assert alice.ask("tx", "list", "--all") == []
    assert alice.joy() == 1_000 * JOY


def test_deposit_killed_between_approve_and_deposit_pays_once(alice):
    """The journal's job is finished by its own steps, whatever began it."""
    with ChainSession(alice.url, alice.home, account=alice.account) as session:
        args = {"amount": str(5 * JOY)}
        job = session.journal.add_job(
            session.key, alice.address, "payment.deposit", "deposit 5 JOY", args
        )
        run = flows.Run(session, job)
        spender = session.contract("NodeCoordinator").address
        run.transact("approve", session.contract("JoyToken"), "approve", spender, 5 * JOY)
    alice.ask("tx", "resume")
    assert int(alice.ask("payment", "balance")["escrow_free_wei"]) == 5 * JOY
    assert alice.ask("tx", "resume")["jobs"] == []
    assert alice.joy() == 995 * JOY


# --- vouchers -> earnings and royalties -----------------------------------------------------------


def voucher(alice, operator, calls, lane=1, amount=None):
    owed = calls * CALL if amount is None else amount
    return Voucher(alice.address, operator.address, MODEL, lane, calls, owed)


def hold(ledger, domain, promise, signer):
    lane = LaneState(promise.calls, promise.amount, promise.calls, promise.amount)
    request_id = hashlib.sha256(repr(promise).encode()).digest()[:16]
    signature = sign(domain, promise, signer)
    ledger.record_answer(promise, signature, lane, 0, request_id, b"")


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def test_redeemed_vouchers_pay_node_and_model_to_the_wei(
    alice, person, vault, operator, chain, ledger
):
    publisher = person("publisher", joy=0)
    list_model(publisher)
    coordinator = chain.contract("NodeCoordinator")
    domain = Domain(chain.chain_id, coordinator.address)
    first = voucher(alice, operator, 3)
    assert coordinator.call("hash_voucher", vars_of(first)) == signing_hash(domain, first)

    alice.ask("payment", "deposit", "10")
    alice.ask("payment", "allocate", operator.address, "6")
    escrow = EscrowView(chain, operator.address)
    assert escrow.allocated(alice.address) == 0
    asyncio.run(escrow.refresh(alice.address))
    assert escrow.allocated(alice.address) == 6 * JOY
    assert asyncio.run(escrow.channel(first)) == (0, 0)

    for lane in range(18):  # more than one transaction takes
        hold(ledger, domain, voucher(alice, operator, 3, lane), alice.account)
    redeemer = Redeemer(chain, 1, operator.address, ledger)
    assert redeemer.outstanding() == 54 * CALL
    assert asyncio.run(redeemer.redeem()) == 54 * CALL
    assert redeemer.outstanding() == 0
    assert asyncio.run(redeemer.redeem()) == 0
    assert asyncio.run(escrow.channel(first)) == (3, 3 * CALL)
    assert asyncio.run(escrow.redeemed(alice.address)) == 54 * CALL
    balance = alice.ask("payment", "balance")
    assert int(balance["escrow_allocated_wei"]) == 6 * JOY - 54 * CALL

    fee = 54 * CALL * coordinator.call("fee_bps") // 10_000
    shown = publisher.ask("royalty", "show", "0x" + MODEL.hex())
    assert int(shown["undistributed_wei"]) == 54 * MODEL_PRICE
    assert int(shown["claimable_wei"]) == 0
    earned = coordinator.call("earnings", 1)
    assert earned + fee + 54 * MODEL_PRICE == 54 * CALL
    assert coordinator.call("pending_fees") == fee

    claimed = publisher.ask("royalty", "claim", "0x" + MODEL.hex())
    assert int(claimed["claimed_wei"]) == 54 * MODEL_PRICE == publisher.joy()
    assert publisher.ask("royalty", "claim") == {"claimed_wei": "0"}
    assert publisher.joynet("royalty", "claim").stdout == "claimed 0 JOY\n"
    assert "0 JOY to distribute" in publisher.joynet("royalty", "show", "0x" + MODEL.hex()).stdout

    before = vault.joy()
    coordinator.transact("withdraw_earnings", 1)
    assert vault.joy() == before + earned
    token = chain.contract("JoyToken")
    held = token.call("balanceOf", coordinator.address)
    assert held == 10 * JOY - 54 * CALL + fee  # what alice still has there, and the fee
    assert token.call("balanceOf", chain.contract("ModelMarketplace").address) == 0


def vars_of(value):
    return {name: getattr(value, name) for name in value.__slots__}


def test_what_escrow_does_not_cover_waits_for_more(alice, operator, chain, ledger):
    domain = Domain(chain.chain_id, chain.contract("NodeCoordinator").address)
    alice.ask("payment", "deposit", "2")
    alice.ask("payment", "allocate", operator.address, "1")
    hold(ledger, domain, voucher(alice, operator, 3, amount=3 * JOY // 2), alice.account)
    redeemer = Redeemer(chain, 1, operator.address, ledger)
    assert asyncio.run(redeemer.redeem()) == JOY
    assert redeemer.outstanding() == JOY // 2
    block = chain.journal.jobs()[-1].id
    assert asyncio.run(redeemer.redeem()) == 0
    assert chain.journal.jobs()[-1].id == block  # no gas for nothing
    alice.ask("payment", "allocate", operator.address, "1")
    assert asyncio.run(redeemer.redeem()) == JOY // 2
    assert redeemer.outstanding() == 0


def test_a_bad_voucher_does_not_hold_up_the_others(alice, operator, chain, ledger):
    domain = Domain(chain.chain_id, chain.contract("NodeCoordinator").address)
    alice.ask("payment", "deposit", "2")
    alice.ask("payment", "allocate", operator.address, "2")
    for lane in range(3):
        signer = operator.account if lane == 1 else alice.account
        hold(ledger, domain, voucher(alice, operator, 1, lane), signer)
    redeemer = Redeemer(chain, 1, operator.address, ledger)
    assert asyncio.run(redeemer.redeem()) == 2 * CALL
    assert redeemer.outstanding() == CALL
    assert chain.journal.jobs(state="open") == []


def test_escrow_that_thaws_is_redeemed_in_time(alice, operator, chain, ledger, anvil):
    domain = Domain(chain.chain_id, chain.contract("NodeCoordinator").address)
    alice.ask("payment", "deposit", "2")
    alice.ask("payment", "allocate", operator.address, "2")
    hold(ledger, domain, voucher(alice, operator, 3), alice.account)
    redeemer = Redeemer(chain, 1, operator.address, ledger)
    asyncio.run(redeemer.redeem_if_thawing())
    assert redeemer.outstanding() == 3 * CALL
    alice.ask("payment", "deallocate", operator.address, "2")
    escrow = EscrowView(chain, operator.address)
    asyncio.run(escrow.refresh(alice.address))
    assert escrow.allocated(alice.address) == 0  # nothing new is served against it
    asyncio.run(redeemer.redeem_if_thawing())
    assert redeemer.outstanding() == 0
    anvil.time_travel(3_600)
    left = alice.ask("payment", "deallocate", operator.address)
    assert int(left["escrow_free_wei"]) == 2 * JOY - 3 * CALL
