"""How a node opens sealed models: with a licence of its vault or operator, or its own key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from joynet_sdk.errors import AuthError, JoyNetError
from joynet_sdk.formats import Manifest
from joynet_sdk.licenses import Licenses
from joynet_sdk.paths import Home
from joynet_sdk.ports import Chain
from joynet_sdk.storage.content_keys import ContentKeys
from joynet_sdk.types import Address, ModelId


def _no_flows(kind: str, title: str, args: dict[str, Any]) -> NoReturn:
    raise AssertionError(f"a node starts no jobs, asked for {kind} ({title})")


class ModelKeys:
    """Content keys for one node; every call asks the chain, so call it in a thread."""

    def __init__(
        self,
        chain: Chain,
        vault: Address,
        home: Path,
        load: Callable[[ModelId], Manifest],
    ) -> None:
        """
        Args:
            chain: Its account is the operator, whose wallet the licence was bought for.
            vault: May hold the licence.
            home: Of the node; the publisher's own keys lie there.
            load: A stored manifest.
        """
        self._chain, self._vault = chain, vault
        self._licenses = Licenses(chain, _no_flows, ContentKeys(Home(home).content_keys), load)

    def content_key(self, manifest: Manifest) -> bytes:
        """The key that opens a sealed model here.

        Raises:
            AuthError: No licence of vault or operator opens it.
            PendingError: It waits for its key.
            WrongKeyError: The key that was posted is wrong.
        """
        owners = [self._vault, Address(self._chain.account.address)]
        try:
            return self._licenses.content_key(manifest, owners=list(dict.fromkeys(owners)))
        except AuthError as error:
            raise _with_node_hint(error, manifest) from None


def _with_node_hint(error: AuthError, manifest: Manifest) -> JoyNetError:
    command = f"joynet model buy 0x{manifest.model_id.hex()} --for-node --account VAULT"
    return AuthError(f"{error} (as vault or operator): {command}", hint=command)
