"""Open the SDK for one command, with its progress on the screen."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from joynet_cli._chain import account_name, show_plan
from joynet_cli._output import out
from joynet_cli._session import ctx, password_for

if TYPE_CHECKING:
    from joynet_sdk.chain.transactions import Plan
    from joynet_sdk.client import JoyNet


@contextmanager
def open_joynet(title: str = "", *, with_account: bool = True) -> Iterator["JoyNet"]:
    """A client for the current profile and account; closed at the end of the block.

    Args:
        title: Shown with the stages of long work; "" for none.
        with_account: Choose the account now, so that a missing one is said before any work.
    """
    from joynet_sdk.client import JoyNet
    from joynet_sdk.progress import listening

    context = ctx()
    account = account_name(context) if with_account else context.account
    settings = context.settings.model_copy(update={"account": account})

    def confirm(plan: "Plan") -> None:
        show_plan(joynet.chain, plan)

    joynet = JoyNet(context.home, settings, password=password_for, confirm=confirm)
    with joynet:
        if not title:
            yield joynet
            return
        with out.progress(title) as bar, listening(bar.stage):
            yield joynet


def parse_price(text: str | None) -> int | None:
    """An optional amount of JOY in wei."""
    from joynet_sdk.units import parse_joy

    return None if text is None else parse_joy(text)
