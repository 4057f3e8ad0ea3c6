"""Votes handed in by others: EIP-712 by keys, EIP-1271 by contracts, and every forgery."""

import boa
import pytest

DAY = 86_400
JOY = 10**18
AGAINST, FOR = 0, 1
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DAO = "PermaNetDAORegistry: "
BAD = DAO + "bad signature"


@pytest.fixture
def proposal(daos, key, lengths):
    """An active proposal; `key` had its stake before the snapshot."""
    number = daos.propose(lengths)
    daos.open(number)
    return number


def test_signed_vote_counts_for_its_signer(daos, key, proposal, stranger):
    vote = daos.signed(key, proposal, FOR)
    hashed = daos.registry.hash_vote(*vote[:-1])
    assert len(hashed) == 32
    weight = daos.registry.vote_by_signature(*vote, sender=stranger)
    assert weight == 2_000 * JOY
    assert daos.votes(proposal) == (0, 2_000, 0)
    assert daos.registry.has_voted(proposal, key.address)
    assert daos.registry.vote_nonce(key.address) == 1


def test_domain_is_told_by_erc_5267(daos):
    domain = daos.registry.eip712Domain()
    assert domain[1:5] == (
        "PermaNetDAORegistry",
        "1",
        boa.env.evm.patch.chain_id,
        daos.registry.address,
    )


def test_replayed_vote_reverts(daos, key, proposal, lengths):
    vote = daos.signed(key, proposal, FOR)
    daos.registry.vote_by_signature(*vote)
    with boa.reverts(DAO + "wrong nonce"):
        daos.registry.vote_by_signature(*vote)
    again = daos.signed(key, proposal, AGAINST)
    with boa.reverts(DAO + "has voted"):
        daos.registry.vote_by_signature(*again)
    # A refused vote uses up no nonce.
    assert daos.registry.vote_nonce(key.address) == 1
    with boa.reverts(DAO + "has voted"):
        daos.registry.vote(proposal, FOR, sender=key.address)


@pytest.mark.parametrize(
    "signed_for",
    [
        {"chain_id": 31_337},
        {"contract": "0x" + "11" * 20},
        {"proposalId": 7},
        {"support": AGAINST},
        {"voter": "0x" + "22" * 20},
        {"nonce": 1},
        {"deadline": 1},
    ],
)
def test_signature_for_something_else_reverts(daos, key, proposal, signed_for):
    with boa.reverts(BAD):
        daos.registry.vote_by_signature(*daos.signed(key, proposal, FOR, **signed_for))


def test_expired_signature_reverts(daos, key, proposal):
    vote = daos.signed(key, proposal, FOR)
    with boa.env.anchor():
        boa.env.timestamp = vote[4]
        daos.registry.vote_by_signature(*vote)
    boa.env.timestamp = vote[4] + 1
    with boa.reverts(DAO + "signature expired"):
        daos.registry.vote_by_signature(*vote)


def test_malformed_signatures_revert(daos, key, proposal):
    """High s with the other v recovers the same key; it is refused all the same (EIP-2)."""
    *vote, signature = daos.signed(key, proposal, FOR)
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    high = r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    for forged in (
        high,
        b"",
        signature[:64],
        signature + b"\0",
        signature[:64] + bytes([v - 27]),
        signature[:64] + bytes([29]),
        bytes(64) + bytes([27]),
        bytes(1024),
    ):
        with boa.reverts(BAD):
            daos.registry.vote_by_signature(*vote, forged)
    daos.registry.vote_by_signature(*vote, signature)


def test_zero_address_signs_nothing(daos, proposal):
    zero = "0x" + "00" * 20
    with boa.reverts(BAD):
        daos.registry.vote_by_signature(
            proposal, FOR, zero, 0, boa.env.timestamp, bytes(64) + bytes([27])
        )


def test_contract_votes_by_eip_1271(daos, villain, joy, lengths):
    """A member that is a contract; what it answers has to be the magic value, exactly."""
    with boa.env.prank(villain.address):
        joy.stake(4_000 * JOY)
    daos.blocks(1)
    proposal = daos.propose(lengths)
    daos.open(proposal)
    vote = (proposal, FOR, villain.address, 0, boa.env.timestamp, b"any length" * 40)
    magic = bytes.fromhex("1626ba7e")
    for answer in (
        b"",  # it reverts
        b"\xff" * 32,
        bytes(32),
        magic,
        bytes(28) + magic,
        magic + bytes(27) + b"\1",
        magic + bytes(27),
    ):
        villain.set_signature_answer(answer)
        with boa.reverts(BAD):
            daos.registry.vote_by_signature(*vote)
    villain.set_signature_answer(magic + bytes(28))
    assert daos.registry.vote_by_signature(*vote) == 4_000 * JOY


def test_contract_without_the_function_signs_nothing(daos, joy, proposal):
    with boa.reverts(BAD):
        daos.registry.vote_by_signature(proposal, FOR, joy.address, 0, boa.env.timestamp, b"")


def test_delegation_by_signature_moves_the_vote(daos, joy, key, lengths):
    """JoyToken's ERC-5805 side: the delegate votes with both stakes, the signer with none."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    ben = daos.members["ben"]
    message = {"delegatee": ben, "nonce": 0, "expiry": boa.env.timestamp + DAY}
    fields = {"delegatee": "address", "nonce": "uint256", "expiry": "uint256"}
    types = {"Delegation": [{"name": name, "type": kind} for name, kind in fields.items()]}
    domain = {
        "name": "JoyNet",
        "version": "1",
        "chainId": boa.env.evm.patch.chain_id,
        "verifyingContract": joy.address,
    }
    signed = Account.sign_message(encode_typed_data(domain, types, message), key.key)
    r, s = signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")
    joy.delegateBySig(*message.values(), signed.v, r, s)
    proposal = daos.propose(lengths)
    daos.open(proposal)
    assert daos.vote(proposal, "ben") == 7_000 * JOY
    with boa.reverts(DAO + "no votes at the snapshot"):
        daos.registry.vote(proposal, FOR, sender=key.address)
