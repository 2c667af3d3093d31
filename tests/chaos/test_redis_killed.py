import pytest
import redis

from worker.sandbox.redis_server import EmbeddedRedis

pytestmark = [pytest.mark.chaos, pytest.mark.integration]


def test_what_redis_acknowledged_survives_its_kill():
    """The promise that the ledger stands on: an answer means that it is on disk."""
    with EmbeddedRedis() as server:
        url, acknowledged = server.url, 0
        for _round in range(5):
            with redis.Redis.from_url(url) as client:
                for _write in range(200):
                    acknowledged = int(client.incr("acknowledged"))
            server.kill()
            assert not server.is_running
            assert server.restart() == url
            with redis.Redis.from_url(url) as client:
                assert int(client.get("acknowledged") or 0) == acknowledged
