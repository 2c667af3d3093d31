"""A small campaign through the real stack: its status and its report say what the shop's books say, to the cent."""

import asyncio
import csv
import io
import json
import re
import signal
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.browser import rendered
from tests.factories import A_STEERING
from tests.stack import Stack
from worker.campaigns.store import Campaigns, CampaignState
from worker.sandbox.demo_verdict import key_of

Job = Callable[..., dict[str, Any]]
NAME = "spring"
#: What a spreadsheet would compute, and what a browser would run.
FORMULA, SCRIPT = "=1+1", "</script><script>alert(1)</script>"
TAG = "<img/src=x/onerror=alert(1)>"


def on_redis(stack: Stack, work: Callable[[Campaigns], Any]) -> None:
    async def run() -> None:
        redis = Redis.from_url(stack.redis_url, decode_responses=True)
        try:
            await work(Campaigns(redis))
        finally:
            await redis.aclose()

    asyncio.run(run())


async def begin(campaigns: Campaigns, name: str) -> None:
    await campaigns.create(name, sha256="", file=f"{name}.csv", by="ann")
    drafts = frozenset({CampaignState.DRAFT})
    await campaigns.steer(name, allowed=drafts, act=A_STEERING, to=CampaignState.RUNNING, started_ms="now")


@pytest.fixture(scope="module")
def jobs(stack: Stack, order_ids: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Five refunds, one full and one of them with an expected total, and two that cannot be made."""
    orders = [next(order_ids) for _ in range(5)]
    said = {"comment": FORMULA, "reason": f"@{SCRIPT}", "metadata": {"rma": "-2+3", "x": SCRIPT}}
    made: list[dict[str, Any]] = [
        {"idempotency_key": f"rma-1{index}", "order_id": order, **said, "amount": f"{index + 1}.05"}
        for index, order in enumerate(orders)
    ]
    made[3] = {**made[3], "full": True}
    del made[3]["amount"]
    made[4]["expected_total"] = "5.05"
    made += [
        {"idempotency_key": "rma-17", "order_number": TAG, "amount": "7.77"},
        {"idempotency_key": "rma-18", "order_id": 5999, "amount": "2.23"},
    ]
    file = tmp_path_factory.mktemp("campaign") / "spring.jsonl"
    file.write_text("".join(f"{json.dumps(job)}\n" for job in made))
    done = stack.refunds("campaign", "start", str(file), "--name", NAME, "--yes", "--by", "bob")
    assert done.returncode == 0, done.stderr
    stack.settle([job["idempotency_key"] for job in made])
    stack.wait_until(lambda: status(stack)["confirmed"] == 5)
    return made


def status(stack: Stack) -> dict[str, Any]:
    done = stack.refunds("campaign", "status", NAME, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def books(stack: Stack, jobs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The credit memos of the campaign's jobs in the shop's books, by key."""
    keys = {job["idempotency_key"] for job in jobs}
    of_keys = {key_of(memo): memo for memo in stack.memos() if key_of(memo) in keys}
    return {
        key: {**stack.shop("GET", f"/rest/V1/creditmemo/{memo['entity_id']}"), **memo} for key, memo in of_keys.items()
    }


@pytest.fixture(scope="module")
def folder(stack: Stack, jobs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert jobs
    out = tmp_path_factory.mktemp("report")
    done = stack.refunds("campaign", "report", NAME, "--format", "all", "--out", str(out), "--by", "ann")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ledger and shop agree" in done.stdout
    return out


def money(books: dict[str, dict[str, Any]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for memo in books.values():
        currency = memo["base_currency_code"]
        sums[currency] = sums.get(currency, Decimal(0)) + Decimal(str(memo["base_grand_total"]))
    return sums


def test_the_status_counts_what_the_books_say(stack: Stack, books: dict[str, dict[str, Any]]):
    found = status(stack)
    assert (found["jobs"], found["finished"], found["groups"]["settled"], found["groups"]["dead"]) == (7, 7, 5, 2)
    assert sum(found["dead_by_reason"].values()) == 2
    assert {name: Decimal(sum_) for name, sum_ in found["money"]["refunded"].items()} == money(books)
    assert sum(found["latency_ms"]["jobs"]) == 5


@pytest.mark.usefixtures("jobs")
def test_the_status_is_readable_in_80_columns(stack: Stack):
    done = stack.refunds("campaign", "status", NAME)
    assert "7 of 7 jobs" in done.stdout
    assert "settled 5" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_every_job_of_the_json_form_agrees_with_the_books(folder: Path, books: dict[str, dict[str, Any]]):
    report = json.loads((folder / f"{NAME}.json").read_text())
    rows = {row["key"]: row for row in report["jobs"]}
    assert sorted(rows) == [f"rma-1{number}" for number in (0, 1, 2, 3, 4, 7, 8)]
    assert len(books) == 5
    for key, memo in books.items():
        row = rows[key]
        assert Decimal(row["confirmed"]) == Decimal(str(memo["base_grand_total"]))
        assert Decimal(row["asked"]) == Decimal(str(memo["base_grand_total"])), "of a full refund the quote was asked"
        assert (row["credit_memo"], row["credit_memo_id"]) == (memo["increment_id"], memo["entity_id"])
        assert (row["currency"], row["ending"], row["attempts"] >= 1) == (memo["base_currency_code"], "refunded", True)
        assert row["service"] == "order_refund"
        assert row["accepted_at"] <= row["finished_at"]
    assert {rows[key]["ending"] for key in ("rma-17", "rma-18")} == {"not refunded"}
    assert TAG in rows["rma-17"]["words"]


def test_the_totals_agree_with_the_books(folder: Path, books: dict[str, dict[str, Any]]):
    report = json.loads((folder / f"{NAME}.json").read_text())
    totals = {total["currency"]: total for total in report["figures"]["totals"]}
    assert {name: Decimal(totals[name]["refunded"]) for name in money(books)} == money(books)
    assert {total["difference"] for total in totals.values()} == {"0.00"}
    assert sum(Decimal(total["not_refunded"]) for total in totals.values()) == Decimal("10.00")
    assert report["audit"]["agrees"]
    assert (report["audit"]["by"], report["audit"]["settled"]) == ("ann", 5)
    assert (report["figures"]["endings"]["refunded"], sum(report["figures"]["reasons"].values())) == (5, 2)


def test_no_cell_of_the_csv_form_begins_a_formula(folder: Path):
    text = (folder / f"{NAME}.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 7
    assert {row["comment"] for row in rows if row["comment"]} == {f"'{FORMULA}"}
    assert {row["reason"] for row in rows if row["reason"]} == {f"'@{SCRIPT}"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_trail_keeps_who_made_it_and_what_it_was(stack: Stack, folder: Path):
    done = stack.refunds("audit", "--trail", "--subject", f"campaign:{NAME}", "--json")
    acts = [json.loads(line) for line in done.stdout.splitlines()]
    (made,) = [act for act in acts if act["act"] == "campaign.reported"]
    assert made["by"] == "ann"
    assert set(made["after"]["files"]) == {path.name for path in folder.iterdir()}


def test_a_browser_shows_the_page_and_finds_a_job_by_its_link(folder: Path):
    page = folder / f"{NAME}.html"
    source = page.read_text()
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", source), "it must need nothing from elsewhere"
    assert TAG not in source
    assert SCRIPT not in source

    document, console = rendered(page, "#q=rma-17")

    assert console == []
    assert 'data-ready="yes"' in document
    for plot in ("over-time", "latency", "outcomes", "money-per-day"):
        (drawn,) = re.findall(rf'<figure id="plot-{plot}[^"]*".*?</figure>', document, re.DOTALL)
        assert "<rect" in drawn, plot
    (body,) = re.findall(r'<table id="jobs">.*?<tbody>(.*?)</tbody>', document, re.DOTALL)
    assert re.findall(r'<td class="key">(.*?)</td>', body) == ["rma-17"]
    assert "1 of 7 jobs" in document
    assert "Ledger and shop agree" in document
    assert "<img" not in document


def test_without_a_link_all_jobs_are_shown(folder: Path):
    document, console = rendered(folder / f"{NAME}.html")
    assert console == []
    assert len(re.findall(r'<tr class="job"', document)) == 7


def test_an_empty_campaign_has_a_status_and_a_report(stack: Stack, tmp_path: Path):
    on_redis(stack, lambda campaigns: begin(campaigns, "nothing"))
    shown = stack.refunds("campaign", "status", "nothing")
    assert "0 of 0 jobs" in shown.stdout
    done = stack.refunds("campaign", "report", "nothing", "--format", "all", "--out", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "nothing.json").read_text())["jobs"] == []
    document, console = rendered(tmp_path / "nothing.html")
    assert console == []
    assert "0 jobs" in document


@pytest.mark.parametrize("command", ["status", "report"])
def test_an_unknown_campaign_is_named_and_writes_nothing(stack: Stack, tmp_path: Path, command: str):
    out = ("--out", str(tmp_path)) if command == "report" else ()
    done = stack.refunds("campaign", command, "never", *out)
    assert done.returncode == 2
    assert "no campaign is named 'never'; there are: " in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_shop_that_is_away_leaves_no_half_report(stack: Stack, jobs: list[dict[str, Any]], tmp_path: Path):
    shops = json.loads(stack.env["REFUNDS_SHOPS"])
    shops["default"]["base_url"] = "http://127.0.0.1:9"
    env = {"REFUNDS_SHOPS": json.dumps(shops)}
    done = stack.refunds("campaign", "report", NAME, "--out", str(tmp_path), env=env)
    assert done.returncode == 3
    assert "--no-audit" in done.stderr
    assert not list(tmp_path.iterdir())

    done = stack.refunds("campaign", "report", NAME, "--out", str(tmp_path), "--no-audit", "--json", env=env)
    assert done.returncode == 0
    made = json.loads(done.stdout)
    assert (made["audit"]["was_made"], made["figures"]["jobs"]) == (False, len(jobs))


def test_ctrl_c_ends_the_watching_and_says_that_the_campaign_goes_on(stack: Stack):
    on_redis(stack, lambda campaigns: campaigns.create("autumn", sha256=""))
    process = stack.start_process(
        "watch", "campaign", "status", "autumn", "--watch", "--json", "--interval", "0.2", wait_for_line=True
    )
    assert process.stdout is not None
    first, second = (json.loads(process.stdout.readline()) for _ in range(2))
    assert first["name"] == second["name"] == "autumn"
    assert first["at_ms"] < second["at_ms"]
    assert stack.end(process, how=signal.SIGINT) == 130
    assert "campaign autumn goes on" in stack.log_of("watch")


def test_watching_ends_with_the_campaign_and_tells_of_its_dead_letters(stack: Stack, jobs: list[dict[str, Any]]):
    stack.wait_until(lambda: status(stack)["state"] == "done")
    done = stack.refunds("campaign", "status", NAME, "--watch")
    assert done.returncode == 1
    assert f"{len(jobs)} of {len(jobs)} finished (5 settled, 2 dead)" in done.stdout
