"""What operators use: dead letters, ledger, doctor, explain, the demo."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.stack import Stack

Job = Callable[..., dict[str, Any]]


def test_a_replayed_dead_letter_is_refunded_once_its_cause_is_gone(stack: Stack, a_job: Job):
    number = 5000
    job = a_job(order_id=number)
    key = job["idempotency_key"]
    stack.submit(job)
    assert stack.settle([key]) == {key: "dead"}
    listed = stack.refunds("dead", "list", "--reason", "order_not_found")
    assert key in listed.stdout
    order = stack.shop("GET", "/rest/V1/orders/5")
    stack.shop("POST", "/sandbox/orders", {"orders": [{**order, "entity_id": number, "increment_id": "X-5000"}]})

    dry = stack.refunds("dead", "replay", key, "--dry-run", "--json")
    replayed = stack.refunds("dead", "replay", key, "--by", "ann", "--why", "order was restored")

    foreseen, frozen = map(json.loads, dry.stdout.splitlines())
    assert foreseen["outlook"] == "would_refund"
    assert frozen["sums"] == {"would_refund": [1, foreseen["money"]]}
    assert replayed.returncode == 0, replayed.stdout
    assert stack.settle([key]) == {key: "settled"}
    history = json.loads(stack.refunds("show", key, "--json").stdout)["history"]
    assert [line for line in history if line.get("event") == "replayed" and line["by"] == "ann"]
    assert stack.refunds("dead", "show", key).returncode == 1
    assert stack.refunds("dead", "replay", key).returncode == 1


def test_init_on_an_existing_ledger_changes_nothing(stack: Stack):
    before = stack.client.hgetall("refunds:ledger")
    done = stack.refunds("ledger", "init")
    assert done.returncode == 0
    assert "already" in done.stdout
    assert stack.client.hgetall("refunds:ledger") == before


def test_after_loss_is_said_and_ends_with_trust(stack: Stack):
    env = {"REFUNDS_REDIS_URL": stack.redis_url.removesuffix("/0") + "/8"}
    assert stack.refunds("ledger", "status", env=env).returncode == 1
    assert "looked up" in stack.refunds("ledger", "init", "--after-loss", env=env).stdout
    assert json.loads(stack.refunds("ledger", "status", "--json", env=env).stdout)["mode"] == "after_loss"
    assert stack.refunds("ledger", "init", "--trust", env=env).returncode == 0
    found = json.loads(stack.refunds("ledger", "status", "--json", env=env).stdout)
    assert (found["mode"], found["adds_up"]) == ("normal", True)


def test_status_adds_up(stack: Stack, a_job: Job):
    job = a_job()
    stack.submit(job)
    stack.settle([job["idempotency_key"]])
    found = json.loads(stack.refunds("ledger", "status", "--json").stdout)
    assert found["adds_up"]
    assert found["accepted"] == sum(found["states"].values())


def test_an_edit_that_changes_nothing_makes_no_revision(stack: Stack, a_job: Job):
    job = a_job(order_id=9_999_999)
    key = job["idempotency_key"]
    assert stack.refunds("submit", "-", "--wait", input=json.dumps(job)).returncode == 1
    said = ("--by", "ann", "--why", "a test")
    same = stack.refunds("dead", "edit", key, "--set", "order_id=9999999", "--replay", *said)
    assert same.returncode == 2
    assert f"refunds dead replay {key}" in same.stderr
    for editor in ("false", "/no/such/editor"):  # left as one gives up; not there
        done = stack.refunds("dead", "edit", key, *said, env={"EDITOR": editor})
        assert done.returncode == 2
        assert "nothing was changed" in done.stderr
    assert json.loads(stack.refunds("dead", "show", key, "--json").stdout)["revision"] == 1


def test_an_audit_of_nothing_does_not_agree(stack: Stack):
    wrong = [
        ("audit", "--campaign", "misspelt"), ("audit", "--trail", "--noted", "abc"),
        ("audit", "--since", "2026-02-30"), ("audit", "--since", "2026-02-03 25:00:00"),
    ]  # fmt: skip
    words = ["no campaign is named 'misspelt'", "--noted must be a hash", "--since must be", "--since must be"]
    for args, said, done in zip(wrong, words, stack.refunds_at_once(wrong), strict=True):
        assert (done.returncode, done.stdout) == (2, ""), args
        assert said in done.stderr
    commands = [("audit",), ("campaign", "report", "any")]
    for done in stack.refunds_at_once(commands, env={"REFUNDS_SHOPS": ""}):
        assert done.returncode == 2
        assert "no shop is configured" in done.stderr


def test_an_output_that_is_closed_is_no_bug(stack: Stack):
    for closed in (">&-", "2>&-"):
        done = stack.shell(f"python -m worker dead list {closed}")
        assert done.returncode == 0, done.stderr


def test_an_export_names_the_file_that_cannot_be_written(stack: Stack, tmp_path: Path):
    for out, words in ((tmp_path, "it is a directory"), (tmp_path / "no" / "file.csv", "No such file or directory")):
        done = stack.refunds("dead", "export", "--out", str(out))
        assert done.returncode == 2
        assert f"cannot write {out}: {words}" in done.stderr
    assert not list(tmp_path.iterdir())


def test_doctor_finds_the_stack_well_and_names_what_is_not(stack: Stack):
    assert stack.refunds("doctor").returncode == 0
    stack.client.config_set("appendfsync", "everysec")
    try:
        done = stack.refunds("doctor", "--json")
    finally:
        stack.client.config_set("appendfsync", "always")
    checks = {check["name"]: check for check in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    assert [name for name, check in checks.items() if not check["ok"]] == ["redis appendfsync"]
    assert "appendfsync always" in checks["redis appendfsync"]["detail"]


def test_doctor_tells_refused_credentials(stack: Stack):
    shops = json.loads(stack.env["REFUNDS_SHOPS"])
    shops["default"]["consumer_secret"] = "not-the-secret"
    done = stack.refunds("doctor", env={"REFUNDS_SHOPS": json.dumps(shops)})
    assert done.returncode == 1
    assert "BAD   shop default" in done.stdout
    assert "not-the-secret" not in done.stdout + done.stderr


def test_explain_live_gives_the_exact_body_and_sends_nothing(stack: Stack, a_job: Job):
    job = a_job(amount=None, full=True)
    before = len(stack.memos())

    done = stack.refunds("explain", "-", "--live", "--json", input=json.dumps(job))

    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert said["path"] == f"/V1/order/{job['order_id']}/refund"
    assert all(isinstance(item["order_item_id"], int) for item in said["body"]["items"])
    assert len(stack.memos()) == before


def test_the_demo_agrees_with_the_shops_books(stack: Stack, tmp_path: Path):
    done = stack.refunds("demo", "--jobs", "60", "--seed", "3", "--json", env={"TMPDIR": str(tmp_path)}, timeout=110)

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["ok"]
    assert figures["credit_memos"] == figures["settled_process"] + figures["settled_persist"] == figures["settled"]
    assert (figures["doubled"], figures["in_doubt"]) == (0, 0)
    assert figures["money_asked"] == figures["money_refunded"]
    assert len(figures["services"]) == 4
    assert not list(tmp_path.iterdir()), "the demo leaves nothing behind"
