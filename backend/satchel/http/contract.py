"""What the OpenAPI document tells of failures: one shape for all, and what any request may be answered with."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """An RFC 9457 problem document: what failed, in one shape for every route."""

    type: str
    title: str
    status: int
    detail: str
    code: str


_PROBLEM = {"content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}


def failures(meanings: Mapping[int, str]) -> Responses:
    """OpenAPI's descriptions of failures, by their status."""
    return {status: {"description": meaning, **_PROBLEM} for status, meaning in meanings.items()}


EVERYWHERE = failures(
    {
        400: "The request cannot be read.",
        403: "Another site's page asks, and may not.",
        408: "The request comes too slowly.",
        414: "The address is too long.",
        421: "This server does not go by the name in `Host`.",
        431: "The headers are too many or too large.",
        503: "There are too many connections.",
    }
)
"""What stands before the routes answers so, whichever is asked."""


class Documented(FastAPI):
    """An application whose document leaves out FastAPI's own answer to parameters, which it never gives."""

    def openapi(self) -> dict[str, Any]:
        """The document."""
        document = super().openapi()
        for path in document["paths"].values():
            for operation in path.values():
                if operation["responses"].get("422", {}).get("description") == "Validation Error":
                    del operation["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            document.get("components", {}).get("schemas", {}).pop(name, None)
        return document
