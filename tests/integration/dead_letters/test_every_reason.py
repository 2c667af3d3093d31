"""Every reason code comes about end to end: real Redis, workers, intake and the simulated shop."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner, Result

from tests.integration.dead_letters.every_reason import CASES, Case, job_of, key_of, order_id_of, seeds
from tests.stack import Stack
from worker.cli.main import make_cli
from worker.dead_letters.letter import Letter
from worker.domain.key import marker
from worker.domain.reasons import REASONS
from worker.ledger.holds import Holds, Said
from worker.ledger.ledger import MAX_FAULTS, POISON_DEATHS, Ledger

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("every_reason"), pytest.mark.timeout(240)]
_LETTERS = len(CASES) + 2


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"REFUNDS_MAX_ATTEMPTS": "1", "REFUNDS_LEASE_SECONDS": "1.5", "REFUNDS_HEARTBEAT_SECONDS": "0.3"}
    shop = {"request_timeout_seconds": 1, "connect_timeout_seconds": 0.5, "longest_request_seconds": 1}
    with Stack.start(tmp_path_factory.mktemp("every"), workers=0, settings=settings, shop=shop) as running:
        table = json.loads(running.env["REFUNDS_SHOPS"])["default"]
        running.env["REFUNDS_SHOPS"] = json.dumps({"default": table, "limited": {**table, "max_amount": "20.00"}})
        yield running


@pytest.fixture(scope="module")
def letters(stack: Stack) -> dict[str, Letter]:
    """The letters of all cases, by reason; a key_conflict has the key of a job that settled."""
    stack.shop("POST", "/sandbox/orders", seeds())
    for case in CASES:
        for status, body in case.answers:
            answer = {"order_id": order_id_of(case), "status": status, "body": body, "by": case.by}
            stack.shop("POST", "/sandbox/answers", answer)
    by_reason = {case.reason: case for case in CASES}
    _kill_a_worker(stack, by_reason["poison"])
    _take_the_number(stack, by_reason["duplicate_increment_id"])
    stack.start_process("worker", "worker")
    stack.wait_until(lambda: stack.state(key_of(by_reason["poison"])) == "dead", 90)
    stack.start_intake()
    _submit(stack, [case for case in CASES if case.reason not in {"poison", "internal_error", "declined"}])
    _fail_ourselves(stack, by_reason["internal_error"])
    _decline(stack, by_reason["declined"])
    for document in (
        {"idempotency_key": "every-invalid", "order_id": 0},
        {**job_of(CASES[-1]), "expected_total": "1.00"},
    ):
        stack.client.xadd("refunds:intake", {"job": json.dumps(document)})
    states = stack.settle([key_of(case) for case in CASES], 90)
    assert set(states.values()) == {"dead"}, {key for key, state in states.items() if state != "dead"}
    stack.wait_until(lambda: stack.client.xlen("refunds:dead") >= _LETTERS)
    found: Any = stack.client.xrange("refunds:dead")
    return {letter.reason: letter for letter in (Letter.read(letter_id, fields) for letter_id, fields in found)}


def _submit(stack: Stack, cases: list[Case]) -> None:
    receipts = stack.submit(*(job_of(case) for case in cases))
    assert {receipt["status"] for receipt in receipts} == {"accepted"}, receipts


def _kill_a_worker(stack: Stack, case: Case) -> None:
    """Its worker is killed by SIGKILL while it has the order; it died twice before."""
    _submit(stack, [case])
    stack.client.hset(f"refunds:entry:{key_of(case)}", "deaths", POISON_DEATHS - 1)
    worker = stack.start_process("worker", "worker", env={"REFUNDS_CRASH_POINT": "after_lock"})
    stack.wait_until(lambda: worker.poll() is not None, 30)
    assert worker.returncode == -signal.SIGKILL


def _take_the_number(stack: Stack, case: Case) -> None:
    """Another order gets a credit memo with the number that the case asks for."""
    other = order_id_of(CASES[0]) - 1
    own = job_of(case)["creditmemo"]
    items = [{**own["items"][0], "order_item_id": other * 10}]
    stack.shop("POST", "/rest/V1/creditmemo", {"entity": {**own, "order_id": other, "items": items}})


def _fail_ourselves(stack: Stack, case: Case) -> None:
    """What the ledger has of it cannot be worked with; our code failed on it before."""
    stack.client.hset("refunds:pauses", "all", "test")
    _submit(stack, [case])
    fields: dict[Any, Any] = {"faults": MAX_FAULTS - 1, "look_first": 1, "sent": "[1]"}
    stack.client.hset(f"refunds:entry:{key_of(case)}", mapping=fields)
    stack.client.hdel("refunds:pauses", "all")


def _decline(stack: Stack, case: Case) -> None:
    _submit(stack, [case])
    stack.wait_until(lambda: stack.state(key_of(case)) == "held")

    async def decline() -> str:
        async with Redis.from_url(stack.redis_url, decode_responses=True) as redis:
            entry = await Ledger(redis).find(key_of(case))
            assert entry is not None
            return await Holds(redis).decline(entry, Said(by="ann", why="too much"))

    assert asyncio.run(decline()) == "dead"


def refunds(stack: Stack, *args: str, **env: str) -> Result:
    """Run a command in this process: it starts faster."""
    return CliRunner().invoke(make_cli(), args, env={**stack.env, **env})


@pytest.mark.parametrize("reason", REASONS)
def test_it_comes_about_with_a_verdict_of_the_table(letters: dict[str, Letter], reason: str):
    assert reason in letters, sorted(letters)
    letter = letters[reason]
    assert letter.verdict in REASONS[reason].verdicts
    assert letter.message


def test_show_says_what_happened_and_what_to_do_next(stack: Stack, letters: dict[str, Letter]):
    said = refunds(stack, "dead", "show", letters["outcome_unknown"].key).stdout
    assert "THE SHOP MAY HAVE MOVED MONEY" in said
    assert "path: /V1/invoice/" in said
    assert "memos_of_the_order: []" in said
    assert "what to do next: Look for the payment at the gateway" in said
    assert f"refunds dead resolve {letters['outcome_unknown'].key} --refunded" in said
    refused = refunds(stack, "dead", "show", letters["qty_too_large"].key).stdout
    assert "rule=" in refused
    assert "left to refund" in refused
    assert letters["invalid"].raw_text in refunds(stack, "dead", "show", letters["invalid"].id).stdout


def test_what_a_dry_run_foresees_is_what_comes_of_the_replay(stack: Stack, letters: dict[str, Letter]):
    _put_right(stack, letters)

    looked = refunds(stack, "dead", "replay", "--all", "--dry-run", "--json")
    *foreseen, frozen = map(json.loads, looked.stdout.splitlines())
    outlooks = {one["outlook"] for one in foreseen}
    assert len(foreseen) == _LETTERS
    assert outlooks >= {"would_refund", "already_refunded", "would_be_refused", "not_replayed"}
    ran = refunds(stack, "dead", "replay", "--selection", frozen["selection"], "--rate", "50/s", "--json")

    told = refunds(stack, "dead", "selections", frozen["selection"], "--json")
    rows = [json.loads(row) for row in told.stdout.splitlines()]
    assert {row["name"]: row for row in rows if row["agrees"] is False} == {}, ran.stderr
    assert all(
        row["result"]["status"] in {"settled", "dead", "held"} for row in rows if row["outlook"] != "not_replayed"
    )
    assert json.loads(ran.stdout)["failed"] == 0
    assert refunds(stack, "audit", "--trail").exit_code == 0
    _every_letter_in_one_place(stack)


def _put_right(stack: Stack, letters: dict[str, Letter]) -> None:
    """Some causes go away: an order is released, a record mended; two refunds were made by hand, with the marker."""
    by_reason = {case.reason: case for case in CASES}
    released = order_id_of(by_reason["order_status"])
    order = stack.shop("GET", f"/rest/V1/orders/{released}")
    stack.shop("POST", "/sandbox/orders", {"orders": [{**order, "state": "processing", "status": "processing"}]})
    stack.client.hset(f"refunds:entry:{key_of(by_reason['internal_error'])}", "sent", "{}")
    for reason in ("attempts_exhausted", "unknown_refusal"):
        order_id, comment = order_id_of(by_reason[reason]), marker(letters[reason].key)
        body = {"items": [{"order_item_id": order_id * 10, "qty": 1}], "comment": {"comment": comment}}
        stack.shop("POST", f"/rest/V1/order/{order_id}/refund", body)


def _every_letter_in_one_place(stack: Stack) -> None:
    """Settled with one credit memo and no letter, or dead with exactly one letter."""
    found: Any = stack.client.xrange("refunds:dead")
    letters = Counter(fields["key"] for _, fields in found if not fields.get("door"))
    memos = Counter(memo["order_id"] for memo in stack.memos())
    for case in CASES:
        key = key_of(case)
        place = (stack.state(key), letters[key], memos[order_id_of(case)])
        assert place in {("settled", 0, 1), ("dead", 1, 0), ("held", 1, 0)}, key


# --- people act on what is left; the order of these tests does not matter --------------------------------------------

SAID = ("--by", "ann", "--why", "customer called")


def test_a_letter_is_corrected_and_replayed(stack: Stack, letters: dict[str, Letter]):
    key = letters["qty_too_large"].key
    refused = refunds(stack, "dead", "edit", key, "--set", "items[0].qty=none", *SAID)
    dry = refunds(stack, "dead", "edit", key, "--set", "items[0].qty=1", "--dry-run", *SAID)
    assert (refused.exit_code, dry.exit_code) == (2, 0)
    assert "items[0].qty" in refused.stderr
    assert json.loads(refunds(stack, "dead", "show", key, "--json").stdout)["revision"] == 1

    done = refunds(stack, "dead", "edit", key, "--set", "items[0].qty=1", "--replay", *SAID)

    assert done.exit_code == 0, done.stderr
    assert "- items[0].qty: " in done.stdout
    assert stack.settle([key]) == {key: "settled"}
    listed = refunds(stack, "audit", "--trail", "--subject", f"letter:{key}")
    assert "letter.edited" in listed.stdout
    assert "customer called" in listed.stdout


def test_an_editor_corrects_what_never_became_a_job(stack: Stack, letters: dict[str, Letter]):
    order_id = order_id_of(CASES[0]) - 1
    editor = f'sed -i \'s/"order_id": 0/"order_id": {order_id}, "amount": "1.00"/\''
    done = refunds(stack, "dead", "edit", letters["invalid"].id, *SAID, EDITOR=editor)
    assert done.exit_code == 0, done.stderr
    assert stack.settle(["every-invalid"]) == {"every-invalid": "settled"}
    assert refunds(stack, "dead", "show", letters["invalid"].id).exit_code == 1


def test_a_doubt_is_cleared_only_when_people_say_so(stack: Stack, letters: dict[str, Letter]):
    key = letters["outcome_unknown"].key
    assert refunds(stack, "dead", "edit", key, "--set", "comment=x", *SAID).exit_code == 1
    assert refunds(stack, "dead", "replay", key).exit_code == 1
    assert refunds(stack, "dead", "resolve", key, "--not-refunded").exit_code == 2, "who, and why?"
    assert refunds(stack, "dead", "resolve", key, "--not-refunded", *SAID).exit_code == 0
    assert refunds(stack, "dead", "replay", key).exit_code == 0
    assert stack.settle([key]) == {key: "settled"}


def test_a_refund_made_by_hand_closes_its_letter(stack: Stack, letters: dict[str, Letter]):
    key = letters["expected_total_differs"].key
    order_id = next(order_id_of(case) for case in CASES if case.reason == "expected_total_differs")
    items = [{"order_item_id": order_id * 10 + number, "qty": 0} for number in range(2)]
    body = {"items": items, "arguments": {"shipping_amount": 0, "adjustment_positive": 1, "adjustment_negative": 0}}
    memo_id = stack.shop("POST", f"/rest/V1/order/{order_id}/refund", body)
    missing = refunds(stack, "dead", "resolve", key, "--refunded", "999999", *SAID)
    assert (missing.exit_code, "the order has no credit memo 999999" in missing.stderr) == (1, True)
    done = refunds(stack, "dead", "resolve", key, "--refunded", str(memo_id), *SAID)
    assert done.exit_code == 0, done.stderr
    entry = json.loads(refunds(stack, "show", key, "--json").stdout)
    assert (entry["state"], entry["result"]["via"], entry["result"]["memo_id"]) == ("settled", "human", int(memo_id))
    assert refunds(stack, "dead", "show", key).exit_code == 1
    audit = json.loads(refunds(stack, "audit", "--json").stdout)
    assert key not in {difference["key"] for difference in audit["differences"]}


def test_a_discarded_letter_is_never_replayed(stack: Stack, letters: dict[str, Letter]):
    key = letters["item_not_on_order"].key
    assert refunds(stack, "dead", "discard", key, *SAID).exit_code == 0
    assert refunds(stack, "dead", "replay", key).exit_code == 1
    assert stack.state(key) == "dead"
    assert stack.client.xlen("refunds:dead:closed") >= 1
