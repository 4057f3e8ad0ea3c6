"""The batched sumcheck: many sums of products of multilinear polynomials, proved at once.

Instance k is a sum over the cube of its own n_k variables of sum_t c_t * prod of tables. The proof
is about the total sum_k w_k * S_k, w_k its weight, S_k its plain sum. There are n = max n_k rounds;
round j binds variable j of every instance. Once its variables are used up, instance k is a constant
v_k; round j >= n_k adds w_k * v_k * 2^-(j - n_k + 1) to the round polynomial at 0 and at 1, so the
last claim must be sum_k w_k * v_k * 2^-(n - n_k).

A round of degree d sends the coefficients c0, c2, ..., cd of g; c1 follows from g(0) + g(1).
Source: Lund, Fortnow, Karloff, Nisan 1992; docs/spec/proof.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.vectors import FrVector

ROUND_TAG = b"sc__"
MAX_FACTORS = 3
HALF = (FR + 1) // 2

Message = tuple[int, ...]
"""c0, c2, ..., cd of one round, each below r."""


class Transcript(Protocol):
    """Where messages go and challenges come from."""

    def absorb(self, tag: bytes, data: bytes) -> None:
        """Take in a message."""

    def challenge(self) -> int:
        """The next challenge, below r."""


@dataclass(frozen=True)
class Term:
    """coefficient * product of tables.

    Attributes:
        coefficient: Taken mod r.
        factors: One to three indices into the instance's tables; one index may come twice.
    """

    coefficient: int
    factors: tuple[int, ...]


@dataclass(frozen=True)
class Instance:
    """One sum over {0,1}^variables.

    Attributes:
        variables: n_k, >= 0.
        tables: At most 2^variables elements each; zeros follow.
        terms: What is summed.
        coefficient: w_k, the weight of the sum; taken mod r.
    """

    variables: int
    tables: Sequence[FrVector]
    terms: Sequence[Term]
    coefficient: int = 1

    def combine(self, values: Sequence[int]) -> int:
        """w_k * sum of the terms at one value per table."""
        total = 0
        for term in self.terms:
            product = term.coefficient
            for factor in term.factors:
                product = product * values[factor] % FR
            total += product
        return total * self.coefficient % FR


class Proved(NamedTuple):
    """What `prove` gives.

    Attributes:
        messages: One per round.
        point: The challenges, variable 0 first.
        claim: The last claim.
        values: Per instance, each of its tables at the first n_k coordinates of the point.
    """

    messages: list[Message]
    point: list[int]
    claim: int
    values: list[list[int]]


def prove(instances: Sequence[Instance], claim: int, transcript: Transcript, degree: int) -> Proved:
    """Prove that `claim` is the total of the instances.

    A wrong claim is not noticed: it gives a proof whose last claim is not `last_claim(...)`.

    Args:
        instances: At least one, all on one device.
        claim: sum_k w_k * S_k.
        transcript: Holds everything that the statement depends on.
        degree: d of the messages, at least 2 and at least the factors of any term.

    Raises:
        InvalidInputError: An instance is malformed.
        ConfigError: The device has not enough memory.
    """
    from joynet_sdk.proofs.sumcheck_rounds import Rounds

    check(instances, degree)
    rounds = Rounds(instances, degree)
    messages: list[Message] = []
    point: list[int] = []
    for _ in range(rounds.count):
        message = rounds.message()
        messages.append(message)
        challenge, claim = _step(message, claim, transcript)
        point.append(challenge)
        rounds.fold(challenge)
    return Proved(messages, point, claim % FR, rounds.values())


def verify(
    messages: Sequence[Sequence[int]],
    claim: int,
    variables: int,
    degree: int,
    transcript: Transcript,
) -> tuple[list[int], int]:
    """Follow the rounds of a proof.

    The caller must still check that the last claim is `last_claim` of values that it trusts.

    Returns:
        The point, variable 0 first, and the last claim.

    Raises:
        VerificationError: There are too few or too many messages or scalars, or one is >= r.
    """
    if len(messages) != variables:
        raise VerificationError(f"sumcheck of {len(messages)} rounds, expected {variables}")
    point = []
    for number, message in enumerate(messages):
        if len(message) != degree:
            raise VerificationError(
                f"sumcheck round {number} has {len(message)} scalars, expected {degree}"
            )
        if any(not 0 <= scalar < FR for scalar in message):
            raise VerificationError(f"sumcheck round {number}: a scalar is not below r")
        challenge, claim = _step(message, claim, transcript)
        point.append(challenge)
    return point, claim % FR


def last_claim(instances: Sequence[Instance], values: Sequence[Sequence[int]]) -> int:
    """What the last claim must be for these values of the tables at the point."""
    rounds = max(instance.variables for instance in instances)
    return (
        sum(
            instance.combine(each) * pow(HALF, rounds - instance.variables, FR)
            for instance, each in zip(instances, values, strict=True)
        )
        % FR
    )


def check(instances: Sequence[Instance], degree: int) -> None:
    """Raise InvalidInputError unless the instances are well formed and fit the degree."""
    if not instances:
        raise InvalidInputError("a sumcheck of no instances")
    if degree < 2:
        raise InvalidInputError(f"a sumcheck of degree {degree}, expected at least 2")
    for number, each in enumerate(instances):
        if not each.tables or not each.terms:
            raise InvalidInputError(f"instance {number} has no tables or no terms")
        if each.variables < 0 or any(t.length > 1 << each.variables for t in each.tables):
            lengths = [table.length for table in each.tables]
            raise InvalidInputError(
                f"instance {number}: tables of {lengths} elements in {each.variables} variables"
            )
        if any(table.runtime is not instances[0].tables[0].runtime for table in each.tables):
            raise InvalidInputError(f"instance {number}: a table is on another device")
        for term in each.terms:
            if not 1 <= len(term.factors) <= min(MAX_FACTORS, degree):
                raise InvalidInputError(
                    f"instance {number}: a term of {len(term.factors)} factors, expected 1 to "
                    f"{min(MAX_FACTORS, degree)}"
                )
            if any(not 0 <= factor < len(each.tables) for factor in term.factors):
                raise InvalidInputError(
                    f"instance {number}: factors {term.factors} of {len(each.tables)} tables"
                )


def encode(scalars: Iterable[int]) -> bytes:
    """Scalars as they are absorbed: 32 bytes each, big-endian."""
    return b"".join(scalar.to_bytes(32, "big") for scalar in scalars)


def _step(message: Sequence[int], claim: int, transcript: Transcript) -> tuple[int, int]:
    """Absorb a round's message; the challenge and g(challenge)."""
    transcript.absorb(ROUND_TAG, encode(message))
    x = transcript.challenge()
    c0, *higher = message
    value = 0
    for coefficient in reversed(higher):
        value = (value + coefficient) * x % FR
    c1 = claim - 2 * c0 - sum(higher)
    return x, ((value + c1) * x + c0) % FR
