"""Faults that the review of the contracts found and that are not mended yet.

Each test says what should hold and FAILS today. The name keeps the file out of the suite:
`pytest tests/contracts/review/open_findings.py` runs it. A test that passes moves to a `test_*.py`.
"""

import boa
from eth_account import Account
from eth_keys import keys
from eth_utils import keccak

JOY = 10**18
DAY = 86_400


def test_reputation_cannot_be_had_for_nothing(network):
    """MEDIUM. A publisher that is its own client and only node wins every committee of one. With
    a price and fee of 0 that costs gas alone, and 25 jobs make the best reputation there is:
    half as much weight again in every draw, and the first place in clients' rankings.

    Proposal: no good report for a job whose winners were paid less than a minimum that is burned
    in part, or for n = 1; or let reputation only fall and recover (0.5 to 1.0).
    """
    own = network.list_model(50, price=0)
    node = network.add_node(own, price=0)
    for _ in range(25):
        network.vote(own, b"mine", max_fee=0)
    assert network.joy.balanceOf(node.payout) + network.poi.claimable(node.payout) == 0
    assert network.coordinator.reputation(node.id) <= 10**18


def test_registration_cannot_be_blocked_by_naming_its_operator_first(network):
    """LOW. `register` binds the operator key without a proof that the caller holds it. Whoever
    sees a registration in the mempool can name the same operator, with a peer key of its own,
    and the real one reverts. No money is at stake: the operator has no vouchers yet.

    Proposal: the operator signs (vault, peer key) too, or the key is bound by vault as well.
    """
    vault, rival = boa.env.generate_address("victim"), boa.env.generate_address("rival")
    operator = boa.env.generate_address("victim's operator")

    def register(by, name):
        key = keccak(text=name)
        signed = Account.unsafe_sign_hash(network.coordinator.peer_key_digest(by, operator), key)
        proof = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
        public = keys.PrivateKey(key).public_key.to_bytes()
        return network.coordinator.register(operator, by, public, *proof, "", "", 1, sender=by)

    register(rival, "rival's peer")
    register(vault, "victim's peer")


def test_listing_belongs_to_the_author_of_the_manifest(network, stranger):
    """HIGH on a public mempool. A model id is the digest of a public manifest and the first
    account that lists it is its publisher for ever: whoever copies `list_model` with more gas
    takes the model's price, class and all its royalties.

    Proposal: the manifest names its publisher (off chain: nodes and clients refuse a listing by
    another account), or commit and reveal as for names.
    """
    model_id = keccak(text="manifest of the publisher, seen in the mempool")
    network.market.list_model(model_id, 10**30, 0, 0, 0, [], sender=stranger)
    network.market.list_model(model_id, 1, 0, 0, 0, [], sender=network.publisher)


def test_exits_cannot_be_held_up_by_paying_in_and_out(deploy_poi, network, exact, owner, stranger):
    """MEDIUM. Room made by paying in ends with the epoch, while the money can leave in the next
    one: who holds a part of the money equal to the limit takes it all in the first second of every
    epoch, pays it in again in the last one, and nobody else gets anything out.

    Proposal: give the limit to accounts by share of what they are owed, or a queue.
    """
    coordinator = network.coordinator
    victim, whale = network.client, stranger
    floor = 10**24  # of this deployment
    for account, amount in ((victim, 9 * floor), (whale, floor)):
        network.joy.transfer(account, amount, sender=network.treasury)
        network.joy.approve(coordinator, 100 * floor, sender=account)
        coordinator.deposit(amount, sender=account)
    for _ in range(5):
        now = boa.env.evm.patch.timestamp
        network.mine(1, DAY - now % DAY)  # first second of an epoch
        coordinator.withdraw(floor, sender=whale)
        network.mine(1, DAY // 2)
        if not _withdrawn(coordinator, victim, JOY):
            network.mine(1, DAY // 2 - 1)  # last second
            coordinator.deposit(floor, sender=whale)
            continue
        return
    raise AssertionError("the victim got nothing out in five days")


def _withdrawn(coordinator, account, amount):
    try:
        return coordinator.withdraw(amount, sender=account)
    except boa.BoaError:
        return 0


def test_late_pause_does_not_give_back_the_bond_of_a_dropped_draw(network, exact, guardian):
    """LOW. `expire` compares paused seconds when it is called: a client that drops its draw leaves
    the job open until the next pause, however late, and gets the draw bond back. Nobody
    else has a reason to pay the gas of `expire`.

    Proposal: nodes call `expire` (a part of the draw bond to the caller), or note the clock at
    the end of the draw window.
    """
    supply = network.joy.totalSupply()
    job = network.request(exact)
    network.mine(10_000, 30 * DAY)
    network.coordinator.pause(sender=guardian)
    network.mine(1, 60)
    network.poi.expire(job.id)
    assert network.joy.totalSupply() == supply - network.DRAW_BOND
