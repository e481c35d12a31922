"""What clients asked for and what came of it, written down as it happens."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["ok", "fail", "unknown"]


@dataclass
class Operation:
    """One request: what it was to do, and what is known of it. One that has no answer is `unknown`."""

    number: int
    do: str
    what: dict[str, Any]
    outcome: Outcome = "unknown"
    answer: dict[str, Any] = field(default_factory=dict)


class Journal:
    """A line before each request and one after each answer, each on the disk before the client goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab")
        self._number = 0

    def asks(self, do: str, **what: Any) -> int:
        """Write down what is asked for next; gives the number of the operation."""
        self._number += 1
        self._write({"number": self._number, "do": do, "what": what})
        return self._number

    def hears(self, number: int, outcome: Outcome, **answer: Any) -> None:
        """Write down what came of it."""
        self._write({"number": number, "outcome": outcome, "answer": answer})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fdatasync(self._file.fileno())

    def operations(self, do: str) -> Iterator[Operation]:
        """The operations of a kind, in the order in which they began."""
        found: dict[int, Operation] = {}
        for line in self.path.read_bytes().splitlines():
            told = json.loads(line)
            if "do" in told:
                found[told["number"]] = Operation(**told)
            else:
                operation = found[told["number"]]
                operation.outcome, operation.answer = told["outcome"], told["answer"]
        return (operation for operation in found.values() if operation.do == do)
