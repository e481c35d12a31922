"""How much a GraphQL operation may ask for, told from its text, before it is validated or run.

All is counted as if each fragment stood wherever it is used; a fragment itself is looked at once, so that no nesting of
fragments makes the counting long.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLNamedType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionNode,
    SelectionSetNode,
    TypeMetaFieldDef,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_list_type,
    parse,
)

from satchel.config import Settings
from satchel.errors import Code, SatchelError, too_many_deletions, too_many_files

if TYPE_CHECKING:
    from satchel.graphql.operation import Operation

PAGE = "first"
"""The argument that says how many entries the lists below a field have."""


@dataclass(frozen=True)
class OperationLimits:
    """The bounds of one operation, and whether it may ask for the schema."""

    length: int
    tokens: int
    depth: int
    aliases: int
    directives: int
    cost: int
    repeats: int
    files: int
    deletions: int
    introspection: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the settings name."""
        return cls(
            settings.max_query_length,
            settings.max_query_tokens,
            settings.max_query_depth,
            settings.max_query_aliases,
            settings.max_query_directives,
            settings.max_query_cost,
            settings.max_query_repeats,
            settings.max_files_per_request,
            settings.max_delete_files,
            settings.introspection,
        )


def parsed(query: str, limits: OperationLimits) -> DocumentNode:
    """The document. Raises QUERY_TOO_COMPLEX for one that is too long, and GraphQLError for one that is none."""
    if len(query) > limits.length:
        raise _too_complex("length", limits.length)
    try:
        return parse(query, max_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if f"more than {limits.tokens} tokens" in error.message or f"more that {limits.tokens} tokens" in error.message:
            raise _too_complex("tokens", limits.tokens) from None
        raise


def limit(schema: GraphQLSchema, document: DocumentNode, operation: "Operation", limits: OperationLimits) -> None:
    """Measure a document as it is run for `operation`.

    Raises:
        SatchelError: QUERY_TOO_COMPLEX, PAYLOAD_TOO_LARGE or BAD_REQUEST, naming the setting.
        GraphQLError: for fragments that contain themselves.
    """
    chosen = get_operation_ast(document, operation.name)
    meter = _Meter(schema, document, {**_defaults(chosen), **operation.variables}, operation.uploads)
    size = meter.measure()
    for name in ("depth", "aliases", "directives"):
        if getattr(size, name) > getattr(limits, name):
            raise _too_complex(name, getattr(limits, name))
    if size.once + size.each > limits.cost:
        raise _too_complex("cost", limits.cost)
    # Validation compares each field with all others of its selection that have its name, and what is below them.
    if meter.repeats() > limits.repeats:
        raise _too_complex("repeats", limits.repeats)
    if chosen is None:
        return
    running = meter.operation(chosen)
    if running.files > limits.files:
        raise too_many_files(limits.files)
    if running.ids > limits.deletions:  # before they are coerced, which takes a while for very many
        raise too_many_deletions(limits.deletions)


def _too_complex(name: str, most: int) -> SatchelError:
    return SatchelError(
        Code.QUERY_TOO_COMPLEX, f"An operation may have {name} of {most:,} at most (SATCHEL_MAX_QUERY_{name.upper()})."
    )


@dataclass(slots=True)
class _Size:
    """What a selection amounts to.

    Its values are told `once`, and `each` for every entry of the page it is in; `files` are those that it uploads, and
    `ids` those that it names in lists, to be deleted.
    """

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    once: int = 0
    each: int = 0
    files: int = 0
    ids: int = 0

    def add(self, other: "_Size") -> None:
        """What stands beside it."""
        self.depth = max(self.depth, other.depth)
        self.aliases += other.aliases
        self.directives += other.directives
        self.once += other.once
        self.each += other.each
        self.files += other.files
        self.ids += other.ids


_Plain = int | list[None] | None


class _Meter:
    """Measures a document. What the schema does not know counts too; validation says so afterwards."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any], uploads: Mapping[str, int]
    ) -> None:
        self._schema = schema
        self._document = document
        self._variables = variables
        self._uploads = uploads
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._sizes: dict[str, _Size | None] = {}
        self._names: dict[str, Counter[str]] = {}

    def measure(self) -> _Size:
        """All operations together, and each fragment, for validation looks at those that are not used too."""
        size = _Size()
        for node in self._document.definitions:
            if isinstance(node, OperationDefinitionNode):
                size.add(self.operation(node))
        for name in self._fragments:
            self._fragment(name)
        return size

    def operation(self, node: OperationDefinitionNode) -> _Size:
        """One operation."""
        root = self._schema.get_root_type(node.operation)
        size = self._selections(node.selection_set, root)
        size.directives += len(node.directives or ())
        return size

    def repeats(self) -> int:
        """The fields that stand for a value which another field of the same selection stands for, in all selections.

        Only after `measure`, which refuses fragments that contain themselves.
        """
        return sum(self._repeats(getattr(node, "selection_set", None)) for node in self._document.definitions)

    def _repeats(self, selected: SelectionSetNode | None) -> int:
        if selected is None:
            return 0
        names = self._names_in(selected)
        below = sum(self._repeats(field.selection_set) for field in _fields(selected))
        return names.total() - len(names) + below

    def _names_in(self, selected: SelectionSetNode) -> Counter[str]:
        """How often each name of a value stands in a selection."""
        names = Counter((field.alias or field.name).value for field in _fields(selected))
        for spread in _spreads(selected):
            if fragment := self._fragments.get(spread):
                if spread not in self._names:
                    self._names[spread] = self._names_in(fragment.selection_set)
                names.update(self._names[spread])
        return names

    def _selections(self, selected: SelectionSetNode, parent: GraphQLNamedType | None) -> _Size:
        size = _Size()
        for node in selected.selections:
            size.add(self._selection(node, parent))
            size.directives += len(node.directives or ())
        return size

    def _selection(self, node: SelectionNode, parent: GraphQLNamedType | None) -> _Size:
        if isinstance(node, FieldNode):
            return self._field(node, parent)
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            return self._selections(node.selection_set, self._type(condition.name.value) if condition else parent)
        return self._fragment(node.name.value)  # type: ignore[attr-defined] # the third kind there is: a spread

    def _fragment(self, name: str) -> _Size:
        node = self._fragments.get(name)
        if node is None:
            return _Size()
        if name not in self._sizes:
            self._sizes[name] = None
            inner = self._selections(node.selection_set, self._type(node.type_condition.name.value))
            inner.directives += len(node.directives or ())
            self._sizes[name] = inner
        size = self._sizes[name]
        if size is None:
            raise GraphQLError(f"Cannot spread fragment {name!r} within itself.", node)
        return size

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Size:
        definition = self._definition(node.name.value, parent)
        size = _Size()
        if node.selection_set:
            size = self._selections(node.selection_set, get_named_type(definition.type) if definition else None)
        if definition is not None and is_list_type(get_nullable_type(definition.type)):
            size.once, size.each = 1, size.once + size.each
        else:
            size.once += 1
        entries = self._entries(node, definition)
        if entries is not None:
            size.once, size.each = size.once + entries * size.each, 0
        # Introspection nests deeper than any question about files; validation bounds it.
        size.depth = size.depth + 1 if node.name.value not in {"__schema", "__type"} else 1
        size.aliases += node.alias is not None
        for given in node.arguments or ():
            size.files += self._files(given.value)
            size.ids += self._ids(given, definition)
        return size

    def _definition(self, name: str, parent: GraphQLNamedType | None) -> GraphQLField | None:
        if parent is self._schema.query_type and name in {"__schema", "__type"}:
            return SchemaMetaFieldDef if name == "__schema" else TypeMetaFieldDef
        return getattr(parent, "fields", {}).get(name)

    def _entries(self, node: FieldNode, definition: GraphQLField | None) -> int | None:
        """How many entries the lists below a field have, where it says that."""
        if definition is SchemaMetaFieldDef:
            return len(self._schema.type_map)
        argument = definition.args.get(PAGE) if definition else None
        if argument is None:
            return None
        given = next((given.value for given in node.arguments or () if given.name.value == PAGE), None)
        value = self._variables.get(given.name.value) if isinstance(given, VariableNode) else _plain(given)
        try:
            return max(0, int(GraphQLInt.parse_value(value)))  # 500.0 is a number of entries too
        except GraphQLError:
            return int(argument.default_value)

    def _files(self, value: ValueNode) -> int:
        """How many files are given to an argument: as often as it is given, each becomes one of its own."""
        if isinstance(value, ListValueNode):
            return sum(self._files(entry) for entry in value.values)
        return self._uploads.get(value.name.value, 0) if isinstance(value, VariableNode) else 0

    def _ids(self, given: ArgumentNode, definition: GraphQLField | None) -> int:
        """How many ids are given to an argument that takes a list of them."""
        argument = definition.args.get(given.name.value) if definition else None
        if argument is None or get_named_type(argument.type) is not GraphQLID:
            return 0
        value = given.value
        ids = self._variables.get(value.name.value) if isinstance(value, VariableNode) else _plain(value)
        return len(ids) if isinstance(ids, list) else 0

    def _type(self, name: str) -> GraphQLNamedType | None:
        return self._schema.type_map.get(name)


def _defaults(operation: OperationDefinitionNode | None) -> dict[str, _Plain]:
    """What the variables of an operation are where none is given."""
    declared = operation.variable_definitions or () if operation else ()
    return {variable.variable.name.value: _plain(variable.default_value) for variable in declared}


def _plain(node: ValueNode | None) -> _Plain:
    """What a value says, as far as it is measured: numbers, and how long lists are."""
    if isinstance(node, ListValueNode):
        return [None] * len(node.values)
    return int(node.value) if isinstance(node, IntValueNode) and len(node.value) < 20 else None


def _fields(selected: SelectionSetNode) -> Iterator[FieldNode]:
    """Those of a selection and of the inline fragments in it."""
    for node in selected.selections:
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _fields(node.selection_set)


def _spreads(selected: SelectionSetNode) -> Iterator[str]:
    """The names of the fragments that are used there."""
    for node in selected.selections:
        if isinstance(node, FragmentSpreadNode):
            yield node.name.value
        elif isinstance(node, InlineFragmentNode):
            yield from _spreads(node.selection_set)
