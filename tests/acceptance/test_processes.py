"""The process types: ready when they say so, and gone when they are told."""

import re
import signal
import socket
import urllib.request
from functools import partial

import pytest
import redis

from tests.stack import Stack


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def has_started(stack: Stack, name: str) -> bool:
    return "process.started" in stack.log_of(name)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_redis_prints_its_url_when_it_answers_and_ends_on_a_signal(stack: Stack, how: signal.Signals):
    process = stack.start_process("redis", "redis", "--port", "0", wait_for_line=True)
    assert process.stdout is not None
    with redis.Redis.from_url(process.stdout.readline().decode().strip()) as client:
        assert client.ping()
    assert stack.end(process, how=how) == 0


def test_intake_and_upkeep_stay_up_without_a_ledger_say_so_and_end_on_sigterm(stack: Stack):
    url = stack.redis_url.removesuffix("/0") + "/9"
    for name in ("intake", "upkeep"):
        process = stack.start_process(f"bare-{name}", name, env={"REFUNDS_REDIS_URL": url})
        stack.wait_until(partial(has_started, stack, f"bare-{name}"))
        assert "ledger.missing" in stack.log_of(f"bare-{name}")
        assert process.poll() is None
        assert stack.end(process) == 0


def test_a_worker_loads_no_other_commands(stack: Stack):
    """What is loaded stays for months: reports, other commands of ours, and Celery's with their shell."""
    env = {"REFUNDS_REDIS_URL": stack.redis_url.removesuffix("/0") + "/11", "PYTHONPROFILEIMPORTTIME": "1"}
    process = stack.start_process("counted-worker", "worker", env=env)
    try:
        stack.wait_until(lambda: " ready." in stack.log_of("counted-worker"))
    finally:
        assert stack.end(process) == 0
    log = (stack.folder / "counted-worker-0.log").read_text()
    loaded = set(re.findall(r"\| +([\w.]+)$", log, flags=re.MULTILINE))
    assert {"celery.bin.worker", "worker.chunk"} <= loaded
    assert not loaded & {
        "celery.bin.celery",
        "prompt_toolkit",
        "jinja2",
        "worker.cli.submit",
        "worker.campaigns.report",
    }


@pytest.mark.parametrize("name", ["worker", "upkeep", "intake"])
def test_a_process_serves_its_metrics_where_it_is_told_to(stack: Stack, name: str):
    port = free_port()
    env = {"REFUNDS_METRICS_ADDRESS": f"127.0.0.1:{port}"}
    process = stack.start_process(f"watched-{name}", name, env=env)
    try:
        stack.wait_until(lambda: answers(port))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert b"# TYPE refunds_attempts_total counter" in answer.read()

        other = stack.start_process(f"second-{name}", name, env=env)
        stack.wait_until(lambda: "metrics.not_served" in stack.log_of(f"second-{name}"))
        assert stack.end(other) == 0
    finally:
        assert stack.end(process) == 0


def test_a_worker_without_a_ledger_sends_nothing_until_init(stack: Stack):
    url = stack.redis_url.removesuffix("/0") + "/10"
    env = {"REFUNDS_REDIS_URL": url}
    process = stack.start_process("bare-worker", "worker", env=env)
    try:
        done = stack.refunds(
            "submit", "-", input='{"idempotency_key": "bare", "order_id": 8, "amount": "1.00"}', env=env
        )
        assert done.returncode == 0
        stack.wait_until(lambda: "ledger.missing" in stack.log_of("bare-worker"))
        assert not [memo for memo in stack.memos() if memo["marker"] == "ref bare"]

        stack.refunds("ledger", "init", env=env)

        stack.wait_until(lambda: [memo for memo in stack.memos() if memo["marker"] == "ref bare"], 30)
    finally:
        assert stack.end(process) == 0
