"""The shape that kernels have on GPUs (many thin work-items, 32-bit multiplier), on any device."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.selftest_protocol import (
    check_keccak,
    check_logup,
    check_sumcheck,
    check_vectors,
)


class ThinRuntime(Runtime):
    """A runtime whose kernels are built as for a GPU."""

    def kernel(self, name: str, *files: str, defines: Mapping[str, str | int] | None = None) -> Any:
        path = {} if files[0] == "keccak" else {"FIELD_PATH": 32}
        return super().kernel(name, *files, defines={**(defines or {}), **path})


@pytest.mark.soak  # a minute of compiling on a CPU
@pytest.mark.timeout(600)
def test_thin_work_items_give_the_same_results() -> None:
    thin = ThinRuntime.open()
    thin.device = replace(thin.device, kind="GPU")
    assert not thin.is_cpu
    for check in (check_vectors, check_sumcheck, check_logup, check_keccak):
        check(thin)
