"""A bound for the memory of a process, that of its page cache included, which the kernel enforces."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
CGROUPS = Path("/sys/fs/cgroup")
BY_CONTROLLER = {"": (CGROUPS, "memory.max"), "memory": (CGROUPS / "memory", "memory.limit_in_bytes")}


@contextmanager
def confined(pid: int, size: int) -> Iterator[bool]:
    """Let a process take so many bytes beside those that it has, and be killed for more; whether that could be done."""
    home, group = _home(pid), None
    for root, limit in BY_CONTROLLER.values():
        group = group or _new_group(root / f"satchel-tests-{os.getpid()}", limit, size, pid)
    yield group is not None
    if group is not None:
        with suppress(OSError):  # the process is gone
            (home[group.parent] / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def _home(pid: int) -> dict[Path, Path]:
    """The group that a process is in now, by the root of its hierarchy."""
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    found = {controller: path for _, controller, path in lines}
    return {root: root / found.get(name, "").lstrip("/") for name, (root, _) in BY_CONTROLLER.items()}


def _new_group(group: Path, limit: str, size: int, pid: int) -> Path | None:
    """A group with the process in it; None where that is not allowed, or no group bounds memory here."""
    if not (group.parent / "cgroup.procs").exists():
        return None
    with suppress(OSError):
        group.mkdir()
        try:
            (group / limit).write_text(str(size))
            (group / "cgroup.procs").write_text(str(pid))
        except OSError:
            group.rmdir()
        else:
            return group
    return None
