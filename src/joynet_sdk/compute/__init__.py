"""Running models: engines, and the worker processes they live in.

The only home of torch and transformers. The node talks to `workers.Workers`; an engine itself runs
in a child process (`worker.py`), so a model that crashes or eats its memory costs one request.
"""
