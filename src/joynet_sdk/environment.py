"""Environment variables, completed by a `.env` file that is read and never written."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path


class Environment(Mapping[str, str]):
    """Variables of the process, and the JOYNET_* ones of `.env` that the process does not set.

    Attributes:
        from_dotenv: Names that came from `.env`.
    """

    def __init__(self, process: Mapping[str, str], dotenv: Mapping[str, str] | None = None) -> None:
        dotenv = dotenv or {}
        self.from_dotenv = frozenset(dotenv.keys() - process.keys())
        self._values = {**dotenv, **process}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def read_environment(cwd: Path) -> Environment:
    """The environment of this process and of the `.env` in `cwd`. Nothing is exported."""
    file = cwd / ".env"
    if not file.is_file():
        return Environment(os.environ)
    from dotenv import dotenv_values

    entries = dotenv_values(file, interpolate=False)
    ours = {name: value for name, value in entries.items() if name.startswith("JOYNET_") and value}
    return Environment(os.environ, ours)
