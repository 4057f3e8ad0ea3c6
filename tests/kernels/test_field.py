"""Fr and Fq: host conversions, every multiply path and the lanes against Python integers."""

import random
import re

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.proofs import field, selftest
from joynet_sdk.proofs.comparison import expect_equal
from joynet_sdk.proofs.field import FQ, FR
from joynet_sdk.proofs.programs import source_of


@pytest.mark.parametrize("path", selftest.FIELD_PATHS)
def test_each_multiply_path_agrees_with_integers(runtime, path):
    selftest.check_field(runtime, path)


@pytest.mark.parametrize("bits", [None, 29], ids=["device's choice", "29"])
def test_lanes_agree_with_integers(runtime, bits):
    """With AVX-512 IFMA the choice is 52-bit limbs."""
    selftest.check_lanes(runtime, bits)


def test_a_wrong_device_is_found_out():
    with pytest.raises(VerificationError, match="element 1 is 0x5, expected 0x4"):
        expect_equal("fr_mul", [1, 5], [1, 4])


# --- the NVIDIA path: its PTX, run by a small interpreter


def ptx_mul_add_row(t: list[int], a: list[int], b: int) -> list[int]:
    """t[0..8] + a[0..7] * b by the instructions of bn254_field.cl."""
    text = source_of(("bn254_field",))
    block = text[text.index("asm(") : text.index(': "+r"(t[0])')]
    registers = [*t, *a, b]
    carry = 0
    for line in re.findall(r'"(\w[^"]*);\\n', block):
        name, operands = line.split(" ", 1)
        values = [x.strip() for x in operands.split(",")]
        source = [registers[int(x[1:])] if x[0] == "%" else int(x) for x in values[1:]]
        if name.startswith("mad"):
            product = source[0] * source[1]
            part = product >> 32 if ".hi" in name else product & 0xFFFFFFFF
            result = part + source[2]
        else:
            result = source[0] + source[1]
        result += carry if name.startswith(("madc", "addc")) else 0
        carry = result >> 32 if ".cc" in name else 0
        registers[int(values[0][1:])] = result & 0xFFFFFFFF
    return registers[:9]


@pytest.mark.parametrize("seed", range(20))
def test_ptx_row_is_a_multiplication(seed):
    rng = random.Random(seed)
    words = [0, 1, 0xFFFFFFFF, 0x80000000, rng.getrandbits(32), rng.getrandbits(32)]
    a = [rng.choice(words) for _ in range(8)]
    b = rng.choice(words)
    t = [rng.choice(words) for _ in range(8)] + [0]
    join = lambda limbs: sum(limb << 32 * i for i, limb in enumerate(limbs))  # noqa: E731
    assert join(ptx_mul_add_row(t, a, b)) == join(t) + join(a) * b


# --- host


@pytest.mark.parametrize("modulus", [FR, FQ])
def test_limbs_there_and_back(modulus):
    values = [value % (1 << 256) for value in selftest.edge_values(modulus)]
    limbs = field.to_limbs(values)
    assert limbs.shape == (len(values), 4)
    assert field.from_limbs(limbs) == values
    assert field.to_limbs([]).shape == (0, 4)


@pytest.mark.parametrize("value", [-1, 1 << 256])
def test_values_that_are_no_limbs(value):
    with pytest.raises(InvalidInputError, match=r"outside \[0, 2\^256\)"):
        field.to_limbs([value])


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 4)])
def test_arrays_that_are_no_limbs(shape):
    with pytest.raises(InvalidInputError, match=r"expected \(n, 4\) uint64"):
        field.from_limbs(np.zeros(shape, np.int64))


def test_limbs_of_small_integers():
    values = np.array([0, 1, -1, 2**63 - 1, -(2**63), 5, -7, FR & (2**62 - 1)])
    expected = [int(value) % FR for value in values]
    assert field.from_limbs(field.limbs_of_small(values)) == expected
    assert field.from_limbs(field.limbs_of_small(values, FQ)) == [int(v) % FQ for v in values]


def test_batch_inverse_keeps_zeros():
    values = [0, 1, FR - 1, 7, 0, FR // 2]
    expected = [pow(value, -1, FR) if value else 0 for value in values]
    assert field.batch_inverse(values) == expected
    assert field.batch_inverse([]) == []


@pytest.mark.parametrize("modulus", [FR, FQ])
def test_montgomery_form(modulus):
    assert field.to_montgomery(1, modulus) == (1 << 256) % modulus
    assert field.from_montgomery(field.to_montgomery(modulus - 1, modulus), modulus) == modulus - 1
