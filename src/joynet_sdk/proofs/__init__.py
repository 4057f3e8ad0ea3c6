"""Proofs: the only home of `pyopencl` and `py_ecc`."""
