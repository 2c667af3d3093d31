"""The Lua moves of the guards, each behind the part that they share."""

from collections.abc import Awaitable
from importlib.resources import files
from typing import Any, Final, cast

from redis.asyncio import Redis

_FOLDER: Final = files("worker.guards") / "lua"


class Moves:
    """Every move as a callable: `await moves("allot", "shop", "default", ...)`: names and values."""

    def __init__(self, redis: Redis) -> None:
        shared = (_FOLDER / "shared.lua").read_text()
        self._scripts = {
            name: redis.register_script(shared + (_FOLDER / f"{name}.lua").read_text()) for name in ("allot", "probed")
        }

    def __call__(self, name: str, *args: str | float) -> Awaitable[Any]:
        """Run one move; the answer is what its header says."""
        return cast("Awaitable[Any]", self._scripts[name](keys=[], args=list(args)))
