"""What `request` refuses, who is drawn, and what a missed draw costs."""

from hashlib import sha256

import boa
import pytest
from eth_utils import keccak


def reference_draw(seed, candidates, seats, broke=()):
    """docs/spec/committee.md, "Draw", in Python: node ids in seat order."""
    weights = [weight for _, _, _, weight in candidates]
    seated = []
    for attempt in range(64):
        if sum(weights) == 0 or len(seated) == seats:
            break
        point = int.from_bytes(keccak(seed + attempt.to_bytes(32, "big")), "big") % sum(weights)
        chosen = 0
        while point >= weights[chosen]:
            point -= weights[chosen]
            chosen += 1
        vault = candidates[chosen][1]
        weights = [0 if c[1] == vault else w for c, w in zip(candidates, weights, strict=True)]
        if vault not in broke:
            seated.append(candidates[chosen][0])
        elif attempt - len(seated) >= (seats + 1) // 2:
            break
    return seated


def seed_of(network, job):
    decider = network.job(job).request_block + 2
    return keccak(network.blockhash(decider) + job.id.to_bytes(32, "big") + job.salt)


def ready(network, job):
    network.mine(3, 3)
    return seed_of(network, job)


@pytest.fixture
def call(network, exact):
    """Return a function that requests with some arguments changed."""

    def _call(**changed):
        arguments = {
            "model_id": exact,
            "input": b"\x01",
            "input_digest": sha256(b"\x01").digest(),
            "input_cid": "",
            "n": 3,
            "max_fee": network.MAX_FEE,
            "salt_commitment": bytes(32),
        } | changed
        network.give(network.client, 100 * 10**18)
        return network.poi.request(*arguments.values(), sender=network.client)

    return _call


@pytest.mark.parametrize("n", [0, 2, 4, 22, 23])
def test_even_or_large_committee_reverts(call, n):
    with boa.reverts("ProofOfInference: n must be odd and at most 21"):
        call(n=n)


@pytest.mark.parametrize("source", [{"input": b""}, {"input_cid": "bafy"}])
def test_neither_or_both_inputs_revert(call, source):
    with boa.reverts("ProofOfInference: give the input or its CID"):
        call(**source)


def test_wrong_input_digest_reverts(call):
    with boa.reverts("ProofOfInference: input digest mismatch"):
        call(input=b"\x02")


def test_unlisted_and_delisted_models_revert(network, call, exact):
    with boa.reverts("ProofOfInference: model is not listed"):
        call(model_id=b"\xff" * 32)
    network.market.delist(exact, sender=network.publisher)
    with boa.reverts("ProofOfInference: model is not listed"):
        call()


def test_too_few_candidates_revert_before_any_payment(network, call, joy):
    with boa.reverts("ProofOfInference: too few candidates"):
        call(n=5)
    with boa.reverts("ProofOfInference: too few candidates"):
        call(max_fee=network.MAX_FEE - 1)
    assert joy.balanceOf(network.poi) == 0


def test_absurd_fee_reverts(call):
    with boa.reverts("ProofOfInference: amount too big"):
        call(max_fee=2**88)


def test_class_without_a_committee_reverts(network, deploy_poi, market, owner):
    class_two = boa.loads(
        """
# pragma version ~=0.4.3
struct Listing:
    publisher: address
    price: uint256
    token_price: uint256
    verification: uint8
    tolerance: uint16
    active: bool
    listed_at: uint256
@external
@view
def listing(model_id: bytes32) -> Listing:
    return Listing(publisher=self, price=0, token_price=0, verification=2, tolerance=0,
                   active=True, listed_at=1)
"""
    )
    poi = deploy_poi()
    poi.set_link("ModelMarketplace", class_two, sender=owner)
    with boa.reverts("ProofOfInference: class has no committee"):
        poi.request(bytes(32), b"1", sha256(b"1").digest(), "", 1, 1, bytes(32))


def test_request_without_approval_reverts(network, exact):
    with boa.reverts():
        network.poi.request(
            exact, b"1", sha256(b"1").digest(), "", 3, 1 * 10**18, bytes(32), sender=network.client
        )


def test_bond_covers_price_and_two_escalations(network):
    assert network.poi.bond_of(3, 10, 7) == network.MIN_BOND
    assert network.poi.bond_of(3, 10**18, 7) == 14 * 10**18 + 7
    for n in (1, 3, 21, 43):
        bond = network.poi.bond_of(n, 10**20, 3 * 10**18)
        assert (n // 2 + 1) * bond >= n * 10**20 + 3 * 10**18
        assert bond >= 2 * (2 * n + 1) * 10**20


def test_draw_follows_the_reference(network, exact):
    for _ in range(3):
        network.add_node(exact, provision=network.PROVISION * 3)
    for i in range(5):
        network.shake(bytes([i]))
        job = network.request(exact)
        seed = ready(network, job)
        network.poi.draw(job.id, job.salt, job.candidates)
        event = next(e for e in network.poi.get_logs() if type(e).__name__ == "Drawn")
        assert event.seed == seed
        seated = [m.node_id for m in network.members(job)]
        assert seated == list(event.node_ids) == reference_draw(seed, job.candidates, 3)
        network.check()


def test_vault_that_cannot_lock_any_more_is_passed_over(network, exact, joy):
    network.add_nodes(2, exact)
    job = network.request(exact)
    seed = ready(network, job)
    first = network.nodes[reference_draw(seed, job.candidates, 3)[0]]
    joy.request_deprovision(network.coordinator, network.PROVISION, sender=first.vault)
    network.poi.draw(job.id, job.salt, job.candidates)
    seated = [m.node_id for m in network.members(job)]
    assert first.id not in seated
    assert seated == reference_draw(seed, job.candidates, 3, broke={first.vault})
    network.check()


def test_draw_that_passes_over_too_many_is_void(network, exact, joy):
    """Two of three seats may be passed over; with a third the committee would be chosen."""
    network.add_nodes(4, exact)
    for broken, is_void in [(2, False), (3, True)]:
        job = network.request(exact)
        seed = ready(network, job)
        first = reference_draw(seed, job.candidates, 7)[:broken]
        gone = {network.nodes[node_id].vault for node_id in first}
        with boa.env.anchor():
            for vault in gone:
                joy.request_deprovision(network.coordinator, network.PROVISION, sender=vault)
            network.poi.draw(job.id, job.salt, job.candidates)
            seated = [m.node_id for m in network.members(job)]
            assert (network.status(job) == network.REFUNDED) == is_void
            if not is_void:
                assert seated == reference_draw(seed, job.candidates, 3, gone)
            network.check()


def test_too_few_seats_refund_everything(network, exact, joy):
    job = network.request(exact)
    gone = network.nodes[1]
    joy.request_deprovision(network.coordinator, network.PROVISION, sender=gone.vault)
    network.draw(job)
    assert network.status(job) == network.REFUNDED
    assert network.members(job) == []
    spent = 3 * network.MAX_FEE + network.PRICE + network.DRAW_BOND
    assert network.poi.claimable(network.client) == spent
    network.check()


def test_draw_before_the_deciding_block_reverts(network, exact):
    job = network.request(exact)
    network.mine(2)
    with boa.reverts("ProofOfInference: too early to draw"):
        network.poi.draw(job.id, job.salt, job.candidates)
    network.mine(1)
    network.poi.draw(job.id, job.salt, job.candidates)
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.draw(job.id, job.salt, job.candidates)


def test_another_salt_or_list_reverts(network, exact):
    job = network.request(exact)
    network.mine(3)
    swapped = [job.candidates[1], job.candidates[0], job.candidates[2]]
    for salt, candidates in [
        (keccak(b"another"), job.candidates),
        (job.salt, swapped),
        (job.salt, job.candidates[:2]),
        (job.salt, []),
    ]:
        with boa.reverts("ProofOfInference: wrong salt or candidates"):
            network.poi.draw(job.id, salt, candidates)


def test_missed_draw_burns_the_draw_bond_only(network, exact, joy):
    job = network.request(exact)
    network.mine(258, 300)
    with boa.reverts("ProofOfInference: draw not missed yet"):
        network.poi.expire(job.id)
    network.mine(1)
    with boa.reverts("ProofOfInference: draw missed"):
        network.poi.draw(job.id, job.salt, job.candidates)
    supply = joy.totalSupply()
    network.poi.expire(job.id)
    assert joy.totalSupply() == supply - network.DRAW_BOND
    assert network.poi.claimable(network.client) == 3 * network.MAX_FEE + network.PRICE
    assert network.status(job) == network.REFUNDED
    network.check()
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.expire(job.id)


def test_last_block_of_the_draw_works(network, exact):
    job = network.request(exact)
    network.mine(258)
    network.poi.draw(job.id, job.salt, job.candidates)
    assert network.status(job) == network.COMMIT


@pytest.mark.parametrize("paused", ["poi", "coordinator"])
def test_draw_missed_because_of_a_pause_keeps_the_draw_bond(network, exact, guardian, paused):
    job = network.request(exact)
    target = getattr(network, paused)
    target.pause(sender=guardian)
    network.mine(10, 60)
    with boa.reverts("circuit_breaker: paused"):
        network.poi.draw(job.id, job.salt, job.candidates)
    network.mine(250, 3_000)
    network.poi.expire(job.id)
    spent = 3 * network.MAX_FEE + network.PRICE + network.DRAW_BOND
    assert network.poi.claimable(network.client) == spent
    network.check()


def test_unknown_job_reverts_and_reads_as_zero(network):
    with boa.reverts("ProofOfInference: unknown job"):
        network.poi.expire(9)
    assert network.poi.job(9).status == 0
    assert network.poi.members(9) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"commit": 9}, "window too short"),
        ({"reveal": 9}, "window too short"),
        ({"propose": 0}, "window too short"),
        ({"challenge": 3_599}, "challenge too short"),
        ({"escalation": 3_599}, "escalation too short"),
        ({"fee_bps": 501}, "fee too high"),
        ({"min_bond": 0}, "bond out of range"),
        ({"min_bond": 2**88}, "bond out of range"),
    ],
)
def test_bad_terms_revert(deploy_poi, changed, reason):
    with boa.reverts(f"ProofOfInference: {reason}"):
        deploy_poi(**changed)
