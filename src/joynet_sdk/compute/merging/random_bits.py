"""Random words that any machine draws alike, from any place of the sequence.

Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11), which is
counter-based: the 256 random bits of counter c are a function of c and the key alone. The key is
(seed, stream); element i of a tensor has the 32-bit word i mod 8, least significant first, of the
four 64-bit words of counter floor(i / 8) + 1.
"""

import numpy as np
from numpy.typing import NDArray

_PER_COUNTER = 8  # 32-bit words


def words(seed: int, stream: int, start: int, count: int) -> NDArray[np.uint32]:
    """The words of elements start to start + count - 1, each uniform in 0 to 2^32 - 1.

    Args:
        seed: 0 to 2^64 - 1.
        stream: 0 to 2^64 - 1; here a model's place in the merge.
        start: First element.
        count: How many.
    """
    counter, skipped = divmod(start, _PER_COUNTER)
    needed = -(-(skipped + count) // 2)
    generator = np.random.Philox(
        key=np.array([seed, stream], dtype=np.uint64),
        counter=np.array([counter, 0, 0, 0], dtype=np.uint64),
    )
    drawn = np.asarray(generator.random_raw(needed), dtype="<u8")
    return drawn.view("<u4")[skipped : skipped + count]
