"""Core values to wire messages and back: addresses are text inside, 20 bytes outside."""

from joynet_sdk.p2p.messages import InferAnswer, WireReceipt, WireVoucher
from joynet_sdk.receipts import Receipt, Voucher
from joynet_sdk.types import Address


def to_address(raw: bytes) -> Address:
    """20 bytes to EIP-55 text."""
    from eth_utils.address import to_checksum_address

    return Address(to_checksum_address(raw))


def to_bytes20(address: Address) -> bytes:
    """EIP-55 text to 20 bytes."""
    return bytes.fromhex(address[2:])


def wire_voucher(voucher: Voucher, signature: bytes) -> WireVoucher:
    """A signed voucher as it travels."""
    return WireVoucher(
        payer=to_bytes20(voucher.payer),
        operator=to_bytes20(voucher.operator),
        model_id=voucher.model_id,
        lane=voucher.lane,
        calls=voucher.calls,
        amount=str(voucher.amount),
        signature=signature,
    )


def core_voucher(wire: WireVoucher) -> Voucher:
    """The voucher inside a message; its signature stays with the message."""
    return Voucher(
        payer=to_address(wire.payer),
        operator=to_address(wire.operator),
        model_id=wire.model_id,
        lane=wire.lane,
        calls=wire.calls,
        amount=int(wire.amount),
    )


def infer_answer(output: bytes, receipt: Receipt, signature: bytes) -> InferAnswer:
    """An answer as it travels."""
    wire = WireReceipt(
        version=receipt.version,
        job_id=receipt.job_id,
        request_id=receipt.request_id,
        client=to_bytes20(receipt.client),
        operator=to_bytes20(receipt.operator),
        peer_id=receipt.peer_id,
        model_id=receipt.model_id,
        engine_profile=receipt.engine_profile,
        request_digest=receipt.request_digest,
        response_digest=receipt.response_digest,
        verification_class=receipt.verification_class,
        price=str(receipt.price),
        voucher_hash=receipt.voucher_hash,
        time=receipt.time,
    )
    return InferAnswer(output=output, receipt=wire, signature=signature)


def core_receipt(wire: WireReceipt) -> Receipt:
    """The receipt inside a message."""
    return Receipt(
        version=wire.version,
        job_id=wire.job_id,
        request_id=wire.request_id,
        client=to_address(wire.client),
        operator=to_address(wire.operator),
        peer_id=wire.peer_id,
        model_id=wire.model_id,
        engine_profile=wire.engine_profile,
        request_digest=wire.request_digest,
        response_digest=wire.response_digest,
        verification_class=wire.verification_class,
        price=int(wire.price),
        voucher_hash=wire.voucher_hash,
        time=wire.time,
    )
