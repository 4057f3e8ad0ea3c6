"""ENSIP-15 normalisation, from web3's `ens` (its import costs half a second)."""

import re

from joynet_sdk.errors import InvalidInputError

_PLAIN = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)*")  # what every rule of ENSIP-15 leaves as it is


def normalise(name: str) -> str:
    """The one form of a name.

    Raises:
        InvalidInputError: ENSIP-15 forbids it; the message says which rule.
    """
    if _PLAIN.fullmatch(name):
        return name
    from ens.exceptions import InvalidName
    from ens.utils import normalize_name

    try:
        return str(normalize_name(name))
    except InvalidName as error:
        raise InvalidInputError(
            f"name {name!r:.100} cannot be normalised: {error}", hint="see ENSIP-15"
        ) from None
