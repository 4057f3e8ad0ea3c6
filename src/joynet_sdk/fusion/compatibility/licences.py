"""What a merge of models under these licences may be published under, and what it must keep.

A merge copies from every parent, so it is an adaptation of each. Sources: the licence texts; the
Creative Commons compatibility chart (https://creativecommons.org/share-your-work/licensing-
considerations/compatible-licenses/); the FSF's list (https://www.gnu.org/licenses/license-list).
This is a table of facts about texts, not legal advice.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from joynet_sdk.fusion.compatibility.report import ERROR, WARNING, Finding, LicenceVerdict

ATTRIBUTION = "name the authors and keep their copyright and licence notices"
CHANGES = "say that the weights were changed"
USES = "pass the use restrictions on to everyone who gets the model"


@dataclass(frozen=True, slots=True)
class Licence:
    """What one licence asks of a merge.

    Attributes:
        id: As SPDX or Hugging Face writes it.
        rank: Which of two compatible licences the merge takes: the one of higher rank.
        keep: What the merge must keep or say.
        allows_derivatives: Whether a merge may be given away at all.
        allows_sale: Whether calls of the merge may be sold.
        is_share_alike: Whether the merge must take this licence, or one of `upgrades`.
        restricts: Whether it adds terms of use that share-alike licences do not admit.
        family: Of a vendor's agreement, e.g. "llama"; "" for a general licence.
        upgrades: Licences that a share-alike work may be passed on under as well.
        clashes: Licences whose parts it cannot be combined with.
    """

    id: str
    rank: int
    keep: tuple[str, ...] = ()
    allows_derivatives: bool = True
    allows_sale: bool = True
    is_share_alike: bool = False
    restricts: bool = False
    family: str = ""
    upgrades: frozenset[str] = frozenset()
    clashes: frozenset[str] = frozenset()


def _free(*ids: str) -> list[Licence]:
    return [Licence(each, 0) for each in ids]


def _permissive(rank: int, keep: tuple[str, ...], *ids: str) -> list[Licence]:
    return [Licence(each, rank, keep) for each in ids]


def _share_alike(
    name: str, rank: int, *upgrades: str, clashes: frozenset[str] = frozenset()
) -> Licence:
    keep = (ATTRIBUTION, f"publish the merge under {name}, its recipe included")
    return Licence(
        name, rank, keep, is_share_alike=True, upgrades=frozenset(upgrades), clashes=clashes
    )


def _creative(
    name: str,
    rank: int,
    *,
    shares: bool = False,
    changes: bool = True,
    upgrades: tuple[str, ...] = (),
) -> Licence:
    """One of the Creative Commons licences with NC or ND in its name."""
    return Licence(
        name,
        rank,
        (ATTRIBUTION, CHANGES),
        allows_derivatives=changes,
        allows_sale="-NC" not in name,
        is_share_alike=shares,
        restricts="-NC" in name,
        upgrades=frozenset(upgrades),
    )


def _rail(*ids: str) -> list[Licence]:
    return [Licence(each, 40, (ATTRIBUTION, CHANGES, USES), restricts=True) for each in ids]


def _community(name: str, rank: int, family: str, notice: str) -> Licence:
    keep = (ATTRIBUTION, USES, notice)
    return Licence(name, rank, keep, restricts=True, family=family)


_GPL3 = ("GPL-3.0-only", "GPL-3.0-or-later", "AGPL-3.0-only", "AGPL-3.0-or-later")
_GPL2 = ("GPL-2.0-only", "GPL-2.0-or-later")
_LGPL = ("LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later")
_OLD_APACHE = frozenset({"apache-2.0", "ecl-2.0"})
_LLAMA = "ship the agreement and a Notice file; show 'Built with {}' and begin the name with it"

_ALL = (
    *_free("CC0-1.0", "Unlicense", "0BSD", "MIT-0", "PDDL-1.0", "WTFPL"),
    *_permissive(10, (ATTRIBUTION,), "MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Zlib"),
    *_permissive(10, (ATTRIBUTION,), "BSL-1.0", "NCSA", "PostgreSQL", "CDLA-Permissive-2.0"),
    *_permissive(12, (ATTRIBUTION, CHANGES), "CC-BY-3.0", "CC-BY-4.0", "ODC-By-1.0", "AFL-3.0"),
    *_permissive(
        14, (ATTRIBUTION, CHANGES, "keep the NOTICE file if there is one"), "Apache-2.0", "ECL-2.0"
    ),
    _share_alike("MPL-2.0", 20, *_LGPL, *_GPL2, *_GPL3),  # its section 1.12
    _share_alike("LGPL-3.0-only", 22, "GPL-3.0-only", "AGPL-3.0-only"),
    _share_alike("LGPL-3.0-or-later", 22, "LGPL-3.0-only", *_GPL3),
    # Section 3 of version 2.1: the GPL instead, version 2 or a later one.
    _share_alike("LGPL-2.1-only", 21, *_GPL2, *_GPL3),
    _share_alike("LGPL-2.1-or-later", 21, *_LGPL, *_GPL2, *_GPL3),
    _share_alike("CC-BY-SA-3.0", 23, "CC-BY-SA-4.0"),
    _share_alike("CC-BY-SA-4.0", 24, "GPL-3.0-only"),
    _share_alike("ODbL-1.0", 25),
    _share_alike("GPL-2.0-only", 27, clashes=_OLD_APACHE),
    _share_alike("GPL-2.0-or-later", 26, "GPL-2.0-only", *_GPL3),
    _share_alike("GPL-3.0-or-later", 27, "GPL-3.0-only", "AGPL-3.0-only", "AGPL-3.0-or-later"),
    _share_alike("GPL-3.0-only", 28, "AGPL-3.0-only"),
    _share_alike("AGPL-3.0-or-later", 29, "AGPL-3.0-only"),
    _share_alike("AGPL-3.0-only", 30),
    *_rail("OpenRAIL", "OpenRAIL++", "BigScience-OpenRAIL-M", "CreativeML-OpenRAIL-M"),
    *_rail("BigScience-BLOOM-RAIL-1.0", "BigCode-OpenRAIL-M"),
    _community("llama2", 50, "llama", _LLAMA.format("Llama 2")),
    _community("llama3", 51, "llama", _LLAMA.format("Meta Llama 3")),
    _community("llama3.1", 52, "llama", _LLAMA.format("Llama")),
    _community("llama3.2", 53, "llama", _LLAMA.format("Llama")),
    _community("llama3.3", 54, "llama", _LLAMA.format("Llama")),
    _community("llama4", 55, "llama", _LLAMA.format("Llama")),
    _community("gemma", 50, "gemma", "ship the Gemma terms and its notice"),
    _creative("CC-BY-NC-3.0", 60),
    _creative("CC-BY-NC-4.0", 60),
    _creative("CC-BY-NC-SA-3.0", 61, shares=True, upgrades=("CC-BY-NC-SA-4.0",)),
    _creative("CC-BY-NC-SA-4.0", 62, shares=True),
    _creative("CC-BY-ND-4.0", 70, changes=False),
    _creative("CC-BY-NC-ND-4.0", 71, changes=False),
)
TABLE = {licence.id.lower(): licence for licence in _ALL}
# Spellings of Hugging Face cards and old SPDX ids.
_ALIASES = {
    "gpl-2.0": "gpl-2.0-only",
    "gpl-3.0": "gpl-3.0-only",
    "agpl-3.0": "agpl-3.0-only",
    "lgpl-3.0": "lgpl-3.0-only",
    "lgpl-2.1": "lgpl-2.1-only",
    "bsd": "bsd-3-clause",
    "cc-by-nc-sa": "cc-by-nc-sa-4.0",
    "odbl": "odbl-1.0",
    "cdla-permissive": "cdla-permissive-2.0",
    "bigscience-openrail": "bigscience-openrail-m",
    "gemma-terms": "gemma",
}


def find(text: str) -> tuple[Licence, ...] | None:
    """The licences that an id or a simple SPDX expression stands for.

    `A OR B` is the freer of the two, `A AND B` is both; brackets are not read.

    Returns:
        None when one of them is not in the table.
    """
    if re.search(r"\sAND\s", text):
        parts = [find(part) for part in re.split(r"\s+AND\s+", text)]
        known = [part for part in parts if part is not None]
        return tuple(each for part in known for each in part) if len(known) == len(parts) else None
    choices = [_find_one(part) for part in re.split(r"\s+OR\s+", text)]
    found = [choice for choice in choices if choice is not None]
    return (min(found, key=lambda licence: licence.rank),) if found else None


def _find_one(text: str) -> Licence | None:
    key = text.strip().lower()
    return TABLE.get(_ALIASES.get(key, key))


def judge(parents: Sequence[tuple[str, str | None]]) -> tuple[LicenceVerdict, list[Finding]]:
    """What a merge of these parents may be published under.

    Args:
        parents: Name and licence id of each; None for no licence.
    """
    findings: list[Finding] = []
    known: list[tuple[str, Licence]] = []
    is_unknown = False
    for name, text in parents:
        found = find(text) if text else None
        if found is None:
            is_unknown = True
            findings.append(_unknown(name, text))
        known += [(name, licence) for licence in found or ()]
    findings += _forbidden(known)
    findings += _conflicts(known)
    if any(not licence.allows_sale for _, licence in known):
        findings.append(_unsaleable(known))
    has_error = any(finding.severity == ERROR for finding in findings)
    chosen = _strictest([licence for _, licence in known])
    keep = {f"{licence.id} ({name}): {what}" for name, licence in known for what in licence.keep}
    verdict = LicenceVerdict(
        license=None if has_error or is_unknown or chosen is None else chosen.id,
        may_be_sold=all(licence.allows_sale for _, licence in known) and not is_unknown,
        keep=tuple(sorted(keep)),
    )
    return verdict, findings


def _strictest(licences: Sequence[Licence]) -> Licence | None:
    """The licence that a merge takes; None when there is nothing to choose from."""
    common = _common([licence for licence in licences if licence.is_share_alike])
    if common:  # of equals the one that a parent has
        return min(common, key=lambda each: (each.rank, each not in licences, each.id))
    return max(licences, key=lambda licence: licence.rank, default=None)


def _common(share_alike: Sequence[Licence]) -> list[Licence]:
    """Licences that all of these can be passed on under."""
    names = [{licence.id} | licence.upgrades for licence in share_alike]
    return [TABLE[name.lower()] for name in set.intersection(*names)] if names else []


def _unknown(name: str, text: str | None) -> Finding:
    stated = f"licence {text[:60]!r}, which is not in the table" if text else "no licence"
    return Finding(
        "licence_unknown",
        WARNING,
        f"{name} has {stated}: what a merge may do is not known",
        "read its terms, or ask its publisher; without a licence nothing is allowed",
    )


def _forbidden(known: Sequence[tuple[str, Licence]]) -> Iterator[Finding]:
    for name, licence in known:
        if not licence.allows_derivatives:
            yield Finding(
                "licence_no_derivatives",
                ERROR,
                f"{name} is under {licence.id}, which allows no changed copies",
                f"leave {name} out, or get its owner's permission in writing",
            )


def _unsaleable(known: Sequence[tuple[str, Licence]]) -> Finding:
    names = sorted({f"{name} ({each.id})" for name, each in known if not each.allows_sale})
    return Finding(
        "licence_non_commercial",
        WARNING,
        f"{', '.join(names)} may not be used for money, so the merge may not either",
        "publish it at price 0, or replace that parent",
    )


def _conflicts(known: Sequence[tuple[str, Licence]]) -> Iterator[Finding]:
    for index, (name, mine) in enumerate(known):
        for other, theirs in known[index + 1 :]:
            if reason := _conflict(mine, theirs) or _conflict(theirs, mine):
                yield Finding(
                    "licence_conflict",
                    ERROR,
                    f"{name} is under {mine.id} and {other} under {theirs.id}: {reason}",
                    "replace one of them by a model under a permissive licence, or ask its owner "
                    "for a second licence",
                )
                return


def _conflict(mine: Licence, theirs: Licence) -> str | None:
    """Why the terms of `mine` do not admit parts under `theirs`, or None."""
    if theirs.id.lower() in mine.clashes:
        return f"{mine.id} does not admit the terms of {theirs.id}"
    if mine.family and theirs.family and mine.family != theirs.family:
        return "each agreement wants its own name and terms on the whole, and no other"
    if not mine.is_share_alike or mine.id == theirs.id:
        return None
    if theirs.is_share_alike:
        return None if _common([mine, theirs]) else "both want the merge under themselves"
    if theirs.restricts and not (mine.restricts and not theirs.family and not theirs.allows_sale):
        return f"{mine.id} admits no further terms of use, {theirs.id} adds some"
    return None
