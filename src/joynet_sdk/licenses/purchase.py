"""Buying a licence, journaled: approve, buy, wait for the key, look at it; refund if none came."""

from joynet_sdk.errors import PendingError
from joynet_sdk.licenses.keys import PurchaseKeys
from joynet_sdk.licenses.model import CONTRACT, NO_KEY, License, State, Terms
from joynet_sdk.ports import Chain, Run
from joynet_sdk.progress import stage
from joynet_sdk.types import ModelId
from joynet_sdk.units import format_joy

BUY_FLOW, RENEW_FLOW = "license.buy", "license.renew"
BUY_GAS = 50_000 + 350_000  # approve and buy, about


def read_license(chain: Chain, license_id: int) -> License:
    """A licence as the chain has it now; its state is NONE if there is none."""
    return License.of(license_id, chain.contract(CONTRACT).call("license", license_id))


def buy_flow(run: Run) -> int:
    """approve, buy, wait for the key of a sealed model and look at it.

    Returns:
        The licence's id, also of one that was refunded because no key came in time.

    Raises:
        PendingError: No key was posted yet.
        WrongKeyError: A wrong one was.
    """
    session, args = run.session, run.args
    licenses, token = session.contract(CONTRACT), session.contract("JoyToken")
    price = int(args["price"])
    stage(f"paying {format_joy(price)}")
    if price:
        run.approve(token, licenses.address, price, before="buy")
    receipt = run.transact(
        "buy", licenses, "buy", args["model_id"], args["buyer_key"], args["digest"]
    )
    license_id = int(receipt.event("LicenseBought").args["license_id"])
    if bytes.fromhex(args["buyer_key"][2:]) != NO_KEY:
        _receive_key(run, license_id)
    return license_id


def _receive_key(run: Run, license_id: int) -> None:
    session = run.session
    licenses = session.contract(CONTRACT)

    def is_decided() -> bool:
        licence = read_license(session, license_id)
        return licence.state != State.AWAITING_KEY or session.now() >= licence.deadline

    stage("waiting until the publisher releases the key")
    try:
        session.wait_until(is_decided, "the key")
    except PendingError:
        raise PendingError(
            f"licence {license_id} is paid for and waits for its key",
            hint="later: joynet tx resume (the money comes back if no key comes in time)",
        ) from None
    licence = read_license(session, license_id)
    if licence.state == State.AWAITING_KEY:
        stage("no key came in time: taking the money back")
        run.transact("refund", licenses, "refund", license_id)
    if read_license(session, license_id).state == State.REFUNDED:
        if licenses.call("withdrawable", session.account.address):
            run.transact("withdraw", licenses, "withdraw")
    elif licence.state in (State.KEY_POSTED, State.SETTLED) and run.args["number"] is not None:
        model_id = ModelId(bytes.fromhex(run.args["model_id"][2:]))
        terms = Terms.of(licenses.call("terms", model_id))
        PurchaseKeys(session, session.account).open(licence, terms.key_hash)


def renew_flow(run: Run) -> None:
    """approve, renew."""
    args, licenses = run.args, run.session.contract(CONTRACT)
    if price := int(args["price"]):
        token = run.session.contract("JoyToken")
        run.approve(token, licenses.address, price, before="renew")
    run.transact("renew", licenses, "renew", args["license_id"], args["digest"])
