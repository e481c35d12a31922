"""What a process used while it was looked at, from Linux's /proc."""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

SAMPLING = 0.01


@dataclass
class Sample:
    """One measurement; memory, growth and written in bytes, times in seconds.

    `peak` is the most that was resident, `growth` how much more that is than before. `written` counts what was
    handed to file systems on any disk, before the journal's own writes. `stolen` is the share of the machine's time
    that a hypervisor gave to others while this ran; 0 where there is none.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    growth: int = 0
    written: int = 0
    stolen: float = 0.0


class Process:
    """A running process, seen from outside."""

    def __init__(self, pid: int) -> None:
        self._root = Path(f"/proc/{pid}")

    @contextmanager
    def measured(self, sample: Sample | None = None) -> Iterator[Sample]:
        """Fill the sample, or a new one, with what happens in the block."""
        sample = sample or Sample()
        before = self._resident("VmRSS")
        sampled = nullcontext(lambda: self._resident("VmHWM")) if self._forget_peak() else self._sampled()
        with sampled as peak:
            cpu, written, stolen, start = self._cpu(), self._written(), _stolen(), time.perf_counter()
            yield sample
            sample.seconds = time.perf_counter() - start
            sample.stolen = (_stolen() - stolen) / (sample.seconds * (os.cpu_count() or 1))
            sample.cpu, sample.written = self._cpu() - cpu, self._written() - written
            sample.peak = peak()
        sample.growth = max(0, sample.peak - before)

    def _forget_peak(self) -> bool:
        """Let VmHWM begin anew; False where the kernel or a container does not allow it."""
        # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
        try:
            (self._root / "clear_refs").write_text("5")
        except OSError:
            return False
        return True

    @contextmanager
    def _sampled(self) -> Iterator[object]:
        """The second best: look again and again."""
        seen, done = [self._resident("VmRSS")], threading.Event()

        def look() -> None:
            while not done.wait(SAMPLING):
                seen.append(self._resident("VmRSS"))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield lambda: max(seen)
        finally:
            done.set()
            thread.join()

    def _resident(self, field: str) -> int:
        found = re.search(rf"^{field}:\s+(\d+) kB$", (self._root / "status").read_text(), re.MULTILINE)
        assert found, f"no {field}: has the process ended?"
        return int(found[1]) * 1024

    def _cpu(self) -> float:
        # The name, in parentheses, may hold spaces; utime and stime are the 14th and 15th field of all.
        fields = (self._root / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _written(self) -> int:
        found = re.search(r"^write_bytes: (\d+)$", (self._root / "io").read_text(), re.MULTILINE)
        assert found
        return int(found[1])


def _stolen() -> float:
    # https://man7.org/linux/man-pages/man5/proc_stat.5.html
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")


def settle() -> None:
    """Let the disks finish what earlier measurements left to them."""
    os.sync()
