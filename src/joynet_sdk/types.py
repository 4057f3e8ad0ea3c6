"""Values that cross layer boundaries. Frozen, comparable, free of I/O."""

from typing import NewType

JoyWei = NewType("JoyWei", int)  # JOY base units: 10**18 of them make 1 JOY
Address = NewType("Address", str)  # EIP-55 checksummed
ModelId = NewType("ModelId", bytes)  # 32 bytes: SHA-256 of a manifest's canonical JSON
