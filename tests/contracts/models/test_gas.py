"""Gas of what publishers, buyers and parents do, as a transaction pays it; printed with `-s`."""

import sys

import boa

from .conftest import BUYER_SECRET, DEFENCE_WINDOW, DISPUTE_WINDOW, SPEC, public_key

CAPS = {
    "set_terms": 80_000,
    "buy open": 290_000,
    "buy sealed": 220_000,
    "release": 140_000,
    "settle": 150_000,
    "refund": 90_000,
    "renew": 160_000,
    "dispute": 500_000,
    "set_parent_terms": 80_000,
    "publish": 1_150_000,
    "open_claim": 600_000,
    "defend": 130_000,
    "lapse": 190_000,
    "decide": 170_000,
    "distribute": 100_000,
    "distribute 8+8 parents, 8 owners": 800_000,
    "split_share": 190_000,
}


def check(name, receipt):
    sys.stdout.write(f"\n{name:36}{receipt.gas:>10,} gas")
    assert receipt.gas <= CAPS[name]
    return receipt.result


def test_licences(transact, shop, licenses, listed, client, publisher, bought, sealed):
    model_id = listed(5)
    check("set_terms", transact(licenses.set_terms, model_id, shop.terms(period=86_400),
                                sender=publisher))  # fmt: skip
    for name, bought_model, key in (
        ("buy open", model_id, bytes(32)),
        ("buy sealed", sealed, public_key(BUYER_SECRET)),
    ):
        shop.pay(client, bought_model)
        args = (bought_model, key, shop.digest(bought_model))
        check(name, transact(licenses.buy, *args, sender=client))
    shop.pay(client, model_id)
    check("renew", transact(licenses.renew, 2, shop.digest(model_id), sender=client))
    check("release", transact(licenses.release, bought, *shop.wrap(bought), sender=publisher))
    late, wrong = shop.buy(sealed, client), shop.buy(sealed, client)
    shop.release(wrong, key=b"\x66" * 32)
    check("dispute", transact(licenses.dispute, wrong, BUYER_SECRET, sender=client))
    boa.env.time_travel(seconds=DISPUTE_WINDOW)
    check("settle", transact(licenses.settle, bought, sender=client))
    boa.env.timestamp = licenses.license(late).deadline
    check("refund", transact(licenses.refund, late, sender=client))


def test_holding_is_cheap_to_ask(transact, licenses, shop, open_model, client):
    shop.buy(open_model, client)
    receipt = transact(licenses.holds, open_model, client, sender=client)
    sys.stdout.write(f"\n{'holds, without the 21,000':36}{receipt.gas - 21_000:>10,} gas")
    assert receipt.result
    assert receipt.gas <= 21_000 + 8_000


def test_fusion_and_claims(transact, family, fusions, market, court, pay, actor, stranger):
    author, publisher = actor("author"), family.publisher
    first = family.original(1, by=author)
    check("set_parent_terms", transact(fusions.set_parent_terms, first, True, 1, sender=author))
    boa.env.time_travel(seconds=1)
    named = [(family.original(n, share=0), 100) for n in range(2, 10)]
    others = [family.original(n, by=author, share=700) for n in range(10, 17)]
    owners = [(actor(f"owner {n}"), 1_250) for n in range(8)]
    child = (99).to_bytes(32, "big")
    check("publish", transact(
        fusions.publish, child, SPEC, 10, 0, 0, 0, owners, named, bytes(32), sender=publisher
    ))  # fmt: skip
    family.bond(author)
    claim = check("open_claim", transact(fusions.open_claim, child, first, 1, SPEC, sender=author))
    family.bond(stranger)
    check("defend", transact(fusions.defend, claim, sender=stranger))
    check("decide", transact(fusions.decide, claim, True, sender=court(1)))
    claims = [family.claim(child, other, 700, author) for other in others]
    pay(child, 10**18)
    check("distribute 8+8 parents, 8 owners", transact(market.distribute, child, sender=stranger))
    boa.env.time_travel(seconds=DEFENCE_WINDOW)
    check("lapse", transact(fusions.lapse, claims[0], sender=stranger))


def test_shares(transact, market, listed, pay, publisher, stranger):
    model_id = listed(1)
    pay(model_id, 10**18)
    market.distribute(model_id)
    pay(model_id, 10**18)
    check("distribute", transact(market.distribute, model_id, sender=stranger))
    halves = [(publisher, 5_000), (stranger, 5_000)]
    check("split_share", transact(market.split_share, model_id, halves, sender=publisher))


def test_deployed_code_is_under_eip_170(market, fusions, licenses):
    for contract in (market, fusions, licenses):
        assert len(boa.env.get_code(contract.address)) <= 24_576
