"""What the figures were measured on: no name of any host."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.bench.stand import ROOT

_OURS: Final = ("celery", "kombu", "redis", "aiohttp", "pydantic")
_PEERS: Final = {"bench": ("taskiq", "taskiq-redis", "dramatiq", "redis"), "bench-arq": ("arq", "redis")}


def machine() -> str:
    """Give processor, cores and memory."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*:\s*(.+)", info)
    hertz = re.search(r"cpu MHz\s*:\s*(\d+)", info)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    name = model[1].strip() if model else platform.machine()
    speed = f" at {int(hertz[1]) / 1000:.1f} GHz" if hertz else ""
    return f"{name}{speed}, {os.cpu_count()} cores, {memory_gb:.0f} GB, {platform.system()} {platform.machine()}"


def load() -> str:
    """Say how busy the machine was before anything was measured: of a busy one only ratios count."""
    average = os.getloadavg()[0]
    is_quiet = average < 0.5 * (os.cpu_count() or 1)
    return f"load average {average:.1f} in the minute before" + (
        "" if is_quiet else " (an installation counts too): **trust the ratios, not the figures**"
    )


def versions(server: str) -> str:
    """Give the versions of everything that was compared."""
    ours = ", ".join(f"{name} {version(name)}" for name in _OURS)
    peers = "; ".join(", ".join(f"{name} {_locked(lock, name)}" for name in names) for lock, names in _PEERS.items())
    return f"Python {platform.python_version()}, {server}; ours and Celery: {ours}; peers: {peers}"


def _locked(lock: str, name: str) -> str:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    found = re.search(rf"(?m)^{re.escape(name)}==(\S+)", text)
    return found[1] if found else "?"
