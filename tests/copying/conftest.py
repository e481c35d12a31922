"""A source and a target, of any kind, that keep nothing yet."""

from contextlib import AsyncExitStack

import pytest

from stacks import ScaledPlaces


@pytest.fixture(scope="session")
def scaled_places(postgres, seaweed):
    """Databases and buckets for whole stacks."""
    return ScaledPlaces(postgres, seaweed)


@pytest.fixture
def kinds(request):
    """The kinds of source and target; embedded where the test does not say."""
    return getattr(request, "param", ("embedded", "embedded"))


@pytest.fixture
async def pair(kinds, request, tmp_path):
    """The settings of source and target, which keep nothing yet."""
    async with AsyncExitStack() as exits:
        given = []
        for kind, name in zip(kinds, ("source", "target"), strict=True):
            place = {"data_dir": tmp_path / name}
            if kind == "scaled":
                place |= await exits.enter_async_context(request.getfixturevalue("scaled_places").new())
            given.append(place)
        yield given
