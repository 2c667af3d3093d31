"""`refunds dead list`, `export` and `reindex`, and the documented way to follow the stream."""

import asyncio
import csv
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from typer.testing import CliRunner, Result

from tests.suites.dead_letters import Desk
from worker.cli.main import make_cli

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[3] / "docs" / "dead-letters-stream.md"


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    """A database with six letters: a, b, c of known amounts, one of none, one that was no job, and a formula."""
    url = redis_url.removesuffix("/0") + "/6"
    asyncio.run(_fill(url))
    yield url
    with Redis.from_url(url) as client:
        client.flushdb()


async def _fill(url: str) -> None:
    async with AsyncRedis.from_url(url, decode_responses=True) as redis:
        await redis.flushdb()
        desk = Desk(redis, seed=1)
        await desk.ledger.initialise("first")
        for key, amount in (("b", "5.00"), ("a", "70.00"), ("c", "6.50"), ("=1+1", "0.10")):
            await desk.die(key, shop="uk", order_id=8, amount=amount, campaign="recall")
            desk.clock.pass_seconds(60)
        await desk.die("d", shop="us", order_id=9, full=True)
        await desk.ledger.bury_invalid(key="", raw_base64="e30=", reason="invalid", reasons="no key", door="stream")


def run(url: str, *words: str) -> Result:
    return CliRunner().invoke(make_cli(), ["dead", *words], env={"REFUNDS_REDIS_URL": url})


def keys(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [json.loads(line)["key"] for line in result.stdout.splitlines()]


def test_letters_are_filtered_sorted_and_paged(url: str):
    assert keys(run(url, "list", "--json")) == ["b", "a", "c", "=1+1", "d", ""]
    assert keys(run(url, "list", "--json", "--shop", "uk", "--min-amount", "6", "--sort", "key")) == ["a", "c"]
    first = run(url, "list", "--json", "--sort", "amount", "--reverse", "--limit", "2")
    assert keys(first) == ["a", "c"]
    (after,) = re.findall(r"--after (\S+)", first.stderr)
    assert keys(run(url, "list", "--json", "--sort", "amount", "--reverse", "--after", after.strip("'"))) == [
        *("b", "=1+1"),
        *("", "d"),
    ]


def test_an_empty_key_means_no_letter_though_one_has_none(url: str):
    for words in (("show", ""), ("discard", "", "--by", "ann", "--why", "an unset variable"), ("replay", "")):
        refused = run(url, *words)
        assert refused.exit_code == 1, refused.output
        assert "there is no" in refused.output
    assert len(keys(run(url, "list", "--json"))) == 6


def test_sums_are_said_per_reason_and_shop(url: str):
    shown = run(url, "list", "--campaign", "recall")
    assert "4 letter(s) shown of 4 that fit" in shown.stderr
    groups = run(url, "list", "--group-by", "campaign", "--json")
    assert [json.loads(line) for line in groups.stdout.splitlines()] == [
        {"campaign": "-", "shop": "-", "letters": 1, "money": "0.00", "unknown": 1},
        {"campaign": "-", "shop": "us", "letters": 1, "money": "0.00", "unknown": 1},
        {"campaign": "recall", "shop": "uk", "letters": 4, "money": "81.60", "unknown": 0},
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "soon"], "--since"),
        (["--min-amount", "1,5"], "--min-amount"),
        (["--sort", "amount", "--after", "x@1-0"], "--after"),
    ],
    ids=["time", "amount", "place"],
)
def test_what_cannot_be_read_is_wrong_usage(url: str, words: list[str], said: str):
    answer = run(url, "list", *words)
    assert answer.exit_code == 2
    assert said in answer.stderr


def test_an_export_is_safe_to_open_and_whole_or_not_there(url: str, tmp_path: Path):
    out = tmp_path / "letters.csv"
    out.write_text("old")
    assert run(url, "export", "--campaign", "recall", "--out", str(out)).exit_code == 0
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["idempotency_key"], row["money"]) for row in rows] == [
        *(("b", "5.00"), ("a", "70.00")),
        *(("c", "6.50"), ("'=1+1", "0.10")),
    ]
    assert json.loads(rows[0]["document"])["amount"] == "5.00"

    assert run(url.replace("/6", "/6?bad=1"), "export", "--out", str(out)).exit_code != 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbfid,")
    assert list(tmp_path.iterdir()) == [out]


def test_an_export_as_lines_has_everything(url: str):
    lines = run(url, "export", "--format", "jsonl", "--reason", "invalid").stdout.splitlines()
    assert [json.loads(line)["raw"] for line in lines] == ["{}"]


def test_letters_of_an_older_version_are_listed_and_indexed_by_reindex(url: str):
    with Redis.from_url(url, decode_responses=True) as client:
        client.delete("refunds:dead:index")
        slow = run(url, "list", "--json", "--sort", "key")
        assert "refunds dead reindex" in slow.stderr
        assert run(url, "reindex").exit_code == 0
        fast = run(url, "list", "--json", "--sort", "key")
        assert "refunds dead reindex" not in fast.stderr
        assert fast.stdout == slow.stdout
        assert client.hget("refunds:dead:index", "state") == "ready"


def test_the_documented_readers_read_every_letter(url: str):
    shell = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)[0]
    with Redis.from_url(url, decode_responses=True) as client:
        create, read = (shlex.split(line)[3:] for line in shell.splitlines())
        client.execute_command(*create)
        answer = client.execute_command(*read)
        assert len(answer[0][1] if isinstance(answer, list) else answer["refunds:dead"][0]) == 6

    script = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[0]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"REFUNDS_REDIS_URL": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert [line.split()[1:] for line in done.stdout.splitlines()][:2] == [["b", "500"], ["a", "7000"]]
    assert len(done.stdout.splitlines()) == 6
