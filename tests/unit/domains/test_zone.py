"""Zone files and their differences."""

import pytest

from joynet_sdk.domains.records import Record
from joynet_sdk.domains.zone import MAX_ZONE_BYTES, diff, dump_zone, parse_zone
from joynet_sdk.errors import InvalidInputError

ALICE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def test_a_zone_round_trips():
    records = (
        Record("addr.eth", ALICE),
        Record("addr.evm:10", ALICE),
        Record("text.url", "https://example.org: yes # no"),
        Record("text.a.b", "é\n\tx"),
        Record("payto", ALICE),
    )
    zone = parse_zone(dump_zone("alice.joy", records))
    assert (zone.name, zone.records) == ("alice.joy", records)


def test_scalars_stay_text():
    """YAML 1.1 would make a number of the address and a boolean of the word."""
    zone = parse_zone(f"records: {{address: {ALICE.lower()}, answer: no, n: 0x10, t: 12:30:00}}")
    assert {r.key: r.value for r in zone.records} == {
        "addr.eth": ALICE,
        "text.answer": "no",
        "text.n": "0x10",
        "text.t": "12:30:00",
    }


def test_differences_are_readable_deletions_first():
    before = [Record("text.a", "1"), Record("text.b", "2"), Record("text.c", "3")]
    after = [Record("text.b", "2"), Record("text.c", "4"), Record("text.d", "5")]
    assert [str(change) for change in diff(before, after)] == [
        "- text.a = 1",
        "~ text.c = 3 -> 4",
        "+ text.d = 5",
    ]
    assert diff(after, after) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "records:",
        "records: {}\nmore: 1",
        "? [a]\n: b",
        "!!python/object/apply:os.system [x]",
        "records: {url: *x}",
        "[" * 5_000,
        "a" * (MAX_ZONE_BYTES + 1),
    ],
)
def test_other_files_are_refused(text):
    with pytest.raises(InvalidInputError):
        parse_zone(text)
