"""Masks of padded ranges."""

from joynet_sdk.proofs.circuit import Less, Range, Term
from joynet_sdk.proofs.compiler.builder import Builder


def inside(builder: Builder, part: Range, size: int) -> list[int]:
    """Operands that mask a range to its first `size` values: none where all are."""
    return [] if size == 1 << part.count else [builder.value(Less(part, size))]


def product(builder: Builder, operands: list[int], coefficient: int = 1) -> Term:
    """A term of any number of operands in unlike variables."""
    while len(operands) > 3:
        *operands, a, b = operands
        operands.append(builder.define([Term(coefficient=1, a=a, b=b)]))
    return Term(coefficient, *operands)
