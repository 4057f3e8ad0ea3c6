"""`joynet receipt`: read and check receipt files, offline."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out, to_json

if TYPE_CHECKING:
    from joynet_sdk.receipts import ReceiptFile

app = typer.Typer(help="Read and check receipts.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A file written by infer run --save-receipt.")]
UNKNOWN = (
    "whether the operator was registered and staked then",
    "whether its voucher was good",
    "that the model ran as named (redundant:N is for that)",
    "the time: it is the node's own clock",
)


@app.command()
def verify(
    file: File,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use nothing but the file (also the default).")
    ] = True,
) -> None:
    """Check that the file is whole and that the operator signed exactly this answer.

    Exits 0 when it verifies, 10 when anything is wrong.

    Examples:
      joynet receipt verify seven.receipt
      joynet receipt verify seven.receipt --offline --json
    """
    receipt_file = _read(file)
    receipt_file.verify()
    receipt = receipt_file.receipt
    result = {
        "verified": True,
        "operator": receipt.operator,
        "client": receipt.client,
        "model_id": "0x" + receipt.model_id.hex(),
        "chain_id": str(receipt_file.domain.chain_id),
        "verification": receipt.verification_class,
        "offline": offline,
        "not_checked": list(UNKNOWN),
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"verified: {receipt.operator} signed this answer of {result['model_id']}")
        out.note("an offline check cannot know:")
        for item in UNKNOWN:
            out.note(f"  {item}")

    out.result(result, human)


@app.command()
def show(file: File) -> None:
    """Print a receipt file in full; it need not verify, only parse.

    Examples:
      joynet receipt show seven.receipt
    """
    from joynet_sdk.units import format_joy

    receipt_file = _read(file)
    receipt = receipt_file.receipt
    price, when = format_joy(receipt.price), datetime.fromtimestamp(receipt.time, UTC)
    result = {
        "chain_id": str(receipt_file.domain.chain_id),
        "coordinator": receipt_file.domain.coordinator,
        "job": str(receipt.job_id),
        "request_id": receipt.request_id,
        "client": receipt.client,
        "operator": receipt.operator,
        "peer_id": receipt.peer_id,
        "model_id": receipt.model_id,
        "engine_profile": receipt.engine_profile,
        "verification": receipt.verification_class,
        "price_wei": str(receipt.price),
        "time": receipt.time,
        "request_bytes": len(receipt_file.request),
        "response_bytes": len(receipt_file.response),
    }
    readable = {"price": price, "time": f"{when:%Y-%m-%d %H:%M:%S} UTC"}
    shown = {key.removesuffix("_wei"): value for key, value in to_json(result).items()}
    out.result(result, lambda _: out.record(shown | readable))


def _read(file: Path) -> "ReceiptFile":
    from joynet_sdk.errors import NotFoundError, VerificationError
    from joynet_sdk.receipts import MAX_RECEIPT_FILE_BYTES, decode_receipt_file

    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_RECEIPT_FILE_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError("receipt file", file) from None
    except OSError as error:
        raise VerificationError(f"{file} cannot be read: {error.strerror}") from None
    try:
        return decode_receipt_file(data)
    except VerificationError as error:
        raise VerificationError(f"{file} is not a receipt file: {error}") from None
