#!/usr/bin/env python
"""Compile every deployable contract to src/joynet_sdk/chain/artifacts/<Name>.json.

CamelCase `.vy` files are deployed; snake_case ones are modules, and `testing/` holds attackers.

Usage: python scripts/compile_contracts.py [--check]
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = ROOT / "contracts"
DEFAULT_EVM = "prague"  # what vyper 0.4.3 targets when a source does not say
ARTIFACTS = ROOT / "src" / "joynet_sdk" / "chain" / "artifacts"


def sources() -> dict[str, Path]:
    """Contract name -> source, of everything that is deployed."""
    found = sorted(p for p in CONTRACTS.rglob("*.vy") if "testing" not in p.parts)
    return {path.stem: path for path in found if path.stem[0].isupper()}


def compile_contract(path: Path) -> dict[str, Any]:
    """Compile one source with its own pragmas. Raises what vyper raises."""
    import vyper
    from vyper.compiler import CompilerData
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.output import build_abi_output, build_layout_output

    bundle = FilesystemInputBundle([*(Path(p) for p in reversed(sys.path) if p), ROOT])
    data = CompilerData(bundle.load_file(path), bundle)
    return {
        "contractName": path.stem,
        "abi": build_abi_output(data),
        "bytecode": "0x" + data.bytecode.hex(),
        "runtimeSize": len(data.bytecode_runtime) + _immutables(build_layout_output(data)),
        "compiler": f"vyper {vyper.__version__}",
        "evmVersion": data.settings.evm_version or DEFAULT_EVM,
        "source": path.relative_to(ROOT).as_posix(),
        "sourceDigest": data.integrity_sum,
    }


def _immutables(layout: Any) -> int:
    """Bytes of immutables, which lie behind the runtime code and count for EIP-170."""
    if not isinstance(layout, dict):
        return 0
    if "offset" in layout and "length" in layout:
        return int(layout["length"])
    return sum(_immutables(part) for key, part in layout.items() if key != "storage_layout")


def render(artifact: dict[str, Any]) -> bytes:
    """The committed form: one ABI entry per line, so that a diff can be read."""
    entries = ",\n  ".join(json.dumps(e, sort_keys=True) for e in artifact["abi"])
    rest = {key: value for key, value in sorted(artifact.items()) if key != "abi"}
    tail = ",\n ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rest.items())
    return f'{{"abi": [\n  {entries}\n ],\n {tail}}}\n'.encode()


def main() -> int:
    """Write every artifact (or, with --check, only say which are stale)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    parser.add_argument("names", nargs="*", help="only these contracts")
    options = parser.parse_args()
    wanted = {k: v for k, v in sources().items() if not options.names or k in options.names}
    ARTIFACTS.mkdir(exist_ok=True)
    stale = []
    for name, path in wanted.items():
        artifact = compile_contract(path)
        target, rendered = ARTIFACTS / f"{name}.json", render(artifact)
        if not target.exists() or target.read_bytes() != rendered:
            stale.append(name)
            if not options.check:
                target.write_bytes(rendered)
        print(f"{name:24} {artifact['runtimeSize']:6} bytes deployed")
    for left in ARTIFACTS.glob("*.json"):
        if left.stem not in sources():
            stale.append(left.stem)
            if not options.check:
                left.unlink()
    print(f"{'stale' if options.check else 'written'}: {', '.join(stale) or 'none'}")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
