"""A metadata store for each test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from publishing import Helper
from satchel.errors import Code, SatchelError


@pytest.fixture
def helper(metadata) -> Helper:
    return Helper(metadata)


@pytest.fixture
def fails() -> Callable[[Code], AbstractContextManager[None]]:
    """A block that must raise the failure of a code."""

    @contextmanager
    def block(code: Code) -> Iterator[None]:
        with pytest.raises(SatchelError) as raised:
            yield
        assert raised.value.code is code

    return block
