"""Descriptors: one form of bytes for each circuit, and none for a malformed one."""

import random
from dataclasses import replace

import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import (
    MAX_VALUES,
    Block,
    Circuit,
    Claim,
    Clamp,
    Define,
    Group,
    Index,
    Io,
    IoShape,
    Less,
    Output,
    Squash,
    Sum,
    Table,
    Term,
    Tokens,
    Wire,
    Zero,
    bits,
    r,
    rho,
)
from joynet_sdk.proofs.codec import HEADER_BYTES, RECORD_BYTES, decode, encode
from joynet_sdk.proofs.compiler.compile import compile_model
from joynet_sdk.proofs.rules import check

from .small_models import small_models

MODELS = small_models()


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return compile_model(MODELS["gemm"]).circuit


@pytest.mark.parametrize("name", MODELS)
def test_a_descriptor_decodes_to_its_circuit(name: str) -> None:
    compiled = compile_model(MODELS[name])
    assert decode(compiled.descriptor) == compiled.circuit
    assert encode(decode(compiled.descriptor)) == compiled.descriptor
    check(decode(compiled.descriptor))


@pytest.mark.parametrize("name", ["gemm", "pools", "tokens"])
def test_changed_bytes_are_another_circuit_or_none(name: str) -> None:
    blob = compile_model(MODELS[name]).descriptor
    draw = random.Random(5)
    for _ in range(400):
        changed = bytearray(blob)
        changed[draw.randrange(len(blob))] ^= 1 << draw.randrange(8)
        try:
            found = decode(bytes(changed))
            check(found)
        except InvalidInputError:
            continue
        assert encode(found) == bytes(changed)


def test_bytes_of_no_descriptor_are_refused(circuit: Circuit) -> None:
    blob = encode(circuit)
    draw = random.Random(6)
    hostile = [
        b"",
        blob[:-1],
        blob[:HEADER_BYTES],
        blob + bytes(RECORD_BYTES),
        blob[:-RECORD_BYTES],
        blob * 20,
        b"\x02" + blob[1:],
        blob[:28] + b"\1" + blob[29:],
        bytes(len(blob)),
        b"\xff" * 64,
    ]
    hostile += [blob[:HEADER_BYTES] + draw.randbytes(len(blob) - HEADER_BYTES) for _ in range(50)]
    for raw in hostile:
        with pytest.raises(InvalidInputError):
            check(decode(raw))


def test_a_block_over_more_than_its_range_is_refused(circuit: Circuit) -> None:
    with pytest.raises(InvalidInputError):
        check(with_value(circuit, Block(r(0, 2), 4)))


MALFORMED = {
    "a range past n1": Block(r(12, 1), 0),
    "a range past rho": Block(rho(12, 1), 0),
    "bits that are no bits": Less(bits(2), 1),
    "a bound past its range": Less(r(0, 3), 9),
    "a narrow clamp": Clamp(r(0, 8), Squash.CLAMP),
    "a recipe that is missing": Claim(Group.A, 99, 0),
    "a slot past the polynomial": Claim(Group.A, 0, 1 << 14),
    "an input that is not committed": Claim(Group.X, 0, 0),
    "an output that is not committed": Claim(Group.Y, 0, 0),
    "an output read at too many variables": Output(1),
    "tokens of an int8 input": Tokens(r(0, 3), r(3, 3)),
    "an index past its target": Index(r(0, 1), r(1, 1), (2,)),
    "more indices than positions": Index(r(0, 1), r(1, 1), (0, 0, 0)),
    "a stride of zero": Wire(r(0, 1), r(1, 1), r(2, 2), 0, 0, 1, 1, 1),
    "a wire past its range": Wire(r(0, 1), r(1, 1), r(2, 2), 1, 0, 3, 1, 1),
    "a wire at a missing k": Wire(r(0, 1), bits(1, 0), r(2, 2), 1, 0, 1, 1, 1),
    "an operand that comes later": Define((Term(1, 400),)),
}


def with_value(circuit: Circuit, value: object) -> Circuit:
    return replace(circuit, after=(*circuit.after, value))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_value_is_refused(circuit: Circuit, name: str) -> None:
    with pytest.raises(InvalidInputError, match="malformed circuit"):
        check(with_value(circuit, MALFORMED[name]))


def test_malformed_circuits_are_refused(circuit: Circuit) -> None:
    first, last = circuit.instances[0], circuit.instances[-1]
    assert isinstance(first, Sum)
    assert isinstance(last, Table)
    values = circuit.before + circuit.after
    for broken in (
        replace(circuit, rounds=25),
        replace(circuit, variables=3),
        replace(circuit, rho=0),
        replace(circuit, instances=()),
        replace(circuit, instances=circuit.instances[::-1]),
        replace(circuit, instances=(*circuit.instances, Zero(13, (Term(1),)))),
        replace(circuit, instances=(*circuit.instances, Zero(1, (Term(1, 4, 4, 4),)))),
        replace(circuit, instances=(*circuit.instances[:-1], replace(last, m=500))),
        replace(circuit, before=(*circuit.before, Block(r(0, 1), 0))),
        replace(circuit, after=circuit.after + (Define(()),) * MAX_VALUES),
        replace(circuit, input=IoShape(Io.PACKED, (3, 100))),
        replace(circuit, input=IoShape(Io.PACKED, (0,))),
        replace(circuit, input=IoShape(Io.TOKENS, (3,))),
        replace(circuit, output=IoShape(Io.TOKENS, (3,))),
        replace(circuit, input=IoShape(Io.COMMITTED, (1 << 14,))),
        without_output(circuit),
    ):
        with pytest.raises(InvalidInputError, match="malformed circuit"):
            check(broken)
    assert len(values) < MAX_VALUES


def without_output(circuit: Circuit) -> Circuit:
    """The circuit whose relation for the output was taken out."""
    index = 4 + next(i for i, v in enumerate(circuit.before) if isinstance(v, Output))
    kept = [
        each
        for each in circuit.instances
        if not (isinstance(each, Sum) and any(term.a == index for term in each.start))
    ]
    assert len(kept) == len(circuit.instances) - 1
    return replace(circuit, instances=tuple(kept))
