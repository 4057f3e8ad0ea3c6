"""The chain adapter: the only home of Ape and web3.

What services use (all of it lazily imported; reads never load Ape):

    session = ChainSession(url, home, account=account)      # account may be a function
    token = session.contract("JoyToken")                    # address from the deployment file
    token.call("balanceOf", address) -> int                 # structs come back as dicts
    receipt = token.transact("transfer", to, amount)        # journalled; RevertedError on refusal
    receipt.event("Transfer").args["value"]
    for event in token.events("Transfer", from_block, filters={"to": address}): ...
    session.now(), session.block(n), session.balance(address), session.wait_until(...)

Several transactions that belong together are a *flow* (`flows`): registered by kind, resumable
after a kill at any moment, each step signed once.

    def buy(run: flows.Run) -> Receipt:
        token, shop = run.session.contract("JoyToken"), run.session.contract("ModelMarketplace")
        run.transact("approve", token, "approve", shop.address, int(run.args["price"]))
        return run.transact("buy", shop, "buy", run.args["model"])

    flows.register("model.buy", buy)
    flows.start(session, "model.buy", "buy digits.joy", {"model": "0x..", "price": "10"})

Keys are `accounts.Keys` and `accounts.open_account`; the development chain is `devnet.Devnet`;
`deploy.deploy_all` puts every contract on a chain.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joynet_sdk.chain.abi import Event as Event
    from joynet_sdk.chain.accounts import Account as Account
    from joynet_sdk.chain.accounts import Keys as Keys
    from joynet_sdk.chain.accounts import open_account as open_account
    from joynet_sdk.chain.deployments import Deployment as Deployment
    from joynet_sdk.chain.devnet import Devnet as Devnet
    from joynet_sdk.chain.journal import Journal as Journal
    from joynet_sdk.chain.session import ChainSession as ChainSession
    from joynet_sdk.chain.session import Contract as Contract
    from joynet_sdk.chain.transactions import Plan as Plan
    from joynet_sdk.chain.transactions import Receipt as Receipt

_HOMES = {
    "Account": "accounts",
    "ChainSession": "session",
    "Contract": "session",
    "Deployment": "deployments",
    "Devnet": "devnet",
    "Event": "abi",
    "Journal": "journal",
    "Keys": "accounts",
    "Plan": "transactions",
    "Receipt": "transactions",
    "open_account": "accounts",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
