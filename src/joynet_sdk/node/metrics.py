"""Prometheus metrics of a node."""

import time
from collections.abc import Awaitable, Callable

from joynet_sdk.compute.workers import Workers
from joynet_sdk.node.money import Redeemer
from joynet_sdk.node.serving import InferenceServer

Handler = Callable[[bytes, str], Awaitable[bytes]]


class Metrics:
    """Counters and gauges in a registry of their own."""

    def __init__(self, server: InferenceServer, workers: Workers, redeemer: Redeemer) -> None:
        from prometheus_client import CollectorRegistry, Gauge, Histogram

        self._registry = CollectorRegistry()
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "joynet_answers": ("Requests answered since the start", lambda: server.answered),
            "joynet_refusals": ("Requests refused since the start", lambda: server.refused),
            "joynet_queue": ("Requests waiting or running", workers.queue_length),
            "joynet_unredeemed_joy": ("JOY promised", lambda: redeemer.outstanding() / 10**18),
        }
        for name, (text, read) in gauges.items():
            Gauge(name, text, registry=self._registry).set_function(read)
        self._latency = Histogram(
            "joynet_request_seconds", "Time to answer a frame", registry=self._registry
        )

    def timed(self, handler: Handler) -> Handler:
        """The handler, with its time measured."""

        async def handle(frame: bytes, peer_id: str) -> bytes:
            started = time.perf_counter()
            try:
                return await handler(frame, peer_id)
            finally:
                self._latency.observe(time.perf_counter() - started)

        return handle

    def text(self) -> bytes:
        """The exposition format."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)
