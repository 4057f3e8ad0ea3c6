"""MiniLM and a head in one engine answer as the parts do by hand."""

import numpy as np
import pytest

from joynet_sdk import qmodel
from joynet_sdk.compositions.building import Candidate, compose
from joynet_sdk.compositions.document import Pipeline
from joynet_sdk.compositions.parts import Part
from joynet_sdk.compute.engine import open_engine
from joynet_sdk.fusion.composing import write_composition
from joynet_sdk.inference.codec import decode_output, vector_to_int16
from joynet_sdk.models.describing import describe

from .sentences import HELD_OUT, MINILM, SENTENCES, TOPICS, draft, topics

pytestmark = pytest.mark.xdist_group("e2e")  # which shares the vectors


def by_hand(model, vector):
    """What docs/spec/composition.md says, in a few lines."""
    steps = np.rint(vector.astype(np.float64) / float(model.input.scale))
    logits = qmodel.execute(model, np.clip(steps, -128, 127).astype(np.int8)[None])[0]
    weights = np.exp(logits * float(model.output_scale))
    return (weights / weights.sum()).astype("<f4")


def int16(vector):
    return np.frombuffer(vector_to_int16(vector.tobytes()), ">i2").astype(int)


def test_minilm_and_a_head_name_the_topic(tmp_path):
    made = topics()
    minilm = Candidate("minilm", draft(MINILM))
    model = qmodel.load(made.head / "model.safetensors")
    head = Candidate("head", draft(made.head, TOPICS), model.input.scale)
    folder = tmp_path / "topic-of"
    write_composition(compose(Pipeline(order=("minilm", "head")), [minilm, head]), folder)
    card = describe(folder, title="topic of", license_id="Apache-2.0")
    assert (card.verification, card.output.labels) == ("tolerant", [*TOPICS])
    assert card.tolerance == int(np.ceil(32767 * float(model.output_scale) / 2))
    parts = [Part(minilm.manifest, MINILM), Part(head.manifest, made.head)]
    engine = open_engine(draft(folder), folder, parts)
    right = 0
    for text, topic in HELD_OUT:
        got = np.frombuffer(engine.run(text.encode()), "<f4")
        want = by_hand(model, made.vectors[SENTENCES.index((text, topic))])
        # Equal, but where a value lies on a rounding boundary: that is what the tolerance is for.
        assert np.abs(int16(got) - int16(want)).max() <= card.tolerance
        right += decode_output(card.output, got.tobytes()).value["label"] == TOPICS[topic]
    assert right >= len(HELD_OUT) - 1
