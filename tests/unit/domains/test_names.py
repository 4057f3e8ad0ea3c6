"""Nodes (EIP-137), wire form (ENSIP-10), normal forms and warnings."""

import pytest

from joynet_sdk.chain.ens_names import normalise, warnings
from joynet_sdk.domains.names import dns_encode, namehash, parents, subnode
from joynet_sdk.errors import InvalidInputError


@pytest.mark.parametrize(
    ("name", "node"),
    [  # the examples of EIP-137
        ("", "00" * 32),
        ("eth", "93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae"),
        ("foo.eth", "de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f"),
    ],
)
def test_namehash(name, node):
    assert namehash(name).hex() == node


def test_nodes_wire_form_and_parents():
    assert subnode(namehash("eth"), "foo") == namehash("foo.eth")
    assert dns_encode("pay.alice.joy") == b"\x03pay\x05alice\x03joy\0"
    assert parents("pay.alice.joy") == ["pay.alice.joy", "alice.joy", "joy"]
    with pytest.raises(InvalidInputError, match="64 bytes"):
        dns_encode("a" * 64 + ".joy")


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("alice.joy", "alice.joy"),
        ("ALICE.Joy", "alice.joy"),
        ("caf\u0065\u0301.joy", "café.joy"),
        ("al\u00adice.joy", "alice.joy"),
        ("RaFFY🚴\u200d♂️.joy", "raffy🚴\u200d♂.joy"),
        ("1️⃣.joy", "1⃣.joy"),
        ("_x.joy", "_x.joy"),
        ("", ""),
    ],
)
def test_normal_form(name, normal):
    assert normalise(name) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("al ice.joy", "U+0020"),
        ("x_y.joy", '"_" only at the start'),
        ("xn--a.joy", '"--"'),
        ("a..joy", "empty label"),
        ("\u00ad.joy", "empty label"),
        ("\u200dx.joy", "U+200D"),
        ("\u0440\u0430\u0443\u0440\u0430l.joy", "mixed scripts: Cyrillic"),
        ("\u0430\u0440\u0440\u04cf\u0435.joy", "looks the same in Cyrillic and Latin"),
        ("\u0301a.joy", "nothing to stand on"),
        ("a\u2019\u2019b.joy", "only between other characters"),
        ("\U0001f471\ufe0f\U0001f3fb.joy", "U+1F3FB"),  # U+FE0F where no emoji has it
        ("\u05d0\u05b0\u05b1\u05b2\u05b3\u05b4.joy", "more than 4 combining marks"),
        ("\u0e01\u0e49\u0e49.joy", "twice on one character"),
        ("\udc80.joy", "not allowed"),
    ],
)
def test_forbidden_names_say_which_rule(name, says):
    with pytest.raises(InvalidInputError, match="cannot be normalised") as caught:
        normalise(name)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("alice.joy", []),
        ("bob2.joy", []),
        ("Alice.joy", ["'Alice.joy' is written 'alice.joy'"]),
        ("al\u200bice.joy", ["not seen (U+200B)"]),
        ("👨\u200d👩\u200d👧.joy", ["a name without them looks the same"]),
        ("paypa1.joy", ["easily taken for 'paypal': '1' looks like 'l'"]),
        ("café.joy", ["accents or other marks"]),
        ("日本.joy", ["written in Han characters"]),
        ("ξένος.joy", ["is Greek; characters of other scripts look like its", "accents"]),
    ],
)
def test_what_a_buyer_is_told(name, says):
    found = warnings(name)
    assert len(found) == len(says), found
    for text, part in zip(found, says, strict=True):
        assert part in text
