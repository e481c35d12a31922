"""Requests made from the contracts, OpenAPI's and GraphQL's: those that keep them, and those that break them."""

import asyncio

import schemathesis
from graphql import NullValueNode
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from satchel.errors import Code

load_all_checks()
# What an answer must be, besides one that is documented and has the shape that is documented: no failure of the server.
PROMISES = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
SECONDS = 30  # a bound for each answer; nothing is measured by it
EXPECTED = Code.__members__.keys() - {"INTERNAL"}

schemathesis.graphql.scalar("Upload", st.just(NullValueNode()))  # a file comes as a part of a form, and null before it


def every_case(operation):
    """Requests that keep the contract, and where there is anything to break, requests that break it."""
    kept = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.body or operation.query):
        return kept
    return st.one_of(kept, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


async def asked(schema, check):
    """Ask each operation of a schema, by as many examples as the profile says, beside this loop."""
    for found in schema.get_all_operations():
        operation = found.ok()

        @examples(examples.get_profile("fuzz"))
        @given(every_case(operation))
        def ask(case):
            check(case, case.call(timeout=SECONDS))

        await asyncio.to_thread(ask)


async def test_the_http_api_keeps_its_contract(fuzzed):
    """Every answer is one that the OpenAPI document tells of."""
    schema = await asyncio.to_thread(schemathesis.openapi.from_url, f"{fuzzed.url}/openapi.json")
    await asked(schema, lambda case, response: case.validate_response(response, checks=PROMISES))


async def test_graphql_answers_every_operation(fuzzed):
    """With data, or with errors of the table."""
    schema = await asyncio.to_thread(schemathesis.graphql.from_url, f"{fuzzed.url}/graphql")

    def check(_, response):
        assert response.status_code < 500
        codes = {error["extensions"]["code"] for error in response.json().get("errors", [])}
        assert codes <= EXPECTED

    await asked(schema, check)
