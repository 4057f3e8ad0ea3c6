"""What the shelf finds in its folder when a node starts."""

from joynet_sdk.node.shelf import Shelf


def test_what_a_killed_node_was_opening_is_removed(tmp_path):
    """A sealed model's plaintext lies there for as long as it takes to open it."""
    folder, whole = tmp_path / "models", tmp_path / "models" / ("5a" * 32)
    opening = folder / f".{'6b' * 32}.x7_k2" / "content"
    for each in (whole, opening):
        each.mkdir(parents=True)
        (each / "model.safetensors").write_bytes(b"plaintext")
    Shelf(None, 1, None, folder, None, None)
    assert [path.name for path in folder.iterdir()] == [whole.name]
    assert (whole / "model.safetensors").exists()
