"""Votes: stake in past blocks, delegated to oneself unless said otherwise."""

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

JOY = 10**18  # wei
STAKE = 10_000 * JOY  # as in conftest
DELAY = 14 * 86_400  # seconds, as in the shared conftest
ZERO = "0x" + "00" * 20
TYPES = {
    "Delegation": [
        {"name": "delegatee", "type": "address"},
        {"name": "nonce", "type": "uint256"},
        {"name": "expiry", "type": "uint256"},
    ]
}


@pytest.fixture
def sign(joy, signer, client):
    """Return a function that signs a delegation from `signer` to `client`."""

    def _sign(nonce, expiry, chain_id=None):
        domain = {
            "name": "JoyNet",
            "version": "1",
            "chainId": chain_id or boa.env.evm.patch.chain_id,
            "verifyingContract": joy.address,
        }
        message = {"delegatee": client, "nonce": nonce, "expiry": expiry}
        signed = Account.sign_message(encode_typed_data(domain, TYPES, message), signer.key)
        return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")

    return _sign


def test_first_stake_votes_for_itself(joy, staked_vault, next_block):
    assert joy.delegates(staked_vault) == staked_vault
    assert joy.getVotes(staked_vault) == STAKE
    block = joy.clock()
    next_block()
    assert joy.getPastVotes(staked_vault, block) == joy.getPastTotalSupply(block) == STAKE
    assert joy.getPastVotes(staked_vault, block - 1) == 0


def test_current_block_is_not_a_snapshot(joy, staked_vault):
    for function, arguments in (
        (joy.getPastVotes, (staked_vault, joy.clock())),
        (joy.getPastTotalSupply, (joy.clock(),)),
    ):
        with boa.reverts("checkpoints: block not over"):
            function(*arguments)


def test_unbonding_stake_has_no_vote(joy, staked_vault, next_block):
    joy.request_unstake(STAKE // 4, sender=staked_vault)
    assert joy.getVotes(staked_vault) == STAKE - STAKE // 4
    block = joy.clock()
    next_block()
    assert joy.getPastTotalSupply(block) == STAKE - STAKE // 4


def test_provisioned_and_thawing_stake_keeps_its_vote(joy, staked_vault, service):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.request_deprovision(service, STAKE // 2, sender=staked_vault)
    assert joy.getVotes(staked_vault) == STAKE


def test_delegation_moves_present_and_future_votes(joy, staked_vault, stake, client):
    joy.delegate(client, sender=staked_vault)
    assert (joy.getVotes(staked_vault), joy.getVotes(client)) == (0, STAKE)
    stake(staked_vault, 5)
    assert joy.getVotes(client) == STAKE + 5
    joy.delegate(staked_vault, sender=staked_vault)
    assert (joy.getVotes(staked_vault), joy.getVotes(client)) == (STAKE + 5, 0)


def test_delegation_before_the_first_stake_is_kept(joy, vault, client, stake):
    joy.delegate(client, sender=vault)
    stake(vault, STAKE)
    assert joy.delegates(vault) == client
    assert joy.getVotes(client) == STAKE


def test_delegation_is_not_transitive(joy, staked_vault, client, stranger):
    joy.delegate(client, sender=staked_vault)
    joy.delegate(stranger, sender=client)
    assert (joy.getVotes(client), joy.getVotes(stranger)) == (STAKE, 0)


def test_delegation_to_oneself_again_changes_nothing(joy, staked_vault):
    joy.delegate(staked_vault, sender=staked_vault)
    assert joy.getVotes(staked_vault) == STAKE


def test_delegation_to_zero_reverts(joy, staked_vault):
    with boa.reverts("JoyToken: zero delegatee"):
        joy.delegate(ZERO, sender=staked_vault)


def test_delegation_by_signature_counts_once(joy, signer, client, stranger, stake, sign):
    stake(signer.address, STAKE)
    expiry = boa.env.timestamp
    signature = sign(0, expiry)
    joy.delegateBySig(client, 0, expiry, *signature, sender=stranger)
    assert joy.delegates(signer.address) == client
    assert joy.getVotes(client) == STAKE
    with boa.reverts("JoyToken: wrong nonce"):
        joy.delegateBySig(client, 0, expiry, *signature, sender=stranger)


def test_delegation_by_expired_signature_reverts(joy, client, sign):
    expiry = boa.env.timestamp - 1
    with boa.reverts("JoyToken: signature expired"):
        joy.delegateBySig(client, 0, expiry, *sign(0, expiry))


def test_delegation_signed_for_another_chain_moves_nothing_of_the_signer(
    joy, signer, client, stake, sign
):
    stake(signer.address, STAKE)
    expiry = boa.env.timestamp
    # Another message recovers some other address, which has no stake.
    joy.delegateBySig(client, 0, expiry, *sign(0, expiry, chain_id=5))
    assert joy.delegates(signer.address) == signer.address
    assert joy.getVotes(client) == 0


def test_flash_stake_cannot_vote(joy, deploy, treasury, next_block):
    attacker = deploy("testing/FlashStaker.vy", joy.address)
    joy.transfer(attacker.address, STAKE, sender=treasury)
    next_block()
    with boa.reverts("checkpoints: block not over"):
        attacker.stake_and_vote(STAKE, joy.clock())
    assert attacker.stake_and_vote(STAKE, joy.clock() - 1) == 0
    with boa.reverts("JoyToken: insufficient balance"):
        attacker.stake_and_vote(STAKE, joy.clock() - 1)


def test_flash_stake_cannot_leave_at_once(joy, deploy, treasury):
    attacker = deploy("testing/FlashStaker.vy", joy.address)
    joy.transfer(attacker.address, STAKE, sender=treasury)
    with boa.reverts("JoyToken: still unbonding"):
        attacker.stake_and_leave(STAKE)


def test_clock_is_erc_6372(joy):
    assert joy.clock() == boa.env.evm.patch.block_number
    assert joy.CLOCK_MODE() == "mode=blocknumber&from=default"
