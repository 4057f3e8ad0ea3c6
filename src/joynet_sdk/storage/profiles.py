"""Import profiles: the parameters that decide which CID a file or folder gets.

Same bytes, same names and same profile give the same CID in every implementation (IPIP-0499).
JoyNet departs from the profiles in one point: symlinks are refused, not stored.
"""

from dataclasses import dataclass
from typing import Literal

from joynet_sdk.errors import InvalidInputError

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Profile:
    """How files are cut and folders are built; CIDv1, sha2-256, raw leaves, balanced layout.

    Attributes:
        name: As given to `--profile`.
        chunk_bytes: Size of every chunk but the last of a file.
        max_links: Links of one file node.
        shard_threshold: A directory larger than this becomes sharded (HAMT).
        shard_measure: "block-bytes" measures the encoded node, "links-bytes" names and CIDs only.
        shard_fanout: Slots of one node of a sharded directory, a power of two.
    """

    name: str
    chunk_bytes: int
    max_links: int
    shard_measure: Literal["block-bytes", "links-bytes"]
    shard_threshold: int = 256 * KIB
    shard_fanout: int = 256


UNIXFS_V1_2025 = Profile("unixfs-v1-2025", MIB, 1024, "block-bytes")
"""IPIP-0499's modern profile: JoyNet's default."""

CLASSIC = Profile("classic", 256 * KIB, 174, "links-bytes")
"""What `ipfs add --cid-version=1 --raw-leaves` gives in Kubo with its long-standing defaults."""

PROFILES = {profile.name: profile for profile in (UNIXFS_V1_2025, CLASSIC)}


def profile_named(name: str) -> Profile:
    """Look a profile up.

    Raises:
        InvalidInputError: No such profile.
    """
    if name not in PROFILES:
        raise InvalidInputError(f"profile {name!r:.60}: expected one of {', '.join(PROFILES)}")
    return PROFILES[name]
