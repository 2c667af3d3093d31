"""The test stand: an embedded Redis, the shop, and what is read off them around one run."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import redis

from tests.bench.processes import Processes, cpu_seconds
from worker.sandbox.redis_server import EmbeddedRedis

ROOT: Final = Path(__file__).parents[2]
#: Test keys: the shop of the benchmark looks at no signature, but signing is part of the work.
_KEYS: Final = {name: f"bench-{name}" for name in ("consumer_key", "consumer_secret", "access_token", "access_secret")}
#: Of an append-only file that grew over this, the next run begins with a new one.
_AOF_BYTES: Final = 256 * 1024 * 1024
#: A file system in memory, with room for the largest run.
MEMORY_DISK: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_MEMORY_BYTES: Final = 4 * 1024**3


def has_memory_disk() -> bool:
    """Whether there is a file system in memory with room enough; containers often have a tiny one."""
    return MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free >= _MEMORY_BYTES


def say(text: str) -> None:
    """Tell the reader how far the benchmark is."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


class Stand:
    """Redis and the shop, for many runs.

    Attributes:
        client: Of the Redis.
        env: Environment for every process.
    """

    def __init__(self, folder: Path, server: EmbeddedRedis, shop: subprocess.Popen[bytes]) -> None:
        self.folder, self.server, self._shop = folder, server, shop
        self._unread = b""
        self.shop_url = f"http://127.0.0.1:{self._line(30)}"
        self.client = redis.Redis.from_url(server.url, decode_responses=True)
        self.env = self._environment()

    @classmethod
    @contextlib.contextmanager
    def open(cls, *, on_disk: bool = False) -> Iterator[Self]:
        """Start Redis (`appendfsync always`, as we ask of production) and the shop; end both.

        Args:
            on_disk: Whether its file is on the disk. In memory, what is measured is the code and not the disk, of
                which every variant with many small writes waits the longest, and no two runs alike.
        """
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refunds-bench-")))
            data = (
                folder
                if on_disk or not has_memory_disk()
                else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refunds-bench-", dir=MEMORY_DISK)))
            )
            server = stack.enter_context(EmbeddedRedis(directory=data / "redis", appendfsync="always"))
            shop = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.shop"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            stack.callback(shop.wait)
            stack.callback(shop.terminate)
            stand = cls(folder, server, shop)
            stack.callback(stand.client.close)
            stand.client.config_set("auto-aof-rewrite-percentage", 0)  # none in the middle of a measurement
            yield stand

    def shops(self, **changes: object) -> dict[str, str]:
        """Give the variable that names the shop, with other settings for it."""
        table = {
            "base_url": self.shop_url,
            "auth": "oauth1",
            **_KEYS,
            "max_concurrency": 200,
            "rate_per_second": 100_000,
        }
        return {"REFUNDS_SHOPS": json.dumps({"default": table | changes})}

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()  # noqa: TID251
            if not name.startswith("REFUNDS_") and name != "VIRTUAL_ENV"
        }
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "REFUNDS_REDIS_URL": self.server.url,
            **self.shops(),
            "REFUNDS_LOG_FORMAT": "json",
            "REFUNDS_SHUTDOWN_GRACE_SECONDS": "2",
            "BENCH_REDIS_URL": self.server.url,
            "BENCH_SHOP_URL": self.shop_url,
        }

    def processes(self, **env: str) -> Processes:
        """Make the processes of one run."""
        return Processes(self.folder, self.env | env)

    def refunds(self, *args: str) -> None:
        """Run one command to its end.

        Raises:
            RuntimeError: It failed.
        """
        with self.processes() as processes:
            processes.run("refunds", [sys.executable, "-m", "worker", *args], seconds=600)

    @staticmethod
    def wait_until(is_so: Callable[[], object], check: Callable[[], None], *, seconds: float = 60) -> None:
        """Wait until something is so.

        Args:
            check: Raises when waiting is in vain.

        Raises:
            TimeoutError: It did not come to pass.
        """
        deadline = time.monotonic() + seconds
        while not is_so():
            check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so within {seconds:.0f} s")
            time.sleep(0.02)  # noqa: TID251 - waits for other processes

    # --- Redis ------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Empty the Redis."""
        self.client.execute_command("FLUSHALL", "SYNC")  # Valkey frees in the background otherwise
        if int(self.client.info("persistence")["aof_current_size"]) > _AOF_BYTES:
            self.client.bgrewriteaof()
            while self.client.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(0.05)  # noqa: TID251 - another process works

    def memory(self) -> int:
        """Bytes that the server has in use for data: buffers of clients and of the append-only file are none."""
        stats = self.client.memory_stats()
        return int(stats["total.allocated"]) - int(stats["clients.normal"]) - int(stats["aof.buffer"])

    def redis_cpu_seconds(self) -> float:
        """CPU time of the server so far."""
        assert self.server.pid
        return cpu_seconds([self.server.pid])

    def calls(self) -> dict[str, int]:
        """Commands since the last reset of the statistics, by name; those inside scripts count too."""
        stats: Mapping[str, Mapping[str, Any]] = self.client.info("commandstats")
        return {name.removeprefix("cmdstat_"): int(of["calls"]) for name, of in stats.items()}

    def reads(self) -> int:
        """How often the server has read from a socket: about the round trips of all clients."""
        return int(self.client.info("stats").get("total_reads_processed", 0))

    @property
    def versions(self) -> str:
        """Name and version of the server."""
        info = self.client.info("server")
        name = info.get("server_name", "redis")
        return f"{name} {info.get('valkey_version') or info['redis_version']}"

    # --- the shop ---------------------------------------------------------------------------------------------

    def reset_shop(self, latency_ms: float) -> None:
        """Forget all refunds; from now on each is answered after `latency_ms`."""
        self._tell(f"reset {latency_ms / 1000}")
        while self._line(10) != "ok":  # a late `first` of the run before
            pass

    def first_refund(self, check: Callable[[], None], *, seconds: float) -> float:
        """Wait for the first refund after the reset; gives its monotonic time.

        Args:
            check: Raises when waiting is in vain.

        Raises:
            TimeoutError: None came.
        """
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(TimeoutError):
                word, at = self._line(0.2).split()
                assert word == "first"
                return float(at)
            check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"no refund within {seconds:.0f} s")

    def stats(self) -> dict[str, Any]:
        """What the shop has seen since the reset."""
        self._tell("stats")
        while not (line := self._line(10)).startswith("{"):
            pass
        return dict(json.loads(line))

    def refuse(self) -> None:
        """From now on the shop refuses every refund."""
        self._tell("refuse")
        while self._line(10) != "ok":
            pass

    def times(self) -> list[float]:
        """When each refund since the reset came in, monotonic seconds."""
        self._tell("times")
        while not (line := self._line(10)).startswith("["):
            pass
        return list(json.loads(line))

    def _tell(self, line: str) -> None:
        assert self._shop.stdin
        self._shop.stdin.write(f"{line}\n".encode())
        self._shop.stdin.flush()

    def _line(self, seconds: float) -> str:
        assert self._shop.stdout
        descriptor, deadline = self._shop.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._unread:
            readable, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
            if not readable:
                raise TimeoutError("the shop said nothing")
            data = os.read(descriptor, 65536)
            if not data:
                raise RuntimeError("the shop of the benchmark has ended")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()
