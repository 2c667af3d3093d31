"""The Lua moves: each file is loaded once, behind the shared prelude, and called by its hash."""

from collections.abc import Awaitable
from importlib.resources import files
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.trail import TRAIL_LUA

_FOLDER: Final = files("worker.ledger") / "lua"
#: Put before each move, in this order, behind what the audit trail needs.
_SHARED: Final = ("money", "prelude")


class Moves:
    """Every move as a callable: `await moves("settle", now, key, ...)`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        prelude = TRAIL_LUA + "".join((_FOLDER / f"{name}.lua").read_text() for name in _SHARED)
        names = [path.name.removesuffix(".lua") for path in _FOLDER.iterdir() if path.name.endswith(".lua")]
        self._scripts: dict[str, AsyncScript] = {
            name: redis.register_script(prelude + (_FOLDER / f"{name}.lua").read_text())
            for name in names
            if name not in _SHARED
        }

    def __call__(self, name: str, *args: str | float) -> Awaitable[Any]:
        """Run one move; the answer is what its header says."""
        return cast("Awaitable[Any]", self._scripts[name](keys=[], args=list(args)))

    async def on_disk(self, name: str, *args: str | float, timeout_ms: int) -> Any:  # noqa: ANN401 - what the move says
        """Run one move and wait until it is on this server's disk, in one round trip.

        Raises:
            RedisTimeoutError: The move was made, but is not known to be on disk.
        """
        pipe = self._redis.pipeline(transaction=False)
        await self._scripts[name](keys=[], args=list(args), client=pipe)
        pipe.waitaof(1, 0, timeout_ms)  # type: ignore[unused-awaitable]  # queued
        answer, on_disk = await pipe.execute()
        if not on_disk or int(on_disk[0]) < 1:
            raise RedisTimeoutError(f"{name} was not on disk within {timeout_ms} ms")
        return answer

    async def has_wait(self) -> bool:
        """Whether the server has WAITAOF (Redis 7.2, Valkey)."""
        try:
            await self._redis.waitaof(0, 0, 1)
        except ResponseError:
            return False
        return True
