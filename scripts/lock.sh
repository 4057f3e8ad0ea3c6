#!/usr/bin/env bash
# Rewrites requirements.lock (what runs) and requirements-dev.lock (what tests add on top).
# torch and its CUDA companions stay out: pip chooses the build that fits the platform.
set -euo pipefail
cd "$(dirname "$0")/.."
unlocked='^(torch|triton|nvidia-.*|cuda-.*|sentence-transformers)=='
compile() {
    uv pip compile --quiet --override overrides.txt --python-version 3.11 --no-annotate --no-header \
        --no-emit-index-url --no-emit-find-links "$@"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile -c constraints.txt --extra all --extra dev pyproject.toml -o "$work/everything"
compile -c constraints.txt -c "$work/everything" --extra all pyproject.toml -o "$work/runtime"
head='# Made by `make lock` from pyproject.toml, constraints.txt and overrides.txt. Install with `pip install --no-deps`.'
{ echo "$head"; grep -vE "$unlocked" "$work/runtime"; } > requirements.lock
{ echo "$head"; comm -13 <(sort "$work/runtime") <(sort "$work/everything") | grep -vE "$unlocked"; } > requirements-dev.lock
wc -l requirements.lock requirements-dev.lock
