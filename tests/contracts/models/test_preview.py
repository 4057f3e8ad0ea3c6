"""`joynet royalty preview` against ModelMarketplace: the same families, the same wei."""

import random

import boa
import pytest

from joynet_sdk.models.listing import Stake
from joynet_sdk.models.royalties import ClaimedShare, Shares, preview

MODELS = 6
LARGEST = 10**24


def pieces(rng: random.Random, total: int, count: int) -> list[int]:
    """Positive whole numbers with this sum."""
    cuts = sorted(rng.sample(range(1, total), count - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


@pytest.mark.parametrize("seed", range(6))
def test_every_wei_is_where_the_contract_puts_it(seed, market, fusion, listed, derived, actor, pay):
    rng = random.Random(seed)
    people = [actor(f"owner {number}") for number in range(5)]
    shares: dict[str, Shares] = {}
    ids: list[bytes] = []
    for number in range(1, MODELS + 1):
        boa.env.time_travel(seconds=12)  # a parent that was left out must be older
        owners = list(zip(rng.sample(people, 3), pieces(rng, 10_000, 3), strict=True))
        chosen = rng.sample(ids, min(len(ids), rng.randint(0, 3)))
        total = rng.choice([1_000, 9_999, 10_000])
        bps = pieces(rng, total, len(chosen)) if chosen else []
        parents = list(zip(chosen, bps, strict=True))
        ids.append(derived(number, parents, owners) if parents else listed(number, owners))
        claims = []
        for left_out in [each for each in ids[:-1] if each not in chosen][:2]:
            claimed, is_open = rng.randint(1, 2_500), rng.random() < 0.5
            market.freeze_share(ids[-1], left_out, claimed, sender=fusion)
            if not is_open:
                market.resolve_share(ids[-1], left_out, True, sender=fusion)
            claims.append(ClaimedShare(left_out.hex(), claimed, is_open))
        shares[ids[-1].hex()] = Shares(
            [Stake(account, part) for account, part in owners],
            [Stake(parent.hex(), part) for parent, part in parents],
            claims,
        )
    amount = rng.choice([0, 1, 7, 9_999, rng.randint(1, LARGEST)])
    found = preview(ids[-1].hex(), amount, shares.__getitem__)
    if amount:
        pay(ids[-1], amount)
    for each in found.models:
        model_id = bytes.fromhex(each.model)
        assert market.account_of(model_id) == each.received
        market.distribute(model_id)
    assert {who: market.claimable(who) for who in found.accounts} == dict(found.accounts)
    assert sum(found.accounts.values()) + found.frozen == amount
    assert sum(market.account_of(model_id) for model_id in ids) == 0
