"""Who does the long work of an opening: a device, or plain Python as the reference."""

from collections.abc import Sequence

from joynet_sdk.proofs import g1
from joynet_sdk.proofs.extensions import eq_table
from joynet_sdk.proofs.field import FR, to_limbs
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.pcs import Engine
from joynet_sdk.proofs.polynomials import Coefficients
from joynet_sdk.proofs.vectors import FrVector


class DeviceEngine(Engine[FrVector]):
    """Vectors and sums on an OpenCL device."""

    def __init__(self, msm: Msm) -> None:
        """
        Args:
            msm: Sums over powers of tau, at least as many as the longest vector.
        """
        self._msm = msm

    def commit(self, vector: FrVector) -> g1.G1:
        """sum_i vector_i [tau^i]_1."""
        return self._msm.run(vector)

    def commit_short(self, coefficients: Coefficients) -> g1.G1:
        """The same for a short list."""
        return self._msm.run(to_limbs(coefficients))

    def fold_rows(self, vector: FrVector, point: Sequence[int]) -> Coefficients:
        """Bind the low variables."""
        return vector.bind(0, point).to_ints()

    def divide(self, vector: FrVector, columns: int, alpha: int) -> tuple[FrVector, Coefficients]:
        """Quotient and remainder by X^columns - alpha."""
        quotient, remainder = vector.divide(alpha, columns)
        return quotient, remainder.to_ints()


class ReferenceEngine(Engine[list[int]]):
    """Lists of integers and the host's short sums: what every other engine must equal."""

    def __init__(self, points: Sequence[g1.G1]) -> None:
        """
        Args:
            points: [tau^i]_1, at least as many as the longest vector.
        """
        self._points = points

    def commit(self, vector: list[int]) -> g1.G1:
        """sum_i vector_i [tau^i]_1."""
        return g1.combine(zip(vector, self._points, strict=False))

    def commit_short(self, coefficients: Coefficients) -> g1.G1:
        """The same."""
        return self.commit(coefficients)

    def fold_rows(self, vector: list[int], point: Sequence[int]) -> Coefficients:
        """Inner products with eq(point, .), row by row."""
        weights = eq_table(point)
        return [
            sum(w * x for w, x in zip(weights, vector[at:], strict=False)) % FR
            for at in range(0, len(vector), len(weights))
        ]

    def divide(self, vector: list[int], columns: int, alpha: int) -> tuple[list[int], Coefficients]:
        """Quotient and remainder by X^columns - alpha, from the top coefficient down."""
        rest = list(vector)
        for i in reversed(range(columns, len(rest))):
            rest[i - columns] = (rest[i - columns] + alpha * rest[i]) % FR
        return rest[columns:], rest[:columns]
