"""Fusing models: docs/spec/fusion.md.

`spec` is the document, `mergekit_yaml` reads what people write, `planning` says what will happen
tensor by tensor, `service` carries it out through `compute.merging`, `publishing` brings the result
to the market; `compatibility` judges before anything is downloaded, `composing` connects models at
run time.
"""
