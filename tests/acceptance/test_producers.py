"""The examples of docs/producers.md (and the README), run as they stand there, and garbage at the same doors."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT, Stack

TEXT = (ROOT / "docs" / "producers.md").read_text()
BLOCKS: dict[str, str] = {}
for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
    BLOCKS.setdefault(language, block)


def test_the_readme_shows_the_same_examples():
    readme = (ROOT / "README.md").read_text()
    assert f"```sh\n{BLOCKS['sh']}```" in readme
    assert f"```python\n{BLOCKS['python']}```" in readme


def letters(stack: Stack) -> list[dict[str, Any]]:
    done = stack.refunds("dead", "list", "--reason", "invalid", "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_shell_example_becomes_a_credit_memo(stack: Stack):
    """`redis-cli` may not be installed; what it would send is sent, word for word."""
    words = shlex.split(BLOCKS["sh"])
    assert words[:3] == ["redis-cli", "-u", "$REFUNDS_REDIS_URL"]

    stack.client.execute_command(*words[3:])

    stack.wait_until(lambda: stack.state("rma-1001"))
    assert stack.settle(["rma-1001"]) == {"rma-1001": "settled"}
    assert [memo["order_id"] for memo in stack.memos() if memo["marker"] == "ref rma-1001"] == [1]


def test_the_ten_line_python_example_becomes_a_credit_memo(stack: Stack, tmp_path: Path):
    assert len(BLOCKS["python"].splitlines()) <= 10
    program = tmp_path / "producer.py"
    program.write_text(BLOCKS["python"])

    done = subprocess.run(
        [sys.executable, str(program)],
        env={"PATH": "", "REFUNDS_BROKER_URL": stack.redis_url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    stack.wait_until(lambda: stack.state("rma-1002"))
    assert stack.settle(["rma-1002"]) == {"rma-1002": "settled"}
    (memo,) = [memo for memo in stack.memos() if str(memo["marker"]).endswith("ref rma-1002")]
    assert memo["base_grand_total"] == 3.5


@pytest.mark.parametrize(
    "fields",
    [{"job": b"\xff\xfe not a job"}, {"job": "{"}, {"jib": "x", "other": b"\xff"}],
    ids=["not UTF-8", "half", "no job"],
)
def test_garbage_in_the_stream_becomes_a_dead_letter_with_its_bytes(stack: Stack, fields: dict[Any, Any]):
    known = {letter["id"] for letter in letters(stack)}

    stack.client.xadd("refunds:intake", fields)

    stack.wait_until(lambda: stack.client.xlen("refunds:intake") == 0)
    (letter,) = [letter for letter in letters(stack) if letter["id"] not in known]
    assert letter["verdict"] == "not_sent"
    assert letter["message"]
    assert letter["raw"]
    replayed = stack.refunds("dead", "replay", letter["id"])
    assert replayed.returncode == 1
    assert "submit it again" in replayed.stdout


def test_an_invalid_document_of_send_task_becomes_a_dead_letter(stack: Stack, a_job: Callable[..., dict[str, Any]]):
    from celery import Celery  # noqa: PLC0415 - as a producer would

    job = a_job(amount=12.5)
    with Celery(broker=stack.redis_url, set_as_current=False) as app:
        app.send_task("refunds.submit", args=[job])

    stack.wait_until(lambda: any(letter["key"] == job["idempotency_key"] for letter in letters(stack)))


def test_arguments_that_are_none_of_the_task_become_a_dead_letter(stack: Stack, a_job: Callable[..., dict[str, Any]]):
    from celery import Celery  # noqa: PLC0415 - as a producer would

    jobs = [a_job() for _ in range(4)]
    with Celery(broker=stack.redis_url, set_as_current=False) as app:
        app.send_task("refunds.submit", kwargs={"job": jobs[0]}, queue="refunds.submit")
        app.send_task("refunds.submit", args=jobs[1:3], queue="refunds.submit")
        app.send_task("refunds.submit", kwargs={"document": jobs[3], "lane": "bulk"}, queue="refunds.submit")

    stack.settle([jobs[3]["idempotency_key"]])
    for job in jobs[:3]:
        key = job["idempotency_key"]
        stack.wait_until(lambda: any(key in letter["raw"] for letter in letters(stack)))  # noqa: B023 - waited for here
        assert stack.state(key) is None


@pytest.mark.parametrize(
    "garbage", [b"{", b"\xff\xfe", b'{"idempotency_key": "a"}'], ids=["half", "not UTF-8", "no message"]
)
def test_bytes_in_a_queue_that_are_no_message_end_no_worker(
    stack: Stack, a_job: Callable[..., dict[str, Any]], garbage: bytes
):
    alive = [process for process in stack.processes.values() if process.poll() is None]
    stack.client.lpush("refunds.express", garbage)
    stack.wait_until(lambda: stack.client.llen("refunds.express") == 0)

    job = a_job()
    stack.submit(job)

    assert stack.settle([job["idempotency_key"]]) == {job["idempotency_key"]: "settled"}
    assert all(process.poll() is None for process in alive)
