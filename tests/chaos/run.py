# ruff: noqa: T201  # a command line prints
"""`make chaos`: run the storm in full, print its table, and fail if any promise was broken."""

import argparse
import asyncio
import os
import platform
import sys
import time
from pathlib import Path

from tests.chaos.harness import Plan, Report, run_storm


def main(arguments: list[str] | None = None) -> int:
    """Run storms as the arguments say; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=1_100, help="SIGKILLs, about; half at the named crash points")
    parser.add_argument("--seed", type=int, default=None, help="another one each time if not given")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--auth", choices=("oauth1", "bearer"), default="oauth1")
    parser.add_argument("--lease-seconds", type=float, default=None, help="the default of the worker if not given")
    parser.add_argument("--chunk", type=int, default=10, help="jobs in a message")
    parser.add_argument("--keep", type=Path, default=None, help="folder in which logs and data stay")
    parser.add_argument("--report", type=Path, default=None, help="Markdown file to write the table to")
    given = parser.parse_args(arguments)
    plan = Plan(
        jobs=given.jobs,
        kills=given.kills,
        seed=int(time.time()) % 1_000_000 if given.seed is None else given.seed,
        workers=given.workers,
        auth=given.auth,
        lease_seconds=given.lease_seconds,
        chunk=given.chunk,
    )
    print(f"seed {plan.seed}; run it again with: {plan.command()}", flush=True)
    report = asyncio.run(run_storm(plan, folder=given.keep))
    for name, value in report.rows():
        print(f"{name.replace('*', '').replace('`', ''):<44} {value}")
    if given.report is not None and not report.problems:
        given.report.parent.mkdir(parents=True, exist_ok=True)
        given.report.write_text(page(report))
    for problem in report.problems:
        print(f"VIOLATED: {problem}", file=sys.stderr)
    if report.problems:
        print(f"run it again with: {plan.command()}", file=sys.stderr)
    return 1 if report.problems else 0


def page(report: Report) -> str:
    """Give the page of docs/benchmarks."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    return f"""# Chaos

`make chaos`: real Redis, real worker and upkeep processes and a simulated shop with faults, under SIGKILL at random
moments and at every named point between claim and settle, with messages lost and repeated. At the end the ledger is
held against the shop's own books. Recovery is the time from a SIGKILL until a key that the dead process held was
adopted. Dead letters are jobs that died with their worker three times (`poison`) or whose money cannot be proven
(`outcome_unknown`: the gateway was asked, no credit memo came up); all of them are replayed after the storm.

Run on {machine}: `{report.plan.command()}`

{report.markdown()}
"""


if __name__ == "__main__":
    sys.exit(main())
