"""How an SRS lies on disk: one file, checked by digests, read by mapping it.

bytes 0 .. 15     "joynet-srs/1" and zeros
bytes 16 .. 31    u64 number of points, u64 length of the header, little-endian
bytes 32 .. 63    SHA-256 of the header
from 4096 on      points of G1, 64 bytes each: x, y, little-endian
after them        the header, JSON: where the SRS is from, its points of G2, and the SHA-256
                  of every run of 2^14 points, so that a prefix is checked without the rest
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

from joynet_sdk.errors import ConfigError, NotFoundError
from joynet_sdk.paths import file_errors, replacing
from joynet_sdk.proofs.srs_powers import POINT_BYTES, Points

MAGIC = b"joynet-srs/1\0\0\0\0"
RUN = 1 << 14  # points that share a digest
_START = 4096
_PREAMBLE = struct.Struct("<16sQQ32s")
_MAX_HEADER_BYTES = 1 << 26


@dataclass(frozen=True)
class Header:
    """What a file says about itself.

    Attributes:
        origin: "development" or "ceremony".
        source: The seed of a development SRS; the name of the file that was imported.
        tau_powers: [tau^(2^j)]_2 for j = 0, 1, .., 128 bytes each, in hex.
        runs: SHA-256 of each run of points, in hex.
    """

    origin: str
    source: str
    tau_powers: tuple[str, ...]
    runs: tuple[str, ...]


class SrsFile:
    """An open file."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            NotFoundError: There is no such file.
            ConfigError: It is no SRS, is damaged, or cannot be read.
        """
        self.path = path
        try:
            with file_errors(path), path.open("rb") as file:
                self.size, self.header = self._read(file)
        except FileNotFoundError:
            raise NotFoundError("SRS", path, hint="joynet proof srs new") from None

    def points(self, count: int) -> Points:
        """The first `count` points, (count, 8) uint64, mapped; their runs are checked.

        Raises:
            ConfigError: The file is damaged, or has fewer points.
        """
        if not 0 < count <= self.size:
            raise ConfigError(
                f"{count} points of {self.path}, which has {self.size}",
                hint="joynet proof srs new --power N, or import a larger ceremony",
            )
        mapped = np.memmap(self.path, "<u8", "r", _START, (self.size, 8))
        for number, expected in enumerate(self.header.runs[: -(-count // RUN)]):
            run = mapped[number * RUN : (number + 1) * RUN]
            if hashlib.sha256(run.data).hexdigest() != expected:
                raise self._damaged(f"points from {number * RUN} on have another digest")
        return mapped[:count]

    def _read(self, file: IO[bytes]) -> tuple[int, Header]:
        raw = file.read(_PREAMBLE.size)
        if len(raw) < _PREAMBLE.size or not raw.startswith(MAGIC):
            raise ConfigError(f"{self.path} is no SRS file", hint="joynet proof srs show")
        _, size, length, digest = _PREAMBLE.unpack(raw)
        end = _START + size * POINT_BYTES + length
        if length > _MAX_HEADER_BYTES or os.fstat(file.fileno()).st_size != end:
            raise self._damaged(f"expected {end} bytes")
        file.seek(_START + size * POINT_BYTES)
        text = file.read(length)
        if hashlib.sha256(text).digest() != digest:
            raise self._damaged("its header has another digest")
        fields = json.loads(text)
        powers, runs = tuple(fields["tau_powers"]), tuple(fields["runs"])
        return size, Header(fields["origin"], fields["source"], powers, runs)

    def _damaged(self, how: str) -> ConfigError:
        hint = f"delete {self.path}, then: joynet proof srs new, or import"
        return ConfigError(f"{self.path} is damaged: {how}", hint=hint)


def write(
    path: Path, origin: str, source: str, tau_powers: Iterable[bytes], points: Iterable[Points]
) -> None:
    """Write a file; it appears whole or not at all.

    Args:
        path: Replaced when it exists; whoever has the old file mapped keeps it.
        origin: As in Header.
        source: As in Header.
        tau_powers: Encoded points of G2.
        points: Parts in order; each but the last has a multiple of 2^14 points.

    Raises:
        ConfigError: The disk refuses; nothing is left behind.
    """
    with replacing(path) as file:
        file.seek(_START)
        size, runs = 0, []
        for part in points:
            for at in range(0, len(part), RUN):
                raw = np.ascontiguousarray(part[at : at + RUN], "<u8").tobytes()
                file.write(raw)
                runs.append(hashlib.sha256(raw).hexdigest())
            size += len(part)
        header = Header(origin, source, tuple(raw.hex() for raw in tau_powers), tuple(runs))
        text = json.dumps(asdict(header)).encode()
        file.write(text)
        file.seek(0)
        digest = hashlib.sha256(text).digest()
        file.write(_PREAMBLE.pack(MAGIC, size, len(text), digest))
