"""SQL functions that each database spells in its own way."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class DialectFunction(FunctionElement[Any]):
    """A function by its text for each dialect that has it, in which `{}` stands for the arguments."""

    spelled: ClassVar[Mapping[str, str]]


@compiles(DialectFunction)
def _spell(element: DialectFunction, compiler: SQLCompiler, **kw: Any) -> str:
    return element.spelled[compiler.dialect.name].replace("{}", compiler.process(element.clauses, **kw))
