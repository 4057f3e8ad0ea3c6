"""The bytes of a descriptor: a header and fixed records. Normative text: docs/spec/proof.md."""

import struct
from collections.abc import Iterator
from typing import Any

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import (
    NO_RANGE,
    VERSION,
    Block,
    Circuit,
    Claim,
    Clamp,
    Define,
    Eq,
    Group,
    Index,
    Input,
    Instance,
    Io,
    IoShape,
    Less,
    Lookup,
    Output,
    Ramp,
    Range,
    Recipe,
    Squash,
    Sum,
    Table,
    Term,
    Tokens,
    Value,
    Wire,
    Zero,
)

HEADER_BYTES = 32
RECORD_BYTES = 16
MAX_DESCRIPTOR_BYTES = 11_296  # 704 records: what CircuitLibrary can store as code
RECIPE, DATA, START = 0x01, 0x1B, 0x20
RANGES = 5  # in a recipe
HEADER = ">4B5HB3HB3H"


def encode(circuit: Circuit) -> bytes:
    """The descriptor's bytes."""
    recipes = [
        bytes([RECIPE, sum(each.count for each in recipe)])
        + b"".join(struct.pack(">H", (*recipe, *[NO_RANGE] * 5)[i].word()) for i in range(5))
        for recipe in circuit.recipes
    ]
    before = [record for value in circuit.before for record in _encode_value(value)]
    for each in circuit.sums:
        before += [struct.pack(">BH", START, len(each.start)), *map(_encode_term, each.start)]
    after = [record for value in circuit.after for record in _encode_value(value)]
    after += [record for each in circuit.instances for record in _encode_instance(each)]
    header = struct.pack(
        ">4B5HB3HB3H",
        circuit.version,
        circuit.rounds,
        circuit.variables,
        circuit.rho,
        len(recipes),
        len(before),
        len(after),
        circuit.claims_before,
        circuit.claims_after,
        circuit.input.kind,
        *circuit.input.sizes,
        circuit.output.kind,
        *circuit.output.sizes,
    )
    records = b"".join(record.ljust(RECORD_BYTES, b"\0") for record in recipes + before + after)
    blob = header.ljust(HEADER_BYTES, b"\0") + records
    if len(blob) > MAX_DESCRIPTOR_BYTES:
        raise InvalidInputError(
            f"the circuit's descriptor has {len(blob)} bytes, expected <= {MAX_DESCRIPTOR_BYTES}",
            hint="the model has too many layers for one proof",
        )
    return blob


def _encode_term(term: Term) -> bytes:
    return struct.pack(">Bq3H", Term.OP, term.coefficient, term.a, term.b, term.c)


def _encode_value(value: Value) -> list[bytes]:
    op = value.OP
    match value:
        case Claim():
            return [struct.pack(">BBHI", op, value.group, value.recipe, value.slot)]
        case Eq():
            return [struct.pack(">BHH", op, value.a.word(), value.b.word())]
        case Block():
            return [struct.pack(">BHI", op, value.range.word(), value.bits)]
        case Less():
            return [struct.pack(">BHI", op, value.range.word(), value.bound)]
        case Ramp():
            return [struct.pack(">BHq", op, value.range.word(), value.offset)]
        case Clamp():
            return [struct.pack(">BHB", op, value.range.word(), value.kind)]
        case Wire():
            ranges = (value.p.word(), value.k.word(), value.q.word())
            sizes = (value.size_p, value.size_k, value.size_q)
            return [struct.pack(">B3H2B3H", op, *ranges, value.stride, value.pad, *sizes)]
        case Input() | Output():
            return [struct.pack(">BH", op, value.recipe)]
        case Tokens():
            return [struct.pack(">BHH", op, value.position.word(), value.vocabulary.word())]
        case Index():
            count = len(value.indices)
            head = struct.pack(">B3H", op, value.position.word(), value.target.word(), count)
            parts = [value.indices[i : i + 7] for i in range(0, count, 7)]
            return [head, *(struct.pack(f">B{len(part)}H", DATA, *part) for part in parts)]
        case Define():
            return [struct.pack(">BH", op, len(value.terms)), *map(_encode_term, value.terms)]


def _encode_instance(each: Instance) -> list[bytes]:
    match each:
        case Sum() | Zero():
            head = struct.pack(">BBH", each.OP, each.variables, len(each.terms))
            return [head, *map(_encode_term, each.terms)]
        case Lookup():
            return [struct.pack(">BB4H", each.OP, each.variables, each.h, each.v, each.y, each.id)]
        case Table():
            operands = (each.h, each.v, each.y, each.id, each.m)
            return [struct.pack(">BB5H", each.OP, each.variables, *operands)]


def decode(blob: bytes) -> Circuit:
    """Read a descriptor; only canonical bytes are one.

    Raises:
        InvalidInputError: Not the bytes that `encode` gives for any circuit.
    """
    if not HEADER_BYTES <= len(blob) <= MAX_DESCRIPTOR_BYTES or len(blob) % RECORD_BYTES:
        raise InvalidInputError(
            f"a descriptor has {len(blob)} bytes, expected {HEADER_BYTES} to "
            f"{MAX_DESCRIPTOR_BYTES}, a multiple of {RECORD_BYTES}"
        )
    version, n1, n2, rho, *rest = struct.unpack_from(HEADER, blob)
    recipes, before, after, _, _, input_kind, *rest = rest
    if version != VERSION:
        raise InvalidInputError(f"descriptor of version {version}, expected {VERSION}")
    records = [blob[i : i + RECORD_BYTES] for i in range(HEADER_BYTES, len(blob), RECORD_BYTES)]
    if recipes + before + after != len(records):
        raise InvalidInputError(
            f"descriptor with {len(records)} records, its header says {recipes + before + after}"
        )
    try:
        first = iter(records[recipes : recipes + before])
        second = iter(records[recipes + before :])
        values, starts = _decode_before(first)
        values_after, instances = _decode_after(second, starts)
        circuit = Circuit(
            n1,
            n2,
            rho,
            IoShape(Io(input_kind), _dims(rest[:3])),
            IoShape(Io(rest[3]), _dims(rest[4:])),
            tuple(_decode_recipe(record) for record in records[:recipes]),
            values,
            values_after,
            instances,
        )
        canonical = encode(circuit)
    except (ValueError, KeyError, StopIteration, RuntimeError, struct.error) as error:
        raise InvalidInputError(f"not a descriptor: {error!r:.80}") from None
    if canonical != blob:
        raise InvalidInputError("a descriptor is not canonical: padding or counts differ")
    return circuit


def _dims(sizes: list[int]) -> tuple[int, ...]:
    lead = 0
    while lead < 2 and sizes[lead] == 1:
        lead += 1
    return tuple(sizes[lead:])


def _decode_recipe(record: bytes) -> Recipe:
    if record[0] != RECIPE:
        raise ValueError(f"record {record[0]:#x} among the recipes")
    ranges = [Range.of(word) for word in struct.unpack_from(">5H", record, 2)]
    while ranges and ranges[-1] == NO_RANGE:
        ranges.pop()
    return tuple(ranges)


def _decode_before(records: Iterator[bytes]) -> tuple[tuple[Value, ...], list[tuple[Term, ...]]]:
    values: list[Value] = []
    starts: list[tuple[Term, ...]] = []
    for record in records:
        if record[0] == START:
            starts.append(_decode_terms(struct.unpack_from(">H", record, 1)[0], records))
        elif starts:
            raise ValueError("a value after the first START")
        else:
            values.append(_decode_value(record, records))
    return tuple(values), starts


def _decode_after(
    records: Iterator[bytes], starts: list[tuple[Term, ...]]
) -> tuple[tuple[Value, ...], tuple[Instance, ...]]:
    values: list[Value] = []
    instances: list[Instance] = []
    given = iter(starts)
    for record in records:
        if record[0] < START:
            if instances:
                raise ValueError("a value after the first instance")
            values.append(_decode_value(record, records))
        else:
            instances.append(_decode_instance(record, records, given))
    if next(given, None) is not None:
        raise ValueError("more STARTs than SUMs")
    return tuple(values), tuple(instances)


def _decode_terms(count: int, records: Iterator[bytes]) -> tuple[Term, ...]:
    terms = []
    for _ in range(count):
        op, coefficient, a, b, c = struct.unpack_from(">Bq3H", next(records))
        if op != Term.OP:
            raise ValueError(f"record {op:#x} where a TERM is due")
        terms.append(Term(coefficient, a, b, c))
    return tuple(terms)


def _decode_instance(
    record: bytes, records: Iterator[bytes], starts: Iterator[tuple[Term, ...]]
) -> Instance:
    variables = record[1]
    match record[0]:
        case Sum.OP:
            terms = _decode_terms(struct.unpack_from(">H", record, 2)[0], records)
            return Sum(variables, next(starts), terms)
        case Zero.OP:
            return Zero(variables, _decode_terms(struct.unpack_from(">H", record, 2)[0], records))
        case Lookup.OP:
            return Lookup(variables, *struct.unpack_from(">4H", record, 2))
        case Table.OP:
            return Table(variables, *struct.unpack_from(">5H", record, 2))
        case op:
            raise ValueError(f"record {op:#x} is no instance")


def _decode_value(record: bytes, records: Iterator[bytes]) -> Value:
    def fields(layout: str) -> tuple[Any, ...]:
        return struct.unpack_from(">" + layout, record, 1)

    match record[0]:
        case Claim.OP:
            group, recipe, slot = fields("BHI")
            return Claim(Group(group), recipe, slot)
        case Eq.OP:
            a, b = fields("HH")
            return Eq(Range.of(a), Range.of(b))
        case Block.OP:
            part, number = fields("HI")
            return Block(Range.of(part), number)
        case Less.OP:
            part, bound = fields("HI")
            return Less(Range.of(part), bound)
        case Ramp.OP:
            part, offset = fields("Hq")
            return Ramp(Range.of(part), offset)
        case Clamp.OP:
            part, kind = fields("HB")
            return Clamp(Range.of(part), Squash(kind))
        case Wire.OP:
            p, k, q, *sizes = fields("3H2B3H")
            return Wire(Range.of(p), Range.of(k), Range.of(q), *sizes)
        case Input.OP:
            return Input(*fields("H"))
        case Output.OP:
            return Output(*fields("H"))
        case Tokens.OP:
            position, vocabulary = fields("HH")
            return Tokens(Range.of(position), Range.of(vocabulary))
        case Index.OP:
            position, target, count = fields("3H")
            return Index(Range.of(position), Range.of(target), _decode_data(count, records))
        case Define.OP:
            return Define(_decode_terms(fields("H")[0], records))
        case op:
            raise ValueError(f"record {op:#x} is no value")


def _decode_data(count: int, records: Iterator[bytes]) -> tuple[int, ...]:
    indices: list[int] = []
    while len(indices) < count:
        record = next(records)
        if record[0] != DATA:
            raise ValueError(f"record {record[0]:#x} where DATA is due")
        indices += struct.unpack_from(">7H", record, 1)
    return tuple(indices[:count])
