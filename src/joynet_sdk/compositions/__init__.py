"""Runtime compositions: several models that answer as one. docs/spec/composition.md is the format.

`document` is `composition.json`, `typing` says which types meet and which adapters help,
`checking` says what does not fit together, `building` makes a document from components, `parts` and
`nesting` gather what one needs. Values and pure functions only; `compute.composition` runs them.
"""
