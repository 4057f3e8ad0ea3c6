"""A node whose steps are timed: `python -m benchmarks.traced_node --trace FILE --home PATH`."""

import json
import sys
from pathlib import Path

from benchmarks.stopwatch import Stopwatch
from joynet_sdk.compute.workers import Workers
from joynet_sdk.node import serving
from joynet_sdk.node.__main__ import main
from joynet_sdk.node.ledger import Ledger
from joynet_sdk.node.serving import InferenceServer

if __name__ == "__main__":
    trace = Path(sys.argv[sys.argv.index("--trace") + 1])
    watch = Stopwatch()
    watch.watch(InferenceServer, "handle", "handle")
    watch.watch(InferenceServer, "_check_voucher", "check the voucher")
    watch.watch(InferenceServer, "_check_escrow", "check the escrow")
    watch.watch(Workers, "run", "worker")
    watch.watch(serving, "sign", "sign the receipt")
    watch.watch(Ledger, "record_answer", "store voucher and answer (fsync)")
    code = main()
    trace.write_text(json.dumps(watch.times))
    sys.exit(code)
