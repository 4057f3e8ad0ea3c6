"""Reports: canonical, signed, refused when anything about them is wrong."""

import hashlib
import json

import numpy as np
import pytest
from eth_utils import keccak

from joynet_sdk.chain.accounts import Account
from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.evaluation import comparison, report
from joynet_sdk.evaluation.metrics import Outcomes, value_of
from joynet_sdk.evaluation.report import EvalReport, decimal_text, decode_report_file, sign
from joynet_sdk.formats import canonical_json

ALICE = Account.from_key(b"\x01" * 32)
BOB = Account.from_key(b"\x02" * 32)
HASH = "0x" + "11" * 32


def make(predicted=(0, 1, 1), *, kind="classify", expected=(0, 1, 0), evaluator=ALICE, **changed):
    """A small report; `changed` replaces values inside task, model or settings by key."""
    found = Outcomes(kind, np.array(expected, float), np.array(predicted, float))
    metric = {
        "name": report_name(kind), "value": decimal_text(value_of(found)), "stderr": "0.1",
        "low": "0.3", "high": "0.7",
        "items": len(expected), "method": "binomial",
    }  # fmt: skip
    parts = {
        "task": {
            "name": "t", "kind": kind, "split": "all", "source": "here", "seed": 0, "limit": None,
            "items": len(expected), "labels": ["a", "b"], "data": HASH,
        },
        "model": {
            "ref": "m", "model_id": None, "digest": HASH, "files": [], "profile": "p",
            "dtype": "float32", "is_remote": False,
        },
        "settings": {"seed": 0, "batch_size": 1, "dtype": "profile"},
    }  # fmt: skip
    for part in parts.values():
        part.update({key: value for key, value in changed.items() if key in part})
    return EvalReport.model_validate(
        {
            "evaluator": evaluator.address if evaluator else None,
            **parts,
            "metrics": [metric],
            "classes": [],
            "outcomes": {
                "expected": [decimal_text(x) for x in expected],
                "predicted": [decimal_text(x) for x in predicted],
            },
            "work": {"answers": 3, "from_cache": 0, "paid": "0", "seconds": "0.1"},
            "machine": "a machine",
            "versions": {"python": "3.11"},
            "time": 1_700_000_000,
        }
    )


def report_name(kind):
    return {"classify": "accuracy", "regress": "mse", "perplexity": "perplexity"}[kind]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1 / 3, "0.333333333"),
        (5.0, "5"),
        (-0.0, "0"),
        (1e-7, "0.0000001"),
        (1.5e12, "1500000000000"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_are_plain_decimals(value, text):
    assert decimal_text(value) == text


def test_nan_is_no_number():
    with pytest.raises(VerificationError, match="NaN"):
        decimal_text(float("nan"))


def test_a_signed_report_verifies_and_reads_back():
    file = sign(make(), ALICE)
    again = decode_report_file(file.encode())
    assert again == file
    again.verify()


def test_the_signature_is_over_the_struct_of_the_specification():
    """EIP-712 worked out by hand, from docs/spec/eval-report.md."""
    made = make()
    digest = hashlib.sha256(canonical_json(made.model_dump())).digest()
    domain = keccak(b"EIP712Domain(string name,string version)") + keccak(b"JoyNet") + keccak(b"1")
    struct = b"EvalReport(uint256 version,address evaluator,bytes32 model,bytes32 data,"
    values = keccak(struct + b"bytes32 report,uint256 time)") + (1).to_bytes(32, "big")
    values += bytes.fromhex(ALICE.address[2:]).rjust(32, b"\0")
    values += b"\x11" * 32 + b"\x11" * 32 + digest + (1_700_000_000).to_bytes(32, "big")
    wanted = keccak(b"\x19\x01" + keccak(domain) + keccak(values))
    assert sign(made, ALICE).signature == ALICE.sign_digest(wanted)


def test_nobody_signs_for_another():
    with pytest.raises(InvalidInputError, match="not the signer"):
        sign(make(), BOB)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("metrics", 0, "value"), "0.9"),
        (("outcomes", "predicted", 2), "0"),
        (("model", "digest"), "0x" + "22" * 32),
        (("time",), 1_700_000_001),
        (("evaluator",), BOB.address),
    ],
)
def test_a_changed_report_does_not_verify(path, value):
    document = json.loads(sign(make(), ALICE).encode())
    part = document["report"]
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    changed = decode_report_file(canonical_json(document))
    with pytest.raises(VerificationError, match=r"signed by|no key"):
        changed.verify()


def test_a_signed_report_that_contradicts_itself_does_not_verify():
    document = make().model_dump()
    document["metrics"][0]["value"] = "0.9"
    file = sign(EvalReport.model_validate(document), ALICE)
    with pytest.raises(VerificationError, match="stated as 0.9, the outcomes give 0.666667"):
        file.verify()


def test_an_unsigned_report_reads_but_does_not_verify():
    file = decode_report_file(report.ReportFile(make(evaluator=None), None).encode())
    with pytest.raises(VerificationError, match="not signed"):
        file.verify()


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (("metrics", 0, "value"), "1e3", "without exponent"),
        (("metrics", 0, "value"), 0.5, "valid string|cannot hold"),
        (("outcomes", "predicted", 0), "inf", "outcomes.predicted.0"),
        (("task", "items"), 4, "items and outcomes"),
        (("task", "kind"), "guess", "task.kind"),
        (("task", "data"), "0x12", "64 lower-case hex"),
        (("model", "digest"), None, "neither an id nor a digest"),
        (("evaluator",), ALICE.address.lower(), "not EIP-55"),
        (("extra",), 1, "extra"),
    ],
)
def test_a_malformed_report_is_refused(path, value, match):
    document = json.loads(sign(make(), ALICE).encode())
    part = document["report"]
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    with pytest.raises(VerificationError, match=match):
        decode_report_file(data)


def test_other_bytes_are_refused():
    good = sign(make(), ALICE).encode()
    for data in (good + b"\n", b"[]", b"{}", b"\xff", good.replace(b'"m"', b' "m"', 1)):
        with pytest.raises(VerificationError):
            decode_report_file(data)
    with pytest.raises(VerificationError, match="at most 16 MiB"):
        decode_report_file(bytes(16 * 1024 * 1024 + 1))


# --- comparing


def test_a_clear_difference_is_named():
    expected = [0.0] * 40
    first = make([1.0] * 20 + [0.0] * 20, expected=expected, ref="parent")
    second = make([0.0] * 40, expected=expected, ref="child")
    [found] = comparison.compare([first, second])
    assert (found.verdict, found.test) == ("better", "McNemar, exact")
    assert (found.difference, found.value, found.reference) == (0.5, 1.0, 0.5)
    assert found.p == pytest.approx(2 * 0.5**20)
    assert found.stderr == pytest.approx((0.25 / 40) ** 0.5)
    [back] = comparison.compare([second, first])
    assert back.verdict == "worse"


def test_a_difference_within_the_error_is_said_so():
    expected = [0.0] * 40
    first = make([1.0] * 3 + [0.0] * 37, expected=expected)
    second = make([0.0] * 40, expected=expected)
    [found] = comparison.compare([first, second])
    assert (found.verdict, found.p) == ("within the error", pytest.approx(0.25))


def test_losses_compare_the_other_way_round():
    rng = np.random.default_rng(0)
    expected = rng.normal(size=60)
    good, bad = expected + rng.normal(size=60) * 0.1, expected + rng.normal(size=60)
    first = make(bad, kind="regress", expected=expected)
    second = make(good, kind="regress", expected=expected)
    [found] = comparison.compare([first, second])
    assert (found.verdict, found.test) == ("better", "paired bootstrap")
    assert found.difference < found.high < 0
    assert comparison.compare([first, second]) == [found]
    [same] = comparison.compare([first, first])
    assert (same.verdict, same.difference, same.p) == ("within the error", 0, 1)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"data": "0x" + "22" * 32}, "task.data 0x1111.* and 0x2222"),
        ({"seed": 1}, "task.seed 0 and 1; settings.seed 0 and 1"),
        ({"batch_size": 8}, "settings.batch_size 1 and 8"),
        ({"dtype": "bfloat16"}, "settings.dtype profile and bfloat16"),
        ({"limit": 3}, "task.limit None and 3"),
    ],
)
def test_other_data_or_settings_are_not_compared(changed, match):
    with pytest.raises(InvalidInputError, match=match):
        comparison.compare([make(), make(**changed)])


def test_one_report_is_not_enough():
    with pytest.raises(InvalidInputError, match="1 report, expected two"):
        comparison.compare([make()])
