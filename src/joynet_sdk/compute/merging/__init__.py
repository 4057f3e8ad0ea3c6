"""Merging weights: one method a file, each with its paper; tensors stream through block by block.

`methods.merge(name, inputs)` is the way in. Parents are read as they are stored and never copied
whole: arithmetic is in float32 (float64 where a parent is float64) on blocks that fit the cache.
"""
