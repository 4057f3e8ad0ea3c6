"""Fuse two experts into a better model, and have everybody who made it paid, from Python.

Needs a network, and what evaluation needs: `joynet quickstart --keep`, then

    python examples/02_fuse_and_earn.py

Grace trained a base on all digits, a little. Alice tuned it on 0 to 4 and blends the result with
the base, so Grace is a parent. Bob tuned it on 5 to 9. Carol fuses both experts' weights into
duo.joy, which is better than either; node 1 serves it, and each call pays all four their shares.
"""

import json
import os
import tempfile
from pathlib import Path

import digit_experts

from joynet_sdk import JoyNet, JoyNetError
from joynet_sdk.evaluation.plot import draw
from joynet_sdk.evaluation.tasks import load
from joynet_sdk.evaluation.trial import Candidate, Trial
from joynet_sdk.formats import Manifest
from joynet_sdk.fusion.mergekit_yaml import parse_spec
from joynet_sdk.fusion.records import read_record
from joynet_sdk.models import describe
from joynet_sdk.node.control import ask
from joynet_sdk.seeding import seed
from joynet_sdk.types import JoyWei, ModelId
from joynet_sdk.units import format_joy, parse_joy

HOME = Path(os.environ.get("JOYNET_HOME", "~/.joynet")).expanduser()
# Keys that quickstart left in its home; anybody's own would do.
GRACE, ALICE, BOB, CAROL = "publisher", "vault-2", "vault-3", "quickstart"
NODE, VAULT = 1, "vault-1"
PRICE, NODE_PRICE = parse_joy("0.1"), parse_joy("0.01")
CALLS = 3

BLEND = """
merge_method: linear
models:
  - {{model: "{tuned}", parameters: {{weight: 0.9}}}}
  - {{model: "{base}", parameters: {{weight: 0.1}}}}
"""
DUO = """
merge_method: linear
models:
  - {{model: "{low}", parameters: {{weight: 0.5}}}}
  - {{model: "{high}", parameters: {{weight: 0.5}}}}
"""


def as_user(account: str) -> JoyNet:
    """The quickstart's home as one of its accounts."""
    password = (HOME / "quickstart/password").read_text().strip()
    return JoyNet.connect(home=HOME, account=account, password=password)


def publish(account: str, folder: Path, title: str, min_share_bps: int) -> str:
    """List a model, and let others build on it; returns its id."""
    with as_user(account) as joynet:
        manifest = joynet.models.publish(folder, describe(folder, title=title), JoyWei(10**16))
        joynet.fusion.market.set_terms(
            manifest.model_id, is_allowed=True, min_share_bps=min_share_bps
        )
    return "0x" + manifest.model_id.hex()


def fuse(
    account: str, text: str, out: Path, title: str, shares: dict[str, int], price: JoyWei
) -> Manifest:
    """Build a model by a spec, have it checked, and list it with its parents' shares.

    Args:
        text: YAML that names the parents by model id.
        shares: Model id -> basis points of each payment.
    """
    with as_user(account) as joynet:
        planned = joynet.fusion.plan(parse_spec(text.encode()))
        joynet.fusion.build(planned, out)
        joynet.fusion.smoke(out, list(planned.folders.values()), digit_experts.TASK).require()
        spec = joynet.fusion.published_spec(read_record(out), {})
        wanted = {ModelId(bytes.fromhex(ref[2:])): bps for ref, bps in shares.items()}
        parents = joynet.fusion.market.shares(spec, wanted)
        card = describe(out, title=title)
        manifest = joynet.fusion.market.publish(out, card, spec, parents, price)
        joynet.fusion.market.set_terms(manifest.model_id, is_allowed=True, min_share_bps=500)
    return manifest


def compare(child: Path, parents: dict[str, Path], plot: Path) -> Trial:
    """Measure the child and its parents on digits that none has seen; draws a plot."""
    candidates = [Candidate(name, folder) for name, folder in parents.items()]
    with as_user(CAROL) as joynet:
        dataset = load(digit_experts.TASK, split="test")
        trial = joynet.evaluation.trial(Candidate("duo", child), candidates, dataset)
    draw([trial.child.report, *(file.report for file in trial.parents)], plot)
    return trial


def serve(manifest: Manifest) -> None:
    """Node 1 offers the model, and fetches it from here."""
    with as_user(VAULT) as joynet:
        joynet.nodes.offer(NODE, manifest.model_id, NODE_PRICE)
    with as_user(CAROL) as joynet:
        joynet.wait(seed(joynet, [manifest.model_id], copies=1))


def call(name: str) -> None:
    """Buy a few answers, by name."""
    pixels, labels = digit_experts.images("test")
    with as_user(CAROL) as joynet:
        for image, label in zip(pixels[:CALLS], labels[:CALLS], strict=True):
            answer = joynet.infer(name, json.dumps(image[0].tolist()))
            print(f"  {name} sees {answer.decoded.summary}; it is {label}")


def pay(models: list[ModelId], owners: dict[str, str]) -> dict[str, int]:
    """The node redeems its vouchers; each model's income goes one level up, children first.

    Args:
        models: Children before their parents.
        owners: Name -> account.

    Returns:
        Name -> wei that the owner received.
    """
    ask(HOME / f"quickstart/node-{NODE}", "redeem")
    with as_user(CAROL) as joynet:
        market = joynet.chain.contract("ModelMarketplace")
        before = {
            name: joynet.models.royalties.claimable(as_address(account))
            for name, account in owners.items()
        }
        paid = joynet.models.royalties.undistributed(models[0])
        expected = joynet.models.royalties.preview(models[0], paid)
        for model_id in models:
            market.transact("distribute", model_id)
        earned = {
            name: joynet.models.royalties.claimable(as_address(account)) - before[name]
            for name, account in owners.items()
        }
    print(f"  {format_joy(paid)} reached duo.joy")
    for name, account in owners.items():
        due = expected.accounts[as_address(account)]
        print(f"  {name:6} gets {format_joy(JoyWei(earned[name]))}")
        if earned[name] != due:
            raise JoyNetError(f"{name} got {earned[name]} wei, the shares say {due}")
    return earned


def as_address(account: str) -> str:
    """An account's address."""
    with as_user(account) as joynet:
        return str(joynet.chain.account.address)


def main() -> None:
    """The whole story."""
    folder = Path(tempfile.mkdtemp(prefix="experts-"))
    print("training a base and two experts")
    for name, accuracy in digit_experts.make(folder).items():
        print(f"  {name:5} {accuracy:.1%} of the held-out digits")

    print("publishing them, and Alice's blend")
    base = publish(GRACE, folder / "base", "Digits, base", 500)
    tuned = publish(ALICE, folder / "low", "Digits 0 to 4, as tuned", 500)
    high = publish(BOB, folder / "high", "Digits 5 to 9", 2000)
    shares = {base: 1000, tuned: 500}
    blend = BLEND.format(tuned=tuned, base=base)
    low = fuse(ALICE, blend, folder / "blend", "Digits 0 to 4", shares, JoyWei(10**16))

    print("fusing both experts")
    low_id = "0x" + low.model_id.hex()
    with as_user(CAROL) as joynet:
        checked = joynet.check_fusion([low_id, high]).report
    print(f"  they fit together: {checked.is_compatible}; advised: {checked.advice.method}")
    shares = {low_id: 3000, high: 3000}
    spec = DUO.format(low=low_id, high=high)
    duo = fuse(CAROL, spec, folder / "duo", "Digits, both experts", shares, PRICE)
    trial = compare(
        folder / "duo", {"low": folder / "blend", "high": folder / "high"}, Path("duo.png")
    )
    print(f"  duo is {trial.verdict}; see duo.png")

    print("naming and serving it")
    with as_user(CAROL) as joynet:
        joynet.domains.register(joynet.domains.quote("duo.joy"), model=duo.model_id)
    serve(duo)
    call("duo.joy")

    print("paying everybody")
    models = [duo.model_id, low.model_id, *(bytes.fromhex(ref[2:]) for ref in (high, tuned, base))]
    owners = {"Carol": CAROL, "Alice": ALICE, "Bob": BOB, "Grace": GRACE}
    pay([ModelId(each) for each in models], owners)


if __name__ == "__main__":
    main()
