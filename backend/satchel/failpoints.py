"""Places where a test lets a server die or stand still, named after the steps of the write protocol (`satchel.files`).

`SATCHEL_FAILPOINT=U4.before_commit:kill`, in the environment only, is read once, at the first import. Without it
reaching a step does nothing at all.

    kill    the process ends at once, as with a power cut (SIGKILL)
    stop    the process stands still until it is told to go on (SIGSTOP), as a machine does that swaps or is moved
"""

import os
import signal
from collections.abc import Callable
from typing import Literal, get_args

Step = Literal[
    # An upload
    "U1.admitted",  # nothing is written yet
    "U1.intended",  # the intent is committed
    "U2.created",  # the object may be written to
    "U2.written",  # some of its bytes are stored
    "U3.written",  # all of its bytes are stored, but for the last step's
    "U3.stored",  # the object is whole; its directory is not durable, or the store was not asked for its size
    "U3.durable",
    "U4.begun",  # inside the publishing transaction, from here on
    "U4.lease_ended",
    "U4.key_claimed",
    "U4.blob_held",
    "U4.duplicate_discarded",
    "U4.before_commit",
    "U4.committed",
    "U6.woken",
    "U5.before_answer",
    # An upload that failed
    "X.aborted",  # the bytes are given up, the intent still stands
    "X.abandoned",  # the intent is garbage
    # A deletion
    "D.file_deleted",  # inside its transaction
    "D.before_commit",
    "D.committed",
    # The sweeper
    "S.expired",  # the intents that ran out are garbage
    "S.claimed",
    "S.removed",  # the first object is gone, its row is not
    "S.forgotten",
]
"""Where it can happen, in the order of the steps."""

_ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def _nothing(_: Step) -> None:
    """What reaching a step comes to where no test is at work."""


def armed(failpoint: str) -> Callable[[Step], None]:
    """What to call at each step, for a value of the variable.

    Raises:
        SystemExit: no such step, or no such action; in one line that names the variable.
    """
    if not failpoint:
        return _nothing
    wanted, _, action = failpoint.partition(":")
    if wanted not in get_args(Step) or action not in _ACTIONS:
        raise SystemExit(f"satchel: SATCHEL_FAILPOINT: must be a step and {' or '.join(_ACTIONS)} (got {failpoint!r})")

    def reached(step: Step) -> None:
        if step == wanted:
            os.kill(os.getpid(), _ACTIONS[action])

    return reached


reach = armed(os.environ.get("SATCHEL_FAILPOINT", ""))
