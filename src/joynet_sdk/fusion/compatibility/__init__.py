"""Whether models can be fused, and how: judged from configs and headers, before any download.

`check(models, plan)` gives a `Report`. `rules`, `tokenizers` and `licences` find what stands in
the way, `resources` says what a build takes, `score` what a merge is expected to keep, `advice`
what to do. Pure decisions: `storage.headers` reads models, `compute.merging.similarity` weights.
"""

from joynet_sdk.fusion.compatibility.checking import Machine, check
from joynet_sdk.fusion.compatibility.report import Report, Similarity
from joynet_sdk.fusion.compatibility.rules import Plan

__all__ = ["Machine", "Plan", "Report", "Similarity", "check"]
