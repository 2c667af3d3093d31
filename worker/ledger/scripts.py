"""The Lua moves: each file is loaded once, behind the shared prelude, and called by its hash."""

import hashlib
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from worker.ledger.pipe import Pipe
from worker.trail import TRAIL_LUA

_FOLDER: Final = files("worker.ledger") / "lua"
#: Put before each move, in this order, behind what the audit trail needs.
_SHARED: Final = ("letters", "money", "prelude")
#: How long a write may take to reach the disk. Slower is an error: nothing is sent on a promise that may be lost.
DISK_TIMEOUT_MS: Final = 5000
#: Bundles that wait for the disk at a time: each for up to a second where Redis writes once a second.
_WAITING_FOR_DISK: Final = 16


def shared_lua() -> str:
    """What is put before every move."""
    return TRAIL_LUA + "".join((_FOLDER / f"{name}.lua").read_text() for name in _SHARED)


class Moves:
    """Every move as a callable: `await moves("settle", now, key, ...)`. Those of one turn travel together."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pipe = Pipe(redis)
        self._to_disk = Pipe(redis, wait_for_disk_ms=DISK_TIMEOUT_MS, most_under_way=_WAITING_FOR_DISK)
        shared = shared_lua()
        names = [path.name.removesuffix(".lua") for path in _FOLDER.iterdir() if path.name.endswith(".lua")]
        sources = {name: shared + (_FOLDER / f"{name}.lua").read_text() for name in names if name not in _SHARED}
        self._scripts = {name: (hashlib.sha1(text.encode()).hexdigest(), text) for name, text in sources.items()}  # noqa: S324 - how Redis names scripts

    async def __call__(self, name: str, *args: str | float) -> Any:  # noqa: ANN401 - what the header of the move says
        """Run one move; the answer is what its header says."""
        return await self._run(self._pipe, name, args)

    async def on_disk(self, name: str, *args: str | float) -> Any:  # noqa: ANN401
        """Run one move and wait until it is on this server's disk, in one round trip.

        Raises:
            RedisTimeoutError: The move was made, but is not known to be on disk.
        """
        return await self._run(self._to_disk, name, args)

    async def _run(self, pipe: Pipe, name: str, args: tuple[str | float, ...]) -> Any:  # noqa: ANN401
        sha, text = self._scripts[name]
        try:
            return await pipe.ask("EVALSHA", sha, 0, *args)
        except NoScriptError:  # a server that was started, or flushed its scripts, since
            return await pipe.ask("EVAL", text, 0, *args)

    async def has_wait(self) -> bool:
        """Whether the server has WAITAOF (Redis 7.2, Valkey)."""
        try:
            await self._redis.waitaof(0, 0, 1)
        except ResponseError:
            return False
        return True
