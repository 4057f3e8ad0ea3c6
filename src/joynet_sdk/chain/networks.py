"""From the `network` setting to a node's address."""

from pathlib import Path

from joynet_sdk.chain.devnet import Devnet
from joynet_sdk.errors import ConfigError

DEVNET = "devnet"


def resolve_url(home: Path, network: str) -> str:
    """The RPC address of a network.

    Args:
        home: `$JOYNET_HOME`.
        network: "devnet", an http(s) URL, or an Ape network choice such as "ethereum:sepolia:node".

    Raises:
        UnavailableError: The devnet is not running.
        ConfigError: Ape knows no such network, or reaches it without HTTP.
    """
    if network == DEVNET:
        return Devnet(home).url
    if network.startswith(("http://", "https://")):
        return network
    from ape import networks
    from ape.exceptions import ApeException

    try:
        url = getattr(networks.get_provider_from_choice(network), "http_uri", None)
    except (ApeException, ValueError) as error:
        raise ConfigError(
            f"network is {network!r}: {error}", hint="ape networks list; or an http(s) URL"
        ) from error
    if not url:
        raise ConfigError(
            f"network {network!r} has no HTTP address", hint="use an http(s) URL, or devnet"
        )
    return str(url)
