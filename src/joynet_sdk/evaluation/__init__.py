"""Performance testing: what a model is worth, measured so that others can check and repeat it.

`tasks`, `sources` and `jsonl` give the examples, `running` asks, `metrics` and `statistics` judge,
`report` is the signed document, `comparison` says which model is better, `smoke` and `gate` refuse
garbage before it is published, `plot` draws. Models come in by `ports`; `service.Evaluation` is
`JoyNet().evaluation`.
"""
