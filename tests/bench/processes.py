"""Processes of the benchmark: started together, measured as a tree, ended by their ids."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """Give a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (fields := _stat(int(path.name))):
            children.setdefault(int(fields[1]), []).append(int(path.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    """Give the fields of /proc/<pid>/stat from the state on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time, user and system, of these processes and of their children that have ended."""
    ticks = sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid)))
    return ticks / _TICKS


def peak_rss_mb(pids: Sequence[int]) -> float:
    """The largest resident sizes that these processes had, added up; pages that they share count in each."""
    total_kb = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return total_kb / 1024


class Processes:
    """What one run has started; ends all of it. Each process has a log in `folder`."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder, self.env = folder, dict(env)
        self._popens: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self.stop()

    def start(self, name: str, command: Sequence[str | Path], **env: str) -> subprocess.Popen[bytes]:
        """Start one process in a session of its own, so that its children end with it."""
        with (self.folder / f"{name}.log").open("wb") as log:
            popen = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.env["PYTHONPATH"],
                env=self.env | env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._popens.append((name, popen))
        return popen

    def run(self, name: str, command: Sequence[str | Path], *, seconds: float = 120, **env: str) -> None:
        """Run one process to its end.

        Raises:
            RuntimeError: It failed, or took too long.
        """
        popen = self.start(name, command, **env)
        try:
            code = popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{name} took more than {seconds:.0f} s\n{self.log_of(name)}") from None
        self._popens.remove((name, popen))
        if code:
            raise RuntimeError(f"{name} ended with {code}\n{self.log_of(name)}")

    @property
    def pids(self) -> list[int]:
        """Every process that runs, with its descendants."""
        return [pid for _, popen in self._popens for pid in tree(popen.pid)]

    def check(self) -> None:
        """See that nothing has ended by itself.

        Raises:
            RuntimeError: Something has; its log is in the text.
        """
        for name, popen in self._popens:
            if popen.poll() is not None:
                raise RuntimeError(f"{name} ended with {popen.returncode}\n{self.log_of(name)}")

    def log_of(self, name: str) -> str:
        """The last lines of a log."""
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-25:])

    def stop(self) -> None:
        """End every process with its children, at once: what they hold is thrown away with the Redis."""
        for _, popen in self._popens:
            _kill_session(popen)
        self._popens.clear()


def _kill_session(popen: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()
