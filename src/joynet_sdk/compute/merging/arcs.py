"""How far to go along each of two ends of an arc (Shoemake 1985)."""

import math

# The squared sine of an angle below which two vectors count as parallel: half a unit in the last
# place of float32. The arc between opposed vectors is any of many, so those are averaged too.
PARALLEL = 2.0**-24


def arc_factors(cosine: float, t: float) -> tuple[float, float]:
    """Factors of the first and the second end for the point at `t` on the arc between them."""
    cosine = min(1.0, max(-1.0, cosine))
    angle = math.acos(cosine)
    return (
        math.sin((1 - t) * angle) / math.sin(angle),
        math.sin(t * angle) / math.sin(angle),
    )
