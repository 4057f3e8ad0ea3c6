"""What a merge may be published under."""

import pytest

from joynet_sdk.fusion.compatibility.licences import TABLE, find, judge


def outcome(*ids: str | None):
    """(resulting licence, codes of the findings)."""
    verdict, findings = judge([(f"m{i}", each) for i, each in enumerate(ids)])
    return verdict.license, {finding.code for finding in findings}


@pytest.mark.parametrize(
    ("ids", "result"),
    [
        (("MIT", "Apache-2.0"), "Apache-2.0"),
        (("mit", "mit"), "MIT"),
        (("CC0-1.0", "CC0-1.0"), "CC0-1.0"),
        (("apache-2.0", "cc-by-sa-4.0"), "CC-BY-SA-4.0"),
        (("MPL-2.0", "Apache-2.0"), "MPL-2.0"),
        (("GPL-3.0", "AGPL-3.0"), "AGPL-3.0-only"),
        (("GPL-2.0-or-later", "GPL-3.0-only"), "GPL-3.0-only"),
        (("CC-BY-SA-4.0", "GPL-3.0-only"), "GPL-3.0-only"),
        (("LGPL-3.0-only", "CC-BY-SA-4.0"), "GPL-3.0-only"),
        (("MPL-2.0", "GPL-2.0-only"), "GPL-2.0-only"),
        (("LGPL-2.1-or-later", "GPL-2.0-only"), "GPL-2.0-only"),
        (("LGPL-2.1-or-later", "MIT"), "LGPL-2.1-or-later"),
        (("LGPL-2.1", "MPL-2.0"), "LGPL-2.1-only"),
        (("LGPL-2.1-only", "LGPL-3.0-only"), "GPL-3.0-only"),
        (("GPL-2.0-or-later", "GPL-2.0-only"), "GPL-2.0-only"),
        (("llama3", "apache-2.0"), "llama3"),
        (("llama3", "llama3.1"), "llama3.1"),
        (("openrail++", "MIT"), "OpenRAIL++"),
        (("MIT OR GPL-2.0-only", "Apache-2.0"), "Apache-2.0"),
        (("MIT AND GPL-3.0-only", "Apache-2.0"), "GPL-3.0-only"),
    ],
)
def test_licences_that_meet(ids, result):
    assert outcome(*ids) == (result, set())
    assert outcome(*reversed(ids)) == (result, set())


@pytest.mark.parametrize(
    "ids",
    [
        ("GPL-3.0-only", "CC-BY-NC-4.0"),
        ("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"),
        ("GPL-2.0-only", "GPL-3.0-only"),
        ("GPL-2.0-only", "Apache-2.0"),
        ("AGPL-3.0", "llama2"),
        ("GPL-3.0", "OpenRAIL"),
        ("llama3", "gemma"),
        ("ODbL-1.0", "CC-BY-SA-4.0"),
        ("cc-by-nc-sa-4.0", "bigscience-bloom-rail-1.0"),
    ],
)
def test_licences_that_clash(ids):
    for each in (ids, tuple(reversed(ids))):
        result, codes = outcome(*each)
        assert result is None
        assert "licence_conflict" in codes


def test_no_derivatives_is_refused_with_the_fix():
    verdict, findings = judge([("a", "mit"), ("b", "cc-by-nd-4.0")])
    assert verdict.license is None
    assert findings[0].severity == "error"
    assert findings[0].message == "b is under CC-BY-ND-4.0, which allows no changed copies"
    assert "leave b out" in findings[0].fix


def test_non_commercial_parents_make_a_merge_that_is_not_sold():
    verdict, findings = judge([("a", "mit"), ("b", "cc-by-nc-4.0")])
    assert (verdict.license, verdict.may_be_sold) == ("CC-BY-NC-4.0", False)
    assert [finding.severity for finding in findings] == ["warning"]
    assert "price 0" in findings[0].fix
    assert outcome("cc-by-nc-4.0", "cc-by-nc-sa-4.0")[0] == "CC-BY-NC-SA-4.0"


@pytest.mark.parametrize("unknown", [None, "other", "LicenseRef-mine", "MIT AND mine", ""])
def test_unknown_licences_are_a_warning_and_give_nothing(unknown):
    verdict, findings = judge([("a", "mit"), ("b", unknown)])
    assert (verdict.license, verdict.may_be_sold) == (None, False)
    assert [(each.code, each.severity) for each in findings] == [("licence_unknown", "warning")]


def test_what_must_be_kept_names_the_parent():
    verdict, _ = judge([("a", "apache-2.0"), ("b", "llama3.1")])
    assert "Apache-2.0 (a): say that the weights were changed" in verdict.keep
    assert any("Built with Llama" in line and "(b)" in line for line in verdict.keep)


@pytest.mark.parametrize("licence", TABLE.values(), ids=TABLE)
def test_the_table_is_sound(licence):
    assert find(licence.id) == (licence,)
    assert all(name.lower() in TABLE for name in licence.upgrades | licence.clashes)
    result, codes = outcome(licence.id, licence.id)
    assert result == (licence.id if licence.allows_derivatives else None)
    assert "licence_conflict" not in codes
