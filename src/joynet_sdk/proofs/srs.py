"""Structured reference strings: powers of a tau that nobody should know.

A development SRS has a tau that anybody computes from its seed, which is public unless another is
chosen: proofs under it prove nothing to anyone, and it is refused outside the development chains.
A ceremony's powers are imported from a `.ptau` file, and verified.
Normative text: docs/spec/proof-opening.md.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from joynet_sdk.errors import ConfigError, InvalidInputError, NotFoundError
from joynet_sdk.paths import file_errors, private_dir
from joynet_sdk.proofs import g2, ptau, srs_file
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.pcs import TwoTierVerifier
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.srs_powers import STEP, Points, powers
from joynet_sdk.proofs.transcript import keccak256
from joynet_sdk.types import DEVELOPMENT_CHAIN_IDS

DEVELOPMENT, CEREMONY = "development", "ceremony"
DEVELOPMENT_SEED = "joynet development"
DEVELOPMENT_TAU_POWERS = 15  # openings of up to 28 variables
MIN_POWER, MAX_POWER = 2, 24
_DIGEST_DOMAIN = b"joynet/srs/1"
_TAU_DOMAIN = b"joynet/development-tau/1"


@dataclass(frozen=True)
class Srs:
    """One SRS of this home.

    Attributes:
        file: Where it lies.
    """

    file: srs_file.SrsFile

    @property
    def origin(self) -> str:
        """ "development" or "ceremony"."""
        return self.file.header.origin

    @property
    def is_development(self) -> bool:
        """Whether somebody knows tau: its proofs can be forged."""
        return self.origin != CEREMONY

    @property
    def size(self) -> int:
        """Powers of G1: the longest vector that can be committed."""
        return self.file.size

    @cached_property
    def tau_powers(self) -> tuple[g2.G2, ...]:
        """[tau^(2^j)]_2 for j = 0, 1, .."""
        return tuple(g2.parse(bytes.fromhex(raw)) for raw in self.file.header.tau_powers)

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that name tau; the same however many powers there are."""
        return digest_of(bytes.fromhex(self.file.header.tau_powers[0]))

    def points(self, count: int) -> Points:
        """[tau^i]_1 for i < count: (count, 8) uint64 canonical limbs, mapped from the file.

        Raises:
            ConfigError: The file is damaged, or has fewer points.
        """
        return self.file.points(count)

    def verifier(self) -> TwoTierVerifier:
        """Checks openings under this SRS."""
        return TwoTierVerifier(self.tau_powers)

    def require_chain(self, chain_id: int) -> None:
        """Refuse a development SRS for a chain that is not a development chain.

        Raises:
            ConfigError: It is one.
        """
        if self.is_development and chain_id not in DEVELOPMENT_CHAIN_IDS:
            raise _unsafe(self.digest, chain_id)


class SrsStore:
    """The SRSs of a home, one file each."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: `Home.srs`.
        """
        self._folder = folder

    def all(self) -> list[Srs]:
        """Every SRS here, in the order of their digests.

        Raises:
            ConfigError: A file is damaged.
        """
        return [Srs(srs_file.SrsFile(path)) for path in sorted(self._folder.glob("*.srs"))]

    def find(self, digest: bytes) -> Srs:
        """The SRS of a digest.

        Raises:
            NotFoundError: It is not here.
            ConfigError: Its file is damaged.
        """
        path = self._path(digest)
        if not path.exists():
            raise NotFoundError(
                "SRS",
                "0x" + digest.hex(),
                hint="joynet proof srs new (development), or joynet proof srs import FILE.ptau",
            )
        return Srs(srs_file.SrsFile(path))

    def development(self, runtime: Runtime, power: int, seed: str = DEVELOPMENT_SEED) -> Srs:
        """The development SRS of a seed with at least 2^power points, made or grown when needed.

        The same seed gives the same powers everywhere, so homes agree without a file.

        Args:
            runtime: Makes the points.
            power: From 2 to 24.
            seed: Anybody who knows it can forge proofs.

        Raises:
            InvalidInputError: `power` is out of range.
            ConfigError: The disk refuses.
        """
        if not MIN_POWER <= power <= MAX_POWER:
            raise InvalidInputError(f"2^{power} points, expected 2^{MIN_POWER} to 2^{MAX_POWER}")
        tau = development_tau(seed)
        path = self._path(digest_of(g2.encode(g2.multiply(g2.GENERATOR, tau))))
        with self._writing():
            old = srs_file.SrsFile(path) if path.exists() else None
            if old is None or old.size < 1 << power:
                parts = _grown(runtime, tau, old, 1 << power)
                srs_file.write(path, DEVELOPMENT, seed, map(g2.encode, _tau_powers(tau)), parts)
        return Srs(srs_file.SrsFile(path))

    def obtain(self, runtime: Runtime, digest: bytes, power: int) -> Srs:
        """The SRS of a digest with at least 2^power points; a development one is made or grown.

        Raises:
            NotFoundError: It is not here, and is not the common development SRS.
            ConfigError: It is a ceremony's with fewer points, or the disk refuses.
        """
        if digest == development_digest():
            return self.development(runtime, power)
        srs = self.find(digest)
        if srs.size >= 1 << power:
            return srs
        if srs.is_development:
            return self.development(runtime, power, srs.file.header.source)
        raise ConfigError(
            f"2^{power} points are needed, the SRS 0x{digest[:4].hex()}.. here has {srs.size}",
            hint=f"joynet proof srs import FILE.ptau --power {power}",
        )

    def verifier(self, digest: bytes) -> TwoTierVerifier:
        """Checks openings under the SRS of a digest; needs no device.

        Raises:
            NotFoundError: It is not here, and is not the common development SRS.
        """
        if digest == development_digest() and not self._path(digest).exists():
            return TwoTierVerifier(_tau_powers(development_tau(DEVELOPMENT_SEED)))
        return self.find(digest).verifier()

    def require_chain(self, digest: bytes, chain_id: int) -> None:
        """Refuse a development SRS, here or not, for a chain that is not a development chain.

        Raises:
            ConfigError: It is one.
            NotFoundError: It is not here, and is not the common development SRS.
        """
        common = digest == development_digest()
        if common and chain_id not in DEVELOPMENT_CHAIN_IDS:
            raise _unsafe(digest, chain_id)
        if not common:
            self.find(digest).require_chain(chain_id)

    def import_ptau(self, runtime: Runtime, source: Path, power: int | None = None) -> Srs:
        """Verify a ceremony's file and keep its first powers.

        Args:
            runtime: Does the sums.
            source: A `.ptau` file of BN254.
            power: Take 2^power points; None for as many as the file has points of G2 for.

        Raises:
            InvalidInputError: The file is malformed, of another curve, or too small.
            VerificationError: Its points are not the powers of one tau.
            ConfigError: The disk or the device refuses.
        """
        points, tau_powers = ptau.load(runtime, source, power)
        encoded = [g2.encode(point) for point in tau_powers]
        path = self._path(digest_of(encoded[0]))
        with self._writing():
            if not path.exists() or srs_file.SrsFile(path).size < len(points):
                srs_file.write(path, CEREMONY, source.name, encoded, [points])
        return Srs(srs_file.SrsFile(path))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, so that no file is replaced by a smaller one."""
        private_dir(self._folder)
        lock = self._folder / ".lock"
        with file_errors(lock), lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _path(self, digest: bytes) -> Path:
        return self._folder / f"{digest.hex()[:32]}.srs"


def digest_of(tau_g2: bytes) -> bytes:
    """keccak256("joynet/srs/1" || [tau]_2): the point determines tau, so everything else."""
    return keccak256(_DIGEST_DOMAIN + tau_g2)


def development_tau(seed: str) -> int:
    """keccak256("joynet/development-tau/1" || seed) mod r."""
    return int.from_bytes(keccak256(_TAU_DOMAIN + seed.encode()), "big") % FR


@cache
def _unsafe(digest: bytes, chain_id: int) -> ConfigError:
    return ConfigError(
        f"the SRS 0x{digest[:4].hex()}.. is for development, chain {chain_id} is not "
        f"a development chain ({DEVELOPMENT_CHAIN_IDS[0]} to {DEVELOPMENT_CHAIN_IDS[-1]})",
        hint="joynet proof srs import FILE.ptau",
    )


def development_digest() -> bytes:
    """Digest of the common development SRS."""
    tau = development_tau(DEVELOPMENT_SEED)
    return digest_of(g2.encode(g2.multiply(g2.GENERATOR, tau)))


def _tau_powers(tau: int) -> list[g2.G2]:
    return [g2.multiply(g2.GENERATOR, pow(tau, 2**j, FR)) for j in range(DEVELOPMENT_TAU_POWERS)]


def _grown(runtime: Runtime, tau: int, old: srs_file.SrsFile | None, size: int) -> Iterator[Points]:
    """What there is, then new points, in parts of whole runs."""
    done = 0
    if old is not None:
        done = old.size // srs_file.RUN * srs_file.RUN
        known = old.points(old.size)
        for start in range(0, done, STEP):
            yield np.asarray(known[start : min(start + STEP, done)])
    yield from powers(runtime, tau, done, size - done)
