"""Receipts and vouchers: every changed byte is noticed, and so is a malleable signature."""

from dataclasses import replace

import pytest

from joynet_sdk.chain.accounts import Account
from joynet_sdk.errors import VerificationError
from joynet_sdk.receipts import (
    Domain,
    Receipt,
    ReceiptFile,
    Voucher,
    decode_receipt_file,
    recover,
    salted_digest,
    sign,
    signing_hash,
)

KEY = Account.from_key(bytes.fromhex("11" * 32))
OPERATOR = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"  # the address of KEY
CLIENT = "0x1563915e194D8CfBA1943570603F7606A3115508"  # the address of 22..22
DOMAIN = Domain(412_346_001, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
SALT, REQUEST, RESPONSE = b"s" * 32, b"\x00\x07", b"\x01\x02\x03"
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

VOUCHER = Voucher(CLIENT, OPERATOR, b"\x22" * 32, 5, 2, 3 * 10**15)
RECEIPT = Receipt(
    version=1,
    job_id=0,
    request_id=b"r" * 16 + bytes(16),
    client=CLIENT,
    operator=OPERATOR,
    peer_id="16Uiu2HAm",
    model_id=b"\x22" * 32,
    engine_profile="qmodel/2",
    request_digest=salted_digest(SALT, REQUEST),
    response_digest=salted_digest(SALT, RESPONSE),
    verification_class="none",
    price=10**15,
    voucher_hash=b"\x33" * 32,
    time=1_790_000_000,
)


@pytest.fixture(scope="module")
def file():
    return ReceiptFile(DOMAIN, RECEIPT, sign(DOMAIN, RECEIPT, KEY), SALT, REQUEST, RESPONSE)


def test_receipt_file_round_trip_verifies(file):
    again = decode_receipt_file(file.encode())
    again.verify()
    assert again == file


def test_every_single_byte_change_fails(file):
    data = file.encode()
    survivors = []
    for index in range(len(data)):
        for flip in (0x01, 0x20):  # 0x20 turns lower case into upper case
            changed = data[:index] + bytes([data[index] ^ flip]) + data[index + 1 :]
            try:
                decode_receipt_file(changed).verify()
            except VerificationError:
                continue
            survivors.append((index, flip))
    assert survivors == []


@pytest.mark.parametrize("change", [b" ", b"\n", b"{}"])
def test_trailing_bytes_fail(file, change):
    with pytest.raises(VerificationError):
        decode_receipt_file(file.encode() + change)


def test_high_s_signature_fails(file):
    r, s, v = file.signature[:32], int.from_bytes(file.signature[32:64], "big"), file.signature[64]
    high = r + (SECP256K1_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    with pytest.raises(VerificationError, match="malleable"):
        replace(file, signature=high).verify()


def test_receipt_of_another_chain_fails(file):
    with pytest.raises(VerificationError, match="expected operator"):
        replace(file, domain=replace(DOMAIN, chain_id=1)).verify()


def test_added_key_fails(file):
    data = file.encode().replace(b'"salt":', b'"sall":"0x","salt":')
    with pytest.raises(VerificationError, match="more than the format allows"):
        decode_receipt_file(data)


def test_voucher_signature_recovers_its_payer():
    assert recover(DOMAIN, VOUCHER, sign(DOMAIN, VOUCHER, KEY)) == OPERATOR


@pytest.mark.parametrize("field", ["lane", "calls", "amount"])
def test_voucher_fields_are_signed(field):
    changed = replace(VOUCHER, **{field: getattr(VOUCHER, field) + 1})
    assert signing_hash(DOMAIN, changed) != signing_hash(DOMAIN, VOUCHER)


@pytest.mark.parametrize("signature", [b"", bytes(65), b"\x01" * 64 + b"\x1d"])
def test_malformed_signature_is_named(signature):
    with pytest.raises(VerificationError, match="signature"):
        recover(DOMAIN, VOUCHER, signature)
