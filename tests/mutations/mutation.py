"""One safeguard, and how it is taken away."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """A safeguard; the code that is it, once in its file; what stands there instead; and the test that must notice."""

    safeguard: str
    path: str
    code: str
    instead: str
    test: str
    folder: str = "backend/satchel"
