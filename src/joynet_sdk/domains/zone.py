"""A name's records as a file, and what a file would change.

    name: alice.joy
    records:
      addr: {eth: 0x7099…, btc: bc1q…}
      text: {url: https://example.org}
      contenthash: ipfs://bafy…
      endpoint: https://node.example.org

Every scalar is text: YAML does not turn an address into a number here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joynet_sdk.domains.records import ADDRESS, TEXT, Record, parse_record
from joynet_sdk.errors import InvalidInputError

MAX_ZONE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Zone:
    """What a file asks for.

    Attributes:
        name: The name it is about, or None.
        records: All records that the name shall have.
    """

    name: str | None
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One record that differs; an empty side stands for none."""

    key: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.before:
            return f"+ {self.key} = {self.after}"
        if not self.after:
            return f"- {self.key} = {self.before}"
        return f"~ {self.key} = {self.before} -> {self.after}"


def parse_zone(text: str) -> Zone:
    """Read a zone file.

    Raises:
        InvalidInputError: Not YAML, or not of the form above.
    """
    document = load_yaml(text, "zone file")
    unknown = sorted(set(document) - {"name", "records"})
    if unknown or not isinstance(document.get("records"), Mapping):
        raise InvalidInputError(
            f"zone file has {sorted(document)}, expected `records:` and perhaps `name:`"
        )
    found: dict[str, Record] = {}
    for key, value in _flat(document["records"]):
        record = parse_record(key, value)
        if record.key in found:
            raise InvalidInputError(f"zone file gives {record.key} twice")
        found[record.key] = record
    name = document.get("name")
    records = tuple(record for record in found.values() if record.value)
    return Zone(str(name) if name else None, records)


def load_yaml(text: str, what: str) -> dict[str, Any]:
    """A YAML mapping whose scalars are all text.

    Raises:
        InvalidInputError: Too large, not YAML, or not a mapping.
    """
    import yaml  # type: ignore[import-untyped]

    if len(text) > MAX_ZONE_BYTES:
        raise InvalidInputError(f"{what} has {len(text)} characters, at most {MAX_ZONE_BYTES}")
    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)  # it builds text only
    except yaml.YAMLError as error:
        raise InvalidInputError(f"{what} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InvalidInputError(f"{what} is nested too deeply") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise InvalidInputError(f"{what} is not a mapping of keys to values")
    return document


def dump_zone(name: str, records: Iterable[Record]) -> str:
    """A zone file of the records that a name has."""
    import yaml

    nested: dict[str, Any] = {}
    for record in records:
        for head in (ADDRESS, TEXT):
            if record.key.startswith(head):
                part = nested.setdefault(head[:-1], {})
                part[record.key.removeprefix(head)] = record.value
                break
        else:
            nested[record.key] = record.value
    document = {"name": name, "records": nested}
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1_000))


def diff(before: Sequence[Record], after: Sequence[Record]) -> list[Change]:
    """What has to change, deletions first."""
    old, new = ({r.key: r.value for r in side} for side in (before, after))
    changes = [
        Change(key, old.get(key, ""), new.get(key, ""))
        for key in sorted(old.keys() | new.keys())
        if old.get(key, "") != new.get(key, "")
    ]
    return sorted(changes, key=lambda change: bool(change.after))


def _flat(records: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in records.items():
        if isinstance(value, str):
            yield key, value
        elif key in ("addr", "text") and isinstance(value, Mapping):
            for word, item in value.items():
                if not isinstance(item, str):
                    raise InvalidInputError(f"{key}.{word} is not text")
                yield f"{key}.{word}", item
        else:
            raise InvalidInputError(f"record {key} is not text")
