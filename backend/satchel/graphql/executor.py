"""How operations are executed: as graphql-core does it, but for events, whose answers all who ask the same share."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, cast

from graphql import ExecutionResult, Executor, FieldNode, Node, VariableNode, Visitor, visit
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from satchel.graphql.operation import MAX_REMEMBERED

KEPT = 512
"""Answers. Subscribers who follow at the same pace ask for the newest few; those who catch up come by here alone."""

Answer = ExecutionResult | Awaitable[ExecutionResult]
_Kept = ExecutionResult | asyncio.Future[ExecutionResult]


class Question(NamedTuple):
    """What a subscription asks of each event."""

    document: str
    operation: str | None
    variables: str


class Answers:
    """The newest answers, each to a question about an event."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Question], tuple[object, _Kept]] = {}

    def to(self, question: Question, event: object, execute: Callable[[], Answer]) -> Answer:
        """The answer, by one execution for all who ask the same of the same object.

        A failure is everybody's own, because it tells each of them by which request it is found in the log.
        """
        place = id(event), question
        if place not in self._kept:
            began = execute()
            # A task of its own, since whoever asked first may leave before the answer is there.
            kept = began if isinstance(began, ExecutionResult) else asyncio.ensure_future(began)
            self._kept[place] = event, kept  # with the event, so that no other one gets its id
            if len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        _, answer = self._kept[place]
        if isinstance(answer, asyncio.Future):
            return self._awaited(answer, execute)
        return execute() if answer.errors else answer

    async def _awaited(self, answer: asyncio.Future[ExecutionResult], execute: Callable[[], Answer]) -> ExecutionResult:
        result = await asyncio.shield(answer)
        if not result.errors:
            return result
        own = execute()
        return own if isinstance(own, ExecutionResult) else await own


class SharingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Tells events from shared answers."""

    _answers = Answers()
    _question: Question | None = None

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event."""
        if self._question is None:
            self._question = _question_of(self)
        executor = super().build_per_event_executor(payload)
        # graphql-core (3.3.2) has all these copies fill one memory of collected fields, which none reads, because it
        # goes by objects that are made anew for each event.
        executor._relevant_sub_fields = {}  # noqa: SLF001 - a test pins it
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:  # noqa: FBT001 - graphql-core's signature
        """Execute the operation, or take what another one has."""
        execute = cast("Callable[[], Answer]", partial(super().execute_operation, serially))
        if self._question is None or len(self._question.document) > MAX_REMEMBERED:
            return execute()
        return self._answers.to(self._question, self.root_value, execute)


def _question_of(executor: Executor[Any]) -> Question:
    """Arguments of the subscribed field say which events are told, and not what of them."""
    operation, used = executor.operation, _Variables()
    parts: list[Node | None] = [*executor.fragment_definitions.values()]
    for selection in operation.selection_set.selections:
        if isinstance(selection, FieldNode):
            parts += [*(selection.directives or ()), selection.selection_set]
        else:
            parts.append(selection)
    for part in filter(None, parts):
        visit(part, used)
    values = executor.variable_values.coerced
    document = operation.loc.source.body if operation.loc else ""
    name = operation.name.value if operation.name else None
    return Question(document, name, repr(sorted((name, values[name]) for name in used.names if name in values)))


class _Variables(Visitor):
    """Collects the names of those that are used."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.add(node.name.value)
