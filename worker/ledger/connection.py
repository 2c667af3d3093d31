"""Connections to the ledger's Redis. Each new one first tells the ledger which server process answers.

A Redis that was restarted or replaced may have lost its newest writes. Because this check comes before any other
command on a connection, no entry can be claimed on such a server as if nothing had happened.
"""

from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from worker.ledger.scripts import source_of

#: Commands in flight at once per process; each takes a fraction of a millisecond.
_MAX_CONNECTIONS: Final = 64


def run_id_of(info: str | bytes) -> str:
    """Find the server's run id in the text of INFO server."""
    text = info.decode() if isinstance(info, bytes) else info
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("run_id:"))


async def _introduce(connection: AbstractConnection) -> None:
    await connection.on_connect()
    await connection.send_command("INFO", "server")
    run_id = run_id_of(await connection.read_response())
    await connection.send_command("EVAL", source_of("note_server"), 0, "", run_id)
    await connection.read_response()


def connect(url: str, *, timeout_seconds: float = 5) -> Redis:
    """Give a client of the ledger's Redis.

    Commands are not repeated behind our back: a move that was cut off is released and looked at again.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout_seconds: For one command, and for a free connection.
    """
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "redis_connect_func": _introduce,
    }
    if url.startswith("unix:"):
        del options["socket_keepalive"]
    pool = BlockingConnectionPool.from_url(url, max_connections=_MAX_CONNECTIONS, timeout=timeout_seconds, **options)
    return Redis.from_pool(pool)  # which closes the pool with the client
