"""Is a libp2p installed that JoyNet can use?"""

from importlib import metadata

from joynet_sdk.errors import MissingDependencyError

MINIMUM = (0, 8)
INSTALL = 'pip install "libp2p==0.8.1"'  # last: another package's bound would take it back


def require_libp2p() -> str:
    """Return the version of libp2p.

    Raises:
        MissingDependencyError: It is absent, or older than 0.8.
    """
    try:
        version = metadata.version("libp2p")
    except metadata.PackageNotFoundError:
        raise MissingDependencyError("libp2p", INSTALL) from None
    major, minor = version.split(".")[:2]
    if (int(major), int(minor)) < MINIMUM:
        raise MissingDependencyError("libp2p >= 0.8", INSTALL, why=f"found {version}")
    return version
