"""Folders described by docs/spec/vectors/unixfs.json, written to disk."""

import hashlib
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from joynet_sdk.storage.profiles import Profile, profile_named

VECTORS = Path(__file__).parents[3] / "docs" / "spec" / "vectors" / "unixfs.json"


def load_vectors() -> list[dict[str, Any]]:
    return json.loads(VECTORS.read_text())["folders"]


def content(spec: dict[str, Any]) -> bytes:
    """`text`, or `size` bytes of SHA-256(seed + counter) for counter 0, 1, 2..."""
    if "text" in spec:
        return spec["text"].encode()
    out = bytearray()
    for counter in itertools.count():
        if len(out) >= spec["size"]:
            return bytes(out[: spec["size"]])
        out += hashlib.sha256(f"{spec['seed']}{counter}".encode()).digest()
    raise AssertionError


def write_tree(case: dict[str, Any], root: Path) -> Path:
    root.mkdir(parents=True)
    for path, spec in case.get("files", {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content(spec))
    for path in case.get("empty_folders", []):
        (root / path).mkdir(parents=True)
    for name in numbered_names(case.get("numbered", {})):
        (root / name).write_bytes(b"x")
    return root


def numbered_names(spec: dict[str, Any]) -> list[str]:
    """`count` zero-padded numbers of `length` digits; the last has `last_length`."""
    names = [f"{number:0{spec['length']}d}" for number in range(spec.get("count", 0))]
    if names:
        names[-1] = f"{len(names) - 1:0{spec['last_length']}d}"
    return names


def profile_of(case: dict[str, Any]) -> Profile:
    overrides = case.get("overrides", {})
    return replace(profile_named(case["profile"]), **overrides)
