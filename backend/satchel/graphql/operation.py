"""One GraphQL request: read from JSON and checked before anything runs, and before the first byte of a file is read.

Follows https://graphql.github.io/graphql-over-http/draft/.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    get_argument_values,
    get_operation_ast,
    get_variable_values,
    specified_rules,
    validate,
    visit,
)
from graphql.execution.values import VariableValues

from satchel.errors import Code, SatchelError
from satchel.graphql.limits import OperationLimits, limit, parsed

MAX_ERRORS = 20
"""Of one operation, after which nothing more is looked for: each takes time, and room in the answer."""

REMEMBERED = 32
"""Documents. Clients have a few, and send them again and again."""
MAX_REMEMBERED = 2048
"""Characters of one, and of one whose answers are shared: those of a stranger who never sends the same take some MB."""


@dataclass
class Operation:
    """What a client asks to run; `uploads` are the files that go into each variable, by its name."""

    query: str
    name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    uploads: Counter[str] = field(default_factory=Counter)


class InvalidOperation(Exception):
    """The request is well formed, but the schema cannot run it; `errors` say why, with their places."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__("invalid operation")
        self.errors = errors

    @property
    def formatted(self) -> list[dict[str, Any]]:
        """The errors as a client is shown them."""
        return [{**error.formatted, "extensions": {"code": Code.BAD_REQUEST.name}} for error in self.errors]


def read_json(text: bytes | str, what: str, code: Code = Code.BAD_REQUEST) -> Any:
    """JSON in UTF-8. Raises `code`, saying that `what` is not that."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise SatchelError(code, f"{what} is not valid JSON in UTF-8.") from None


def read_operation(parameters: object, code: Code = Code.BAD_REQUEST) -> Operation:
    """The parameters of a request as the specification names them. Raises `code`."""
    if isinstance(parameters, list):
        raise SatchelError(code, "Several operations in one request are not supported.")
    if not isinstance(parameters, dict):
        raise SatchelError(code, "A GraphQL request is a JSON object with a `query`.")
    query, name, variables, extensions = (
        parameters.get(key) for key in ("query", "operationName", "variables", "extensions")
    )
    if not isinstance(query, str) or not query:
        raise SatchelError(code, "The `query` must be a string that is not empty.")
    if name is not None and not isinstance(name, str):
        raise SatchelError(code, "The `operationName` must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise SatchelError(code, "The `variables` must be an object.")
    if extensions is not None and not isinstance(extensions, dict):
        raise SatchelError(code, "The `extensions` must be an object.")
    return Operation(query, name or None, variables or {})


def check(schema: GraphQLSchema, operation: Operation, limits: OperationLimits) -> OperationType:
    """Parse, measure, validate, choose the operation and coerce its variables; gives its type.

    Raises:
        InvalidOperation: with all that is wrong.
        SatchelError: QUERY_TOO_COMPLEX, PAYLOAD_TOO_LARGE.
    """
    try:
        document = _document(operation.query, limits)
        limit(schema, document.node, operation, limits)
        document.validate(schema, limits)
        chosen = get_operation_ast(document.node, operation.name)
        if chosen is None:
            raise InvalidOperation([GraphQLError(_which(operation.name))])
        _coerce(schema, chosen, operation.variables)
    except GraphQLError as error:
        raise InvalidOperation([error]) from error
    except RecursionError:
        raise InvalidOperation([GraphQLError("The operation is nested too deeply.")]) from None
    return chosen.operation


def arguments(
    schema: GraphQLSchema, operation: Operation, mutation: str, limits: OperationLimits
) -> Iterator[dict[str, Any]]:
    """What each use of a mutation is given, in an operation that was checked."""
    node = document(operation.query, limits)
    chosen = get_operation_ast(node, operation.name)
    if chosen is None or schema.mutation_type is None:
        return
    uses = _Uses(mutation)
    for definition in node.definitions:
        if definition is chosen or isinstance(definition, FragmentDefinitionNode):
            visit(definition, uses)
    variables = _coerce(schema, chosen, operation.variables)
    for use in uses.found:
        yield get_argument_values(schema.mutation_type.fields[mutation], use, variables)


class _Uses(Visitor):
    """Finds the fields of a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.found: list[FieldNode] = []
        self._name = name

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Called by graphql-core for each field."""
        if node.name.value == self._name:
            self.found.append(node)


def document(query: str, limits: OperationLimits) -> DocumentNode:
    """What was checked under this text: the same for all who send it, as thousands of subscribers do."""
    return _document(query, limits).node


@dataclass(eq=False)
class _Document:
    """A document, and whether it is known to be valid."""

    node: DocumentNode
    valid: bool = False

    def validate(self, schema: GraphQLSchema, limits: OperationLimits) -> None:
        """Only once. Raises InvalidOperation."""
        if self.valid:
            return
        rules = specified_rules if limits.introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        silent = not limits.introspection
        if errors := validate(schema, self.node, rules, max_errors=MAX_ERRORS, hide_suggestions=silent):
            raise InvalidOperation(errors)
        self.valid = True


def _document(query: str, limits: OperationLimits) -> _Document:
    read = _remembered if len(query) <= MAX_REMEMBERED else _remembered.__wrapped__
    return read(query, limits)


@lru_cache(maxsize=REMEMBERED)
def _remembered(query: str, limits: OperationLimits) -> _Document:
    return _Document(parsed(query, limits))


def _which(name: str | None) -> str:
    return "Name the operation to run." if name is None else f"There is no operation named {name!r}."


def _coerce(schema: GraphQLSchema, chosen: OperationDefinitionNode, variables: dict[str, Any]) -> VariableValues:
    coerced = get_variable_values(schema, chosen.variable_definitions or (), variables, max_errors=MAX_ERRORS)
    if isinstance(coerced, list):
        raise InvalidOperation(coerced)
    return coerced
