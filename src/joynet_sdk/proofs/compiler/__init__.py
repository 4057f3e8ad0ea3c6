"""QModel -> circuit, and an input -> the integers that satisfy it."""
