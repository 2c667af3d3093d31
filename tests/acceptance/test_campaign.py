"""`refunds campaign` from outside: a file becomes credit memos; it can be looked at, stopped and steered."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT, Stack

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(*lines: str, header: str = "order_id,amount", name: str = "file.csv") -> str:
        path = tmp_path / name
        path.write_text("\n".join([header, *lines]) + "\n")
        return str(path)

    return to_file


def start(stack: Stack, file: str, name: str, *options: str, code: int = 0) -> dict[str, Any]:
    done = stack.refunds("campaign", "start", file, "--name", name, "--json", *options)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def campaign(stack: Stack, name: str) -> dict[str, Any]:
    found = json.loads(stack.refunds("campaign", "list", "--json").stdout)["campaigns"]
    return next(one for one in found if one["name"] == name)


def is_done(stack: Stack, name: str) -> bool:
    return bool(stack.client.hget(f"refunds:campaign:{name}", "state") == "done")


def acts_on(stack: Stack, name: str) -> list[str]:
    found: Any = stack.client.xrange("refunds:trail")
    records = [json.loads(fields["record"]) for _, fields in found]
    return [record["act"] for record in records if record["subject"] == f"campaign:{name}"]


def memos_of(stack: Stack, name: str) -> list[dict[str, Any]]:
    return [memo for memo in stack.memos() if f"ref {name}:" in str(memo["marker"])]


def test_the_sample_file_of_the_documentation_is_a_campaign(stack: Stack):
    said = start(stack, str(ROOT / "docs/samples/campaign.csv"), "sample", "--yes")
    assert (said["lines"], said["rejected"], said["accepted"], said["without_sum"]) == (3, 0, 3, 2)
    stack.wait_until(lambda: is_done(stack, "sample"))
    assert sum(campaign(stack, "sample")["jobs"].values()) == 3


def test_good_lines_become_credit_memos_once_and_bad_ones_a_list(stack: Stack, order_ids: Iterator[int], write: Write):
    one, two = next(order_ids), next(order_ids)
    file = write(f"{one},2.50", f'{two},"1,50"', f"{two},1.25")
    said = start(stack, file, "mixed", "--yes", "--by", "ann", code=1)
    assert (said["lines"], said["jobs"], said["rejected"], said["total"]) == (3, 2, 1, "3.75")
    stack.wait_until(lambda: is_done(stack, "mixed"))
    assert sorted(memo["base_grand_total"] for memo in memos_of(stack, "mixed")) == [1.25, 2.5]
    with Path(said["rejected_file"]).open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["line"], row["raw"]) == ("3", f'{two},"1,50"')
    again = start(stack, file, "mixed", "--yes", code=1)
    assert (again["known"], again["accepted"], again["state"]) == (2, 0, "done")
    assert campaign(stack, "mixed")["by"] == "ann"
    assert acts_on(stack, "mixed") == ["campaign.started"]


def test_nothing_starts_without_a_yes(stack: Stack, order_id: int, write: Write):
    done = stack.refunds("campaign", "start", write(f"{order_id},123.00"), "--name", "asked")
    assert done.returncode == 2
    assert "123.00 in base currency (one hundred twenty-three and 00/100)" in done.stderr
    assert "--yes" in done.stderr
    assert not stack.client.exists("refunds:campaign:asked")


def test_a_dry_run_looks_at_the_shop_and_accepts_nothing(stack: Stack, order_ids: Iterator[int], write: Write):
    one, two = next(order_ids), next(order_ids)
    file = write(f"{one},2.00", f"{one},2.00", f"{two},99999.00", "4000000,1.00")
    said = start(stack, file, "looked-at", "--dry-run", "--live", "all", code=1)
    assert said["probable_duplicates"]["first"][0]["same_as_line"] == 2
    assert said["largest"][0]["amount"] == "99999.00"
    assert (said["quotes"]["asked"], said["quotes"]["quoted"]) == (4, 2)
    assert set(said["quotes"]["refused"]) == {"max_money", "order_not_found"}
    assert not stack.client.exists("refunds:campaign:looked-at")


def test_a_sum_above_the_limit_and_a_bad_line_of_a_strict_file_stop_all(stack: Stack, order_id: int, write: Write):
    file = write(f"{order_id},60.00", f"{order_id},50.00", f"{order_id},x")
    assert (
        "110.00, and --limit-total is 100.00"
        in start(stack, file, "much", "--yes", "--limit-total", "100", code=2)["error"]
    )
    assert "--strict accepts nothing" in start(stack, file, "much", "--yes", "--strict", code=2)["error"]
    assert not stack.client.exists("refunds:campaign:much")


def test_a_dry_run_shows_all_and_ends_as_the_start_would_be_refused(stack: Stack, order_id: int, write: Write):
    file = write(f"{order_id},60.00", f"{order_id},x")
    for options, words in (
        (("--limit-total", "50"), "--limit-total is 50.00"),
        (("--strict",), "--strict accepts nothing"),
    ):
        done = stack.refunds("campaign", "start", file, "--name", "dry", "--dry-run", "--json", *options)
        assert done.returncode == 2
        assert json.loads(done.stdout)["total"] == "60.00"
        assert words in done.stderr


def test_without_a_shop_a_look_says_that_no_line_is_a_job(stack: Stack, order_id: int, write: Write):
    env = {"REFUNDS_SHOPS": ""}
    file = write(f"{order_id},1.00")
    done = stack.refunds("campaign", "start", file, "--name", "no-shop", "--dry-run", "--live", env=env)
    assert done.returncode == 2
    assert "no line of" in done.stderr
    assert "is not configured" in Path(f"{file}.rejected.csv").read_text()


def test_a_pipe_or_a_device_is_no_file_of_a_campaign(stack: Stack, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero", "-"):
        done = stack.refunds("campaign", "start", path, "--name", "piped", "--dry-run", timeout=30)
        assert done.returncode == 2
        assert "completed after a crash" in done.stderr


def test_the_same_content_is_refunded_under_one_name_only(stack: Stack, order_ids: Iterator[int], write: Write):
    one, two = next(order_ids), next(order_ids)
    start(stack, write(f"{one},1.00"), "first", "--yes")
    assert (
        "is the campaign first already"
        in start(stack, write(f"{one},1.00", name="b.csv"), "second", "--yes", code=2)["error"]
    )
    longer = write(f"{one},1.00", f"{two},1.00")
    assert "--add" in start(stack, longer, "first", "--yes", code=2)["error"]
    assert start(stack, longer, "first", "--yes", "--add")["accepted"] == 1
    stack.wait_until(lambda: is_done(stack, "first"))
    assert len(memos_of(stack, "first")) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"order_id,amount\n", "no lines but its header"),
        (b"order,sku\n1,2\n", "is order_number meant"),
        (b"order_id,amount\n1,1e9\n", "no line of"),
    ],
    ids=["empty", "header only", "wrong names", "nothing good"],
)
def test_a_file_without_a_job_is_refused_in_words(stack: Stack, tmp_path: Path, content: bytes, words: str):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    done = stack.refunds("campaign", "start", str(path), "--name", "none", "--yes")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_campaign_is_paused_resumed_slowed_and_cancelled(stack: Stack, order_ids: Iterator[int], write: Write):
    order = next(order_ids)
    file = write(*(f"{order},0.{number}" for number in range(10, 50)))
    start(stack, file, "steered", "--yes", "--rate", "1/s")
    paused = json.loads(stack.refunds("campaign", "pause", "steered", "--by", "ann", "--json").stdout)
    assert (paused["state"], paused["changed"]) == ("paused", True)
    assert json.loads(stack.refunds("campaign", "pause", "steered", "--json").stdout)["changed"] is False
    assert json.loads(stack.refunds("campaign", "rate", "steered", "0.5/s", "--json").stdout)["rate"] == 0.5
    assert json.loads(stack.refunds("campaign", "resume", "steered", "--json").stdout)["state"] == "running"
    assert (
        json.loads(stack.refunds("campaign", "cancel", "steered", "--why", "x", "--json").stdout)["state"]
        == "cancelled"
    )
    stack.wait_until(lambda: int(campaign(stack, "steered")["ended_ms"]) > 0)
    jobs = campaign(stack, "steered")["jobs"]
    assert jobs["settled"] + jobs["cancelled"] == 40
    assert jobs["cancelled"] >= 3
    assert len(memos_of(stack, "steered")) == jobs["settled"]
    assert acts_on(stack, "steered") == [
        *("campaign.started", "campaign.paused", "campaign.rate_changed", "campaign.resumed", "campaign.cancelled"),
    ]
    refused = stack.refunds("campaign", "resume", "steered")
    assert refused.returncode == 2
    assert "cannot be changed any more" in refused.stderr
    assert "was cancelled" in start(stack, file, "steered", "--yes", code=2)["error"]
