"""What `appendfsync always` costs, which the runbook and ADR 5 speak of."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
import redis

from worker.sandbox.redis_server import EmbeddedRedis

pytestmark = [pytest.mark.bench, pytest.mark.integration]

WRITES_EACH = 300


@pytest.mark.parametrize("clients", [1, 20])
@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_writes_per_second(appendfsync: Literal["always", "everysec"], clients: int):
    def write(_client: int) -> None:
        with redis.Redis.from_url(server.url) as client:
            for number in range(WRITES_EACH):
                client.set("a", number)

    with EmbeddedRedis(appendfsync=appendfsync) as server, ThreadPoolExecutor(clients) as pool:
        started = time.perf_counter()
        list(pool.map(write, range(clients)))
        took_seconds = time.perf_counter() - started
    print(f"\n{appendfsync:>8}, {clients:>2} clients: {clients * WRITES_EACH / took_seconds:,.0f} writes/s")
