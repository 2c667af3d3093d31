"""`make bench`: measure all, print it, and write docs/benchmarks and the README's table when all was measured."""

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from tests.bench import enqueue, latency, profiling, report, scale, speed
from tests.bench.machine import load, machine, versions
from tests.bench.results import Results
from tests.bench.stand import Stand, say
from tests.bench.variants import VARIANTS, peer_python

PARTS: Final = ("speed", "disk", "latency", "enqueue", "sizes", "backlog", "processes", "upkeep")
LATENCIES: Final = ("0", "50", "300")
#: What is measured once more with the disk under the append-only file.
_ON_DISK: Final = ("bare", "chunks", "taskiq")


def main(arguments: list[str] | None = None) -> int:
    """Measure as the arguments say; gives the exit code."""
    given = _arguments(sys.argv[1:] if arguments is None else arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, speed.interrupt)
    if given.render:
        print(*report.write(Results.load(report.FOLDER / "speed.json")), sep="\n")
        return 0
    if given.profile:
        return _profile()
    began = time.monotonic()
    try:
        results = _measure(given)
    except KeyboardInterrupt:
        say("stopped; nothing was written")
        return 130
    say(f"done in {(time.monotonic() - began) / 60:.1f} minutes")
    print(f"\n{report.page(results)}")
    if given.is_whole:
        print("written:", *report.write(results), sep="\n  ")
    else:
        print("Only a part was measured: docs/benchmarks and the README stay as they are.")
    return 0


def _profile() -> int:
    with Stand.open() as stand:
        head = f"{datetime.now(UTC).strftime('%Y-%m-%d')}; {machine()}. {versions(stand.versions)}."
        text = f"# Profile\n\n`make bench BENCH_ARGS=--profile`; {head}\n\n{profiling.profile(stand)}"
    print(text)
    path = report.FOLDER / "profile.md"
    path.write_text(text)
    print(f"written: {path}")
    return 0


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--variants", default=",".join(VARIANTS), help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--latency", default=",".join(LATENCIES), help="of the shop, ms")
    parser.add_argument("--rounds", type=int, default=5, help="of each variant at each latency; others have 3 at most")
    parser.add_argument("--full", action="store_true", help="also a backlog of a million and five million entries")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the pages from speed.json anew")
    parser.add_argument("--profile", action="store_true", help="only look where a worker's time goes (py-spy)")
    given = parser.parse_args(words)
    given.parts, given.variants = given.parts.split(","), given.variants.split(",")
    given.latency = given.latency.split(",")
    if given.variants != list(VARIANTS) or given.latency != list(LATENCIES):
        given.parts = [part for part in given.parts if part == "speed"]  # only the variants are asked for
    for known, names in ((PARTS, given.parts), (VARIANTS, given.variants)):
        if unknown := set(names) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}")
    given.is_whole = given.parts == list(PARTS)
    given.command = shlex.join(["python", "-m", "tests.bench.run", *words])
    return given


def _measure(given: argparse.Namespace) -> Results:
    variants = [VARIANTS[name] for name in given.variants]
    if "speed" in given.parts:
        for environment in {variant.environment for variant in variants if variant.environment}:
            peer_python(environment)  # fails now, not after a quarter of an hour
    fewer = min(given.rounds, 3)
    with Stand.open() as stand:
        results = Results(
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            command=given.command,
            machine=f"{machine()}; {load()}",
            versions=versions(stand.versions),
        )
        say(f"{results.machine}; {results.versions}")
        if "speed" in given.parts:
            rows = [
                row
                for latency_ms in given.latency
                for row in speed.rounds(stand, variants, latency_ms=float(latency_ms), count=given.rounds)
            ]
            results = replace(results, rows=rows)
        results = _rest(stand, given, results, fewer)
    if "disk" in given.parts:
        say("now with the append-only file on the disk")
        with Stand.open(on_disk=True) as stand:
            some = [VARIANTS[name] for name in _ON_DISK]
            results = replace(results, on_disk=speed.rounds(stand, some, latency_ms=50, count=fewer))
    return results


def _rest(stand: Stand, given: argparse.Namespace, results: Results, rounds: int) -> Results:
    if "latency" in given.parts:
        results = replace(results, latencies=latency.latencies(stand))
    if "enqueue" in given.parts:
        results = replace(results, ways=enqueue.ways(stand, rounds=rounds))
    if "sizes" in given.parts:
        sizes, aftercare = enqueue.sizes(stand)
        results = replace(results, sizes=sizes, aftercare=aftercare)
    if "backlog" in given.parts:
        waiting = (1_000, 10_000, 100_000, 1_000_000) if given.full else (1_000, 10_000, 100_000)
        results = replace(results, backlogs=scale.backlogs(stand, waiting, rounds=rounds))
    if "processes" in given.parts:
        results = replace(results, processes=scale.speed_up(stand, (1, 2, 4), rounds=rounds))
    if "upkeep" in given.parts:
        entries = (100, 1_000_000, 5_000_000) if given.full else (100, 200_000)
        results = replace(results, ticks=scale.ticks(stand, entries))
    return results


if __name__ == "__main__":
    sys.exit(main())
