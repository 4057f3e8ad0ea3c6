"""One object that holds every service, wired to the adapters of one home."""

from joynet_sdk.client.asynchronous import FLOWS, AsyncJoyNet
from joynet_sdk.client.synchronous import JoyNet

__all__ = ["FLOWS", "AsyncJoyNet", "JoyNet"]
