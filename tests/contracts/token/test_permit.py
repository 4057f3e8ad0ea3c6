"""JoyToken.permit: one signature, one allowance, on one chain and one contract."""

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

AMOUNT = 123
SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
TYPES = {
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}


@pytest.fixture
def sign(joy, signer, client):
    """Return a function that signs a permit of `signer` for `client`."""

    def _sign(deadline, *, nonce=0, chain_id=None, contract=None, key=None):
        domain = {
            "name": "JoyNet",
            "version": "1",
            "chainId": boa.env.evm.patch.chain_id if chain_id is None else chain_id,
            "verifyingContract": contract or joy.address,
        }
        message = {
            "owner": signer.address,
            "spender": client,
            "value": AMOUNT,
            "nonce": nonce,
            "deadline": deadline,
        }
        signed = Account.sign_message(encode_typed_data(domain, TYPES, message), key or signer.key)
        return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")

    return _sign


@pytest.fixture
def permit(joy, signer, client, stranger):
    """Return a function that sends a permit through an account without a role."""

    def _permit(deadline, v, r, s):
        joy.permit(signer.address, client, AMOUNT, deadline, v, r, s, sender=stranger)

    return _permit


def test_permit_sets_the_allowance_once(joy, signer, client, sign, permit):
    deadline = boa.env.timestamp
    signature = sign(deadline)
    permit(deadline, *signature)
    assert joy.allowance(signer.address, client) == AMOUNT
    assert joy.nonces(signer.address) == 1
    with boa.reverts("JoyToken: signer is not the owner"):
        permit(deadline, *signature)


def test_expired_permit_reverts(sign, permit):
    deadline = boa.env.timestamp - 1
    with boa.reverts("JoyToken: signature expired"):
        permit(deadline, *sign(deadline))


def test_changed_deadline_reverts(sign, permit):
    deadline = boa.env.timestamp
    with boa.reverts("JoyToken: signer is not the owner"):
        permit(deadline + 1, *sign(deadline))


def test_malleated_signature_reverts(joy, signer, client, sign, permit):
    deadline = boa.env.timestamp
    v, r, s = sign(deadline)
    high_s = (SECP256K1_N - int.from_bytes(s, "big")).to_bytes(32, "big")
    with boa.reverts("ecdsa: invalid signature `s` value"):
        permit(deadline, 55 - v, r, high_s)
    assert joy.allowance(signer.address, client) == 0


def test_garbage_signature_reverts(sign, permit):
    deadline = boa.env.timestamp
    _, r, s = sign(deadline)
    with boa.reverts("ecdsa: invalid signature"):
        permit(deadline, 29, r, s)


def test_permit_of_nobody_reverts(joy, client):
    with boa.reverts("ecdsa: invalid signature"):
        joy.permit("0x" + "00" * 20, client, 1, boa.env.timestamp, 27, b"\0" * 32, b"\0" * 32)


def test_permit_signed_for_another_chain_contract_nonce_or_by_another_key_reverts(
    sign, permit, stranger
):
    deadline = boa.env.timestamp
    wrong = [{"chain_id": 5}, {"contract": stranger}, {"nonce": 1}, {"key": b"\x43" * 32}]
    for changed in wrong:
        with boa.reverts("JoyToken: signer is not the owner"):
            permit(deadline, *sign(deadline, **changed))


def test_permit_does_not_survive_a_chain_split(joy, sign, permit):
    deadline = boa.env.timestamp
    before = joy.DOMAIN_SEPARATOR()
    signature = sign(deadline)
    boa.env.evm.patch.chain_id += 1
    assert joy.DOMAIN_SEPARATOR() != before
    with boa.reverts("JoyToken: signer is not the owner"):
        permit(deadline, *signature)
    permit(deadline, *sign(deadline))


def test_domain_is_published_as_eip_5267(joy):
    fields, name, version, chain_id, contract, salt, extensions = joy.eip712Domain()
    assert (fields, name, version, salt, extensions) == (b"\x0f", "JoyNet", "1", b"\0" * 32, [])
    assert (chain_id, contract) == (boa.env.evm.patch.chain_id, joy.address)
