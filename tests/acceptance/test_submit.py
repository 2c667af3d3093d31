"""`refunds submit` from outside: receipts, exit codes, and credit memos in the shop's books."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.stack import Stack

Job = Callable[..., dict[str, Any]]


def receipts(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def memos_of(stack: Stack, key: str) -> list[dict[str, Any]]:
    return [memo for memo in stack.memos() if str(memo["marker"]).endswith(f"ref {key}")]


def test_a_submitted_job_becomes_one_credit_memo(stack: Stack, a_job: Job, tmp_path: Path):
    job = a_job(amount="2.75", comment="Sorry.")
    file = tmp_path / "job.json"
    file.write_text(json.dumps(job, indent=2))

    done = stack.refunds("submit", str(file), "--json", "--wait")

    assert done.returncode == 0, done.stderr
    assert receipts(done.stdout) == [
        {"line": 1, "idempotency_key": job["idempotency_key"], "status": "accepted", "state": "queued", "problems": []}
    ]
    (memo,) = memos_of(stack, job["idempotency_key"])
    assert memo["base_grand_total"] == 2.75


def test_the_same_job_again_is_a_duplicate_and_refunds_nothing_more(stack: Stack, a_job: Job):
    job = a_job()
    stack.submit(job)
    stack.settle([job["idempotency_key"]])

    done = stack.refunds("submit", "-", "--json", input=json.dumps(job))

    assert done.returncode == 0
    assert [(one["status"], one["state"]) for one in receipts(done.stdout)] == [("duplicate", "settled")]
    assert len(memos_of(stack, job["idempotency_key"])) == 1


def test_another_content_under_the_same_key_is_a_conflict_that_names_the_field(stack: Stack, a_job: Job):
    job = a_job()
    stack.submit(job)

    done = stack.refunds("submit", "-", input=json.dumps({**job, "amount": "9.99"}))

    assert done.returncode == 1
    assert "key_conflict" in done.stdout
    assert "amount was '1.25' and is now '9.99'" in done.stdout

    done = stack.refunds("submit", "-", input=json.dumps({**job, "return_to_stock": True}))

    assert "return_to_stock was not given and is now True" in done.stdout


def test_good_lines_of_a_file_are_accepted_beside_bad_ones(stack: Stack, a_job: Job):
    good, bad = a_job(), a_job(amount=1.25)

    done = stack.refunds("submit", "-", "--json", input="\n".join(map(json.dumps, (good, bad))) + "\nnot json\n\n")

    assert done.returncode == 1
    assert [(one["line"], one["status"]) for one in receipts(done.stdout)] == [
        (1, "accepted"),
        (2, "invalid"),
        (3, "invalid"),
    ]


def test_messages_of_a_file_are_entered_in_the_order_of_its_lines(stack: Stack, a_job: Job, tmp_path: Path):
    """Several travel together; a line that repeats one of an earlier message is still the one that is the duplicate."""
    jobs = [a_job() for _ in range(450)]
    jobs[330], jobs[430] = jobs[20], {**jobs[120], "amount": "9.99"}
    file = tmp_path / "jobs.jsonl"
    file.write_text("\n".join(map(json.dumps, jobs)))

    done = receipts(stack.refunds("submit", "--lane", "bulk", "--json", str(file)).stdout)

    assert [one["line"] for one in done] == list(range(1, 451))
    others = {one["line"]: one["status"] for one in done if one["status"] != "accepted"}
    assert others == {331: "duplicate", 431: "key_conflict"}


def test_a_job_that_dies_makes_wait_fail(stack: Stack, a_job: Job):
    job = a_job(order_id=999_999)

    done = stack.refunds("submit", "-", "--wait", input=json.dumps(job))

    assert done.returncode == 1
    assert f"dead: {job['idempotency_key']}" in done.stderr


def test_jobs_are_accepted_without_a_ledger_with_a_warning(stack: Stack, a_job: Job):
    other = stack.redis_url.removesuffix("/0") + "/7"

    done = stack.refunds("submit", "-", input=json.dumps(a_job()), env={"REFUNDS_REDIS_URL": other})

    assert done.returncode == 0
    assert "refunds ledger init" in done.stderr


def test_show_tells_the_history_attempt_by_attempt(stack: Stack, a_job: Job):
    job = a_job()
    stack.submit(job)
    stack.settle([job["idempotency_key"]])

    done = stack.refunds("show", job["idempotency_key"], "--json")

    entry = json.loads(done.stdout)
    assert done.returncode == 0
    assert entry["state"] == "settled"
    assert [line["outcome"] for line in entry["history"]] == ["refunded"]
    assert "attempt=1" in stack.refunds("show", job["idempotency_key"]).stdout


def test_an_unknown_key_is_said_to_be_unknown(stack: Stack):
    done = stack.refunds("show", "never-seen")
    assert (done.returncode, done.stdout) == (1, "")
    assert "never seen" in done.stderr


def test_a_reader_that_goes_away_is_no_error_message(stack: Stack):
    command = "python -m worker explain - </dev/null | true; python -m worker --help | head -1 >/dev/null"
    done = stack.shell(command)
    assert "Traceback" not in done.stderr
