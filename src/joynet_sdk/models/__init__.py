"""Models on the marketplace: describe, publish, look up, pull, search, get paid."""

from joynet_sdk.models.describing import VECTOR_TOLERANCE, describe
from joynet_sdk.models.listing import EXACT, TOLERANT, Listing, Price, Stake
from joynet_sdk.models.pull import Pulled, Pulls
from joynet_sdk.models.royalties import Royalties
from joynet_sdk.models.search import Search
from joynet_sdk.models.service import (
    PUBLISH_FLOW,
    Changes,
    Details,
    Models,
    Version,
    next_version,
    publish_flow,
)

__all__ = [
    "EXACT",
    "PUBLISH_FLOW",
    "TOLERANT",
    "VECTOR_TOLERANCE",
    "Changes",
    "Details",
    "Listing",
    "Models",
    "Price",
    "Pulled",
    "Pulls",
    "Royalties",
    "Search",
    "Stake",
    "Version",
    "describe",
    "next_version",
    "publish_flow",
]
