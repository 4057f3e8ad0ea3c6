"""`joynet version`: which versions are in use."""

import platform
from dataclasses import dataclass
from importlib import metadata

import typer

from joynet_cli._output import out
from joynet_sdk import __version__

app = typer.Typer(help="Print versions.")

_PACKAGES = ("eth-ape", "web3", "libp2p", "torch", "transformers", "pyopencl", "onnx", "coincurve")


@dataclass(frozen=True)
class Versions:
    """What is installed here; a package that is missing has None."""

    joynet: str
    python: str
    platform: str
    packages: dict[str, str | None]


@app.command()
def version() -> None:
    """Print the versions of JoyNet, Python and the packages it leans on.

    Examples:
      joynet version
      joynet version --json
    """
    packages = {name: _installed(name) for name in _PACKAGES}
    system = f"{platform.system().lower()}-{platform.machine()}"
    out.result(Versions(__version__, platform.python_version(), system, packages), _print)


def _print(versions: Versions) -> None:
    out.line(f"joynet {versions.joynet} · python {versions.python} · {versions.platform}")
    rows = [[name, found or "not installed"] for name, found in versions.packages.items()]
    out.table(["package", "version"], rows)


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
