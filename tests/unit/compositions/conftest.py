"""A folder to make models in."""

import pytest

from .parts import Parts


@pytest.fixture
def parts(tmp_path):
    return Parts(tmp_path)
