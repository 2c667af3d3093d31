"""Writes docs/benchmarks/speed.md and speed.svg, and the part of the README between its markers, from the figures."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tests.bench import enqueue, latency, scale, speed
from tests.bench.results import Results
from tests.bench.speed import Row
from tests.bench.stand import ROOT
from tests.bench.variants import VARIANTS

FOLDER: Final = ROOT / "docs" / "benchmarks"
PEERS: Final = ("celery", "taskiq", "arq", "dramatiq")
_BEGIN: Final = "<!-- speed: written by make bench -->"
_END: Final = "<!-- speed: end -->"
_templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal and what was measured."""

    text: str
    measured: str
    is_met: bool


def write(results: Results) -> list[Path]:
    """Write everything; gives the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    results.save(FOLDER / "speed.json")
    (FOLDER / "speed.md").write_text(page(results))
    (FOLDER / "speed.svg").write_text(plot(results))
    readme = ROOT / "README.md"
    text = readme.read_text()
    assert _BEGIN in text, f"README.md has no marker {_BEGIN}"
    between = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    readme.write_text(between.sub(lambda _: f"{_BEGIN}\n{summary(results)}\n{_END}", text))
    return [FOLDER / "speed.json", FOLDER / "speed.md", FOLDER / "speed.svg", readme]


def goals(results: Results) -> Iterator[Goal]:
    """Hold the figures against the goals, all at a shop latency of 50 ms."""
    chunks, stream, taskiq = (results.row(name) for name in ("chunks", "stream", "taskiq"))
    if chunks and chunks.share is not None:
        yield Goal(text="chunks: >= 90 % of the bare limit", measured=f"{chunks.share:.0%}", is_met=chunks.share >= 0.9)
    if chunks:
        yield Goal(
            text="chunks: <= 0.6 CPU-ms a job", measured=f"{chunks.run.cpu_ms:.2f}", is_met=chunks.run.cpu_ms <= 0.6
        )
        yield Goal(
            text="chunks: peak RSS <= 120 MB", measured=f"{chunks.run.rss_mb:.0f} MB", is_met=chunks.run.rss_mb <= 120
        )
    if chunks and (best := best_peer(results)):
        ratio = chunks.run.jobs_per_second / best.run.jobs_per_second
        text = f"chunks: >= 1.5 x the best peer ({VARIANTS[best.name].title})"
        yield Goal(text=text, measured=f"{ratio:.2f} x", is_met=ratio >= 1.5)
    if stream and taskiq:
        text = "stream: CPU a job at most that of taskiq"
        measured = f"{stream.run.cpu_ms:.2f} against {taskiq.run.cpu_ms:.2f} CPU-ms"
        yield Goal(text=text, measured=measured, is_met=stream.run.cpu_ms <= taskiq.run.cpu_ms)
    if results.ways:
        rate = results.ways[0].jobs_per_second
        text = "enqueue from a file, ledger entries included: >= 30,000 jobs/s"
        yield Goal(text=text, measured=f"{rate:,.0f}", is_met=rate >= 30_000)
    if results.latencies:
        worst = max(one.p95_ms for one in results.latencies)
        text = "idle: from accept to the first byte at the shop, p95 <= 20 ms"
        yield Goal(text=text, measured=f"{worst:.1f} ms", is_met=worst <= 20)
    settled = next((one for one in results.sizes if one.title.startswith("settled")), None)
    if settled:
        text = "settled entry: < 350 bytes, indexes included"
        yield Goal(text=text, measured=f"{settled.bytes_per_job:,.0f}", is_met=settled.bytes_per_job < 350)
    rates = [one.jobs_per_second for one in results.backlogs if one.waiting >= scale.WINDOW]
    if len(rates) > 1:
        drift = max(rates) / min(rates) - 1
        yield Goal(text="backlog: jobs/s flat within 10 %", measured=f"{drift:.0%} apart", is_met=drift <= 0.1)
    if len(results.ticks) > 1:
        first, last = results.ticks[0].redis_us, results.ticks[-1].redis_us
        text = "upkeep: a round costs the same however many entries there are"
        sizes = f"{results.ticks[0].entries:,} and {results.ticks[-1].entries:,} entries"
        measured = f"{first:.0f} and {last:.0f} us of Redis at {sizes}"
        yield Goal(text=text, measured=measured, is_met=last <= first * 1.25 + 20)


def best_peer(results: Results, latency_ms: float = 50) -> Row | None:
    """The peer with the most jobs a second."""
    found = [row for name in PEERS if (row := results.row(name, latency_ms))]
    return max(found, key=lambda row: row.run.jobs_per_second, default=None)


def goal_table(results: Results) -> str:
    """Give the goals as Markdown."""
    lines = [f"| {goal.text} | {goal.measured} | {'met' if goal.is_met else '**missed**'} |" for goal in goals(results)]
    return "\n".join(["| goal | measured | |", "|---|---|---|", *lines])


def page(results: Results) -> str:
    """Give the page of docs/benchmarks."""
    parts = [
        "# Speed",
        "",
        (
            "Written by `make bench`; how it measures, and what a figure means: [method.md](method.md). "
            "All figures of the run: [speed.json](speed.json)."
        ),
        "",
        f"- {results.date}; {results.machine}",
        f"- {results.versions}",
        f"- `{results.command}`",
        "",
        "![jobs a second and CPU per job of each variant](speed.svg)",
        "",
        "## Goals",
        "",
        goal_table(results),
        "",
    ]
    for latency_ms in sorted({row.latency_ms for row in results.rows}):
        rows = [row for row in results.rows if row.latency_ms == latency_ms]
        parts += [
            f"## Shop latency {latency_ms:.0f} ms",
            "",
            f"Medians of {rows[0].rounds} rounds.",
            "",
            speed.table(rows),
            "",
        ]
    if results.on_disk:
        text = "The append-only file is on the disk of this machine, shop latency 50 ms; everything else as above."
        parts += ["## With the disk", "", text, "", speed.table(results.on_disk), ""]
    for title, intro, table in _sections(results):
        parts += [f"## {title}", "", *([intro, ""] if intro else []), table, ""]
    return "\n".join(parts)


def _sections(results: Results) -> Iterator[tuple[str, str, str]]:
    if results.latencies:
        text = "An idle system, jobs one at a time: from before the door to the first byte at the shop."
        yield "A lone job", text, latency.table(results.latencies)
    if results.ways:
        yield "Coming in", "", enqueue.way_table(results.ways)
    if results.sizes:
        text = f"Over {results.sizes[0].jobs:,} jobs with documents of ~400 bytes, keys and indexes included."
        if results.aftercare:
            before, after = results.aftercare.job_ms, results.aftercare.after_ms
            text += (
                f" Until the last job was settled the worker used {before:.3f} CPU-ms a job; after that, for reading "
                f"back and packing, {after:.3f} more, which no other figure here has in it."
            )
        yield "In memory", text, enqueue.size_table(results.sizes)
    if results.backlogs:
        text = (
            "One worker, shop latency 50 ms; p50 and p95 are of one call: 50 ms are the shop's, the rest is the "
            "loop's. The shortest backlog is over within a second, before credit memos are read back beside it, so it "
            "is no part of the goal."
        )
        yield "With a backlog", text, scale.backlog_table(results.backlogs)
    if results.processes:
        text = "Shop latency 50 ms, 200 calls at once for each process; Redis and the shop share the cores with them."
        yield "Several worker processes", text, scale.process_table(results.processes)
    if results.ticks:
        yield "Upkeep", "An idle round, which comes every 0.5 s.", scale.tick_table(results.ticks)


# --- README ---------------------------------------------------------------------------------------------------------


def summary(results: Results) -> str:
    """Give the part of the README."""
    rows = [row for row in results.rows if row.latency_ms == 50]
    titles = [VARIANTS[row.name].title for row in rows]
    shares = ["" if row.share is None else f"{row.share:.0%}" for row in rows]
    head = "| 50 ms shop | jobs/s | share of the limit | CPU-ms/job | peak RSS MB | Redis round trips/job |"
    lines = [
        f"| {title} | {row.run.jobs_per_second:,.0f} | {share} | {row.run.cpu_ms:.2f} | {row.run.rss_mb:.0f} "
        f"| {row.run.reads:.1f} |"
        for row, title, share in zip(rows, titles, shares, strict=True)
    ]
    table = "\n".join([head, "|---" + "|---:" * 5 + "|", *lines])
    page = "[docs/benchmarks/speed.md](docs/benchmarks/speed.md)"
    where = f"Measured {results.date} on {results.machine}. Every figure: {page}."
    return f"{table}\n\n{' '.join(_sentences(results))}\n\n{where}"


def _sentences(results: Results) -> Iterator[str]:
    chunks, celery, best = results.row("chunks"), results.row("celery"), best_peer(results)
    if chunks and celery and best:
        name, cpu = VARIANTS[best.name].title, chunks.run.cpu_ms
        yield (
            f"In chunks, with all guards on, one process does {_times(chunks, best)} the jobs a second of the best "
            f"peer ({name}) for {cpu / best.run.cpu_ms:.2f} times its CPU a job, and {_times(chunks, celery)} those of "
            f"naive Celery for {cpu / celery.run.cpu_ms:.2f} times."
        )
    missed = [goal for goal in goals(results) if not goal.is_met]
    if missed:
        names = "; ".join(f"{goal.text} (it is {goal.measured})" for goal in missed)
        yield f"Goals that this run missed: {names}."


def _times(one: Row, other: Row) -> str:
    return f"{one.run.jobs_per_second / other.run.jobs_per_second:.1f} times"


# --- plot -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: its name, its length as a part of the longest, what is written at its end, and its colour class."""

    title: str
    part: float
    text: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Bars under a heading."""

    title: str
    bars: Sequence[Bar]


def plot(results: Results) -> str:
    """Draw jobs a second at each latency, and CPU per job at 50 ms."""
    panels = []
    for latency_ms in sorted({row.latency_ms for row in results.rows}):
        rows = [row for row in results.rows if row.latency_ms == latency_ms]
        most = max(row.run.jobs_per_second for row in rows)
        texts = [
            f"{row.run.jobs_per_second:,.0f}" + ("" if row.share is None else f"  ({row.share:.0%})") for row in rows
        ]
        panels.append(
            Panel(
                title=f"jobs a second, shop answers in {latency_ms:.0f} ms (share of the bare limit)",
                bars=[_bar(row, row.run.jobs_per_second / most, text) for row, text in zip(rows, texts, strict=True)],
            )
        )
    rows = [row for row in results.rows if row.latency_ms == 50]
    if rows:
        most = max(row.run.cpu_ms for row in rows)
        bars = [_bar(row, row.run.cpu_ms / most, f"{row.run.cpu_ms:.2f}") for row in rows]
        panels.append(Panel(title="CPU-ms a job of the worker processes, 50 ms (less is better)", bars=bars))
    return _templates.get_template("speed.svg.jinja").render(
        panels=panels, caption=f"{results.date}; {results.machine}"
    )


def _bar(row: Row, part: float, text: str) -> Bar:
    kind = "limit" if row.name == "bare" else "ours" if VARIANTS[row.name].is_ours else "peer"
    return Bar(title=VARIANTS[row.name].title, part=part, text=text, kind=kind)
