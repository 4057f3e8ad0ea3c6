"""Licences of models: terms, purchase, release of keys, disputes, renewal."""

from joynet_sdk.licenses.model import License, Quote, State, Terms, WrongKeyError
from joynet_sdk.licenses.purchase import buy_flow, renew_flow
from joynet_sdk.licenses.selling import Release, Sales
from joynet_sdk.licenses.service import Licenses

__all__ = [
    "License",
    "Licenses",
    "Quote",
    "Release",
    "Sales",
    "State",
    "Terms",
    "WrongKeyError",
    "buy_flow",
    "renew_flow",
]
