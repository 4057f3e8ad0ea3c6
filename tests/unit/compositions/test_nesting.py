"""Compositions of compositions are bounded before anything is loaded."""

import asyncio

import numpy as np
import pytest

from joynet_sdk.compositions.building import compose
from joynet_sdk.compositions.document import Ensemble, Pipeline
from joynet_sdk.compositions.nesting import Nesting, gather, read_composition
from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError
from joynet_sdk.node.components import gather as gather_for_a_node

from .parts import EXACT, manifest_of, tensor, vector

EYE = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def wrap(parts, name, inner):
    """A pipeline of one."""
    return parts.publish(name, compose(Pipeline(order=(inner.name,)), [inner]))


def nested(parts, depth):
    made = parts.linear("leaf", EYE)
    for level in range(depth):
        made = wrap(parts, f"level{level}", made)
    return made


def test_four_levels_run_and_five_are_refused(parts):
    nested(parts, 5)
    assert np.frombuffer(parts.open("level3").run(bytes([1, 2, 3])), "i1").tolist() == [1, 2, 3]
    with pytest.raises(InvalidInputError, match="nested deeper than 4"):
        parts.open("level4")


def test_a_missing_component_is_named(parts):
    made = nested(parts, 1)
    del parts.made["leaf"]
    with pytest.raises(InvalidInputError, match="component 'leaf', model 0x.* is not here"):
        parts.open(made.name)


def test_one_request_may_not_run_models_without_end(parts):
    """Each level asks the one below twice: 2, 4, 8, ... models for one request."""
    a, b = parts.linear("a", EYE), parts.linear("b", EYE)
    for level in range(4):
        names = [f"p{level}", f"q{level}"]
        for name in names:
            weights = {a.name: 7, b.name: len(name) if name[0] == "p" else 9}
            parts.publish(name, compose(Ensemble(mean="logits", weights=weights), [a, b]))
        a, b = (type(a)(name, parts.made[name].manifest) for name in names)
    five = {f"{n}{lv}": parts.made[f"{n}{lv}"] for lv in range(3) for n in "pq"}
    wide = [type(a)(name, part.manifest) for name, part in five.items()]
    rule = Ensemble(mean="logits", weights=dict.fromkeys(five, 1))
    parts.publish("wide", compose(rule, wide))  # 2 + 2 + 4 + 4 + 8 + 8
    assert len(parts.open("wide").run(bytes(3))) == 3
    top = [a, b, *wide]
    rule = Ensemble(mean="logits", weights={each.name: 1 for each in top})
    parts.publish("top", compose(rule, top))  # 28 + 16 + 16
    last = type(a)("top", parts.made["top"].manifest)
    other = type(a)("wide", parts.made["wide"].manifest)
    parts.publish(
        "all", compose(Ensemble(mean="logits", weights={"top": 1, "wide": 1}), [last, other])
    )
    with pytest.raises(InvalidInputError, match="nested deeper|88 models for one request"):
        parts.open("all")


@pytest.mark.parametrize(("size", "problem"), [(10**9, "bytes of models")])
def test_bytes_are_counted_before_they_are_fetched(size, problem):
    nesting = Nesting(max_bytes=size)
    manifest = manifest_of("a", EXACT, tensor(3), vector("x", "y"), 4)
    assert nesting.enter(manifest, (b"1",))
    assert not nesting.enter(manifest, (b"1",))
    import msgspec

    file = msgspec.structs.replace(manifest.files[0], size=size)
    with pytest.raises(InvalidInputError, match=problem):
        nesting.enter(msgspec.structs.replace(manifest, files=[file]), (b"1",))


def test_models_are_counted():
    nesting = Nesting()
    models = [manifest_of(str(n), EXACT, tensor(3), vector("x"), 4) for n in range(33)]
    assert all(nesting.enter(model, (b"1",)) for model in models[:32])
    with pytest.raises(InvalidInputError, match="over 32 models"):
        nesting.enter(models[32], (b"1",))


def test_no_model_is_within_itself():
    manifest = manifest_of("a", EXACT, tensor(3), vector("x", "y"), 4)
    with pytest.raises(InvalidInputError, match="contains itself"):
        Nesting().enter(manifest, (manifest.model_id,))


class Shelf:
    """Models on a disk, and what was asked of it."""

    def __init__(self, parts):
        self.by_id = {bytes(part.manifest.model_id): part for part in parts.made.values()}
        self.written = []

    async def manifest(self, model_id):
        return self.by_id[model_id].manifest

    async def materialise(self, manifest):
        self.written.append(manifest.title)
        return self.by_id[manifest.model_id].folder


async def anybody(model_id):
    return None


async def nobody(model_id):
    raise AuthError(f"component 0x{model_id.hex()} may be served only with a licence")


def test_a_node_gathers_every_level_once(parts):
    inner = nested(parts, 2)
    leaf = parts.made["leaf"]
    both = compose(
        Ensemble(mean="logits", weights={"level1": 1, "leaf": 1}),
        [inner, type(inner)("leaf", leaf.manifest, "0.5")],
    )
    parts.publish("both", both)
    shelf, root = Shelf(parts), parts.made["both"]
    found = asyncio.run(gather_for_a_node(root.manifest, root.folder, shelf, anybody, Nesting()))
    assert sorted(shelf.written) == ["leaf", "level0", "level1"]
    assert len(found) == 3
    local = gather(read_composition(root.folder), lambda model_id: shelf.by_id[bytes(model_id)])
    assert {part.manifest.title for part in local} == {"leaf", "level0", "level1"}
    with pytest.raises(AuthError, match="only with a licence"):
        asyncio.run(gather_for_a_node(root.manifest, root.folder, shelf, nobody, Nesting()))
    plain = asyncio.run(gather_for_a_node(leaf.manifest, leaf.folder, shelf, nobody, Nesting()))
    assert plain == ()


def test_a_node_fetches_no_files_beyond_the_bounds(parts):
    nested(parts, 1)
    shelf, root = Shelf(parts), parts.made["level0"]
    with pytest.raises(InvalidInputError, match="bytes of models"):
        asyncio.run(gather_for_a_node(root.manifest, root.folder, shelf, anybody, Nesting(1)))
    assert shelf.written == []


def test_a_folder_without_a_document(tmp_path):
    with pytest.raises(NotFoundError, match="composition"):
        read_composition(tmp_path)
