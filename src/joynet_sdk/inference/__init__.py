"""Inference as a client sees it: routing, payment, asking, checking."""
