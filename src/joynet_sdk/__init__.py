"""JoyNet SDK: publish, name, serve, pay for and verify AI models.

    from joynet_sdk import JoyNet

The names below are imported on first use; `import joynet_sdk` itself takes a few milliseconds.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from joynet_sdk.client import AsyncJoyNet as AsyncJoyNet
    from joynet_sdk.client import JoyNet as JoyNet
    from joynet_sdk.errors import JoyNetError as JoyNetError
    from joynet_sdk.receipts import ReceiptFile as ReceiptFile
    from joynet_sdk.receipts import decode_receipt_file as decode_receipt_file

_HOMES = {
    "AsyncJoyNet": "client",
    "JoyNet": "client",
    "JoyNetError": "errors",
    "ReceiptFile": "receipts",
    "decode_receipt_file": "receipts",
}
__all__ = ["AsyncJoyNet", "JoyNet", "JoyNetError", "ReceiptFile", "decode_receipt_file"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"joynet_sdk.{_HOMES[name]}"), name)
