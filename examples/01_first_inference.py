"""Your first inference, from Python. Needs a network: `joynet quickstart --keep`, then

    python examples/01_first_inference.py

Three nodes read a handwritten digit and a majority decides; you pay them, and keep a receipt that
anyone can check without a network. Then one node turns sentences into vectors.
"""

import json
import os
from importlib import resources
from pathlib import Path

from joynet_sdk import JoyNet, JoyNetError, decode_receipt_file
from joynet_sdk.errors import NotFoundError
from joynet_sdk.types import JoyWei
from joynet_sdk.units import format_joy, parse_joy

HOME = Path(os.environ.get("JOYNET_HOME", "~/.joynet")).expanduser()
SHADES = " .:-=+*#%@"
SENTENCES = ("A dog runs over the grass.", "A puppy plays in the garden.", "Interest rates rose.")


def show(pixels: list[list[int]]) -> None:
    """Print an 8x8 picture; each pixel is 0 (white) to 16 (black)."""
    for row in pixels:
        print("  " + "".join(SHADES[pixel * (len(SHADES) - 1) // 16] * 2 for pixel in row))


def read_a_digit(joynet: JoyNet) -> None:
    """Ask three nodes; save the receipt, and verify it as a stranger would."""
    sample = resources.files("joynet_sdk") / "demo" / "seven.json"
    show(json.loads(sample.read_text()))
    result = joynet.infer("digits.joy", sample.read_bytes(), verify="redundant:3")
    assert result.verdict is not None, "redundant:N always has a verdict"
    print(f"digits.joy says: {result.decoded.summary}")
    print(f"nodes {result.verdict.winners} agree, for {format_joy(result.price)}")

    path = Path("digit.receipt")
    path.write_bytes(result.receipt_file.encode())
    again = decode_receipt_file(path.read_bytes())
    again.verify()  # raises VerificationError when a single byte was changed
    print(f"{path}: signed by {again.receipt.operator}, verified offline")


def compare_sentences(joynet: JoyNet) -> None:
    """Embed each sentence with one call, paid by a voucher on the escrow."""
    try:
        joynet.domains.model_of("minilm.joy")
    except NotFoundError:
        print("minilm.joy is not on this network (quickstart --lite): no sentences to compare")
        return
    top_up(joynet, parse_joy("1"))
    vectors = []
    for sentence in SENTENCES:
        result = joynet.infer("minilm.joy", sentence)
        vectors.append(result.decoded.value["vector"])
        print(f"{sentence!r}: {len(vectors[-1])} numbers, for {format_joy(result.price)}")
    for other in (1, 2):
        likeness = sum(a * b for a, b in zip(vectors[0], vectors[other], strict=True))
        print(f"{SENTENCES[0]!r} and {SENTENCES[other]!r}: {likeness:.2f}")


def top_up(joynet: JoyNet, amount: JoyWei) -> None:
    """Have at least `amount` in escrow, to pay nodes from."""
    missing = amount - joynet.payments.balance().free
    if missing > 0:
        joynet.payments.deposit(JoyWei(missing))


def main() -> None:
    """Open the quickstart's home as its client, and use the network."""
    password = HOME / "quickstart" / "password"
    if not password.exists():
        raise SystemExit(f"no network in {HOME}: joynet quickstart --keep")
    with JoyNet.connect(
        home=HOME, account="quickstart", password=password.read_text().strip()
    ) as joynet:
        try:
            read_a_digit(joynet)
            compare_sentences(joynet)
        except JoyNetError as error:
            raise SystemExit(f"{error}\n{error.hint or ''}") from None


if __name__ == "__main__":
    main()
