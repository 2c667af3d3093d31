"""`refunds explain`: what would be done with a job, and why. Sends nothing."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.documents import documents, opened_input
from worker.cli.examples import examples
from worker.cli.failure import Exit
from worker.cli.opening import settings_for_a_command
from worker.cli.output import answer, answer_json, answer_table, fields, pretty, remark
from worker.cli.quoting import planned_live
from worker.domain.decision import Rule
from worker.domain.facts import needs, reasons_to_read
from worker.domain.job import RefundJob, parse_job
from worker.domain.key import marker
from worker.domain.lines import PreflightRefusal
from worker.domain.nonce import nonce_for
from worker.domain.plan import ShopRules, sketch
from worker.domain.problems import InvalidJob
from worker.domain.request import render_json
from worker.domain.service import SERVICES
from worker.intake.accept import check
from worker.intake.numbered import Numbered
from worker.lookups import NotFound
from worker.magento.session import open_session
from worker.resources import open_shop, rules_of


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command(epilog=examples("refunds explain job.json", "refunds explain --live --json jobs.jsonl"))(explain)


def explain(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON (one job) or JSONL (a job a line); - is stdin.")],
    live: Annotated[bool, typer.Option("--live", help="Read the order too; show the exact body and a quote.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per job.")] = False,
) -> None:
    """Say which Magento service does a job, with which body, by which rule; or what is wrong with it. Sends nothing."""
    settings = settings_for_a_command()
    worst, count = Exit.DONE, 0
    with opened_input(file) as stream:
        for numbered in documents(stream, max_bytes=settings.max_document_bytes):
            said, code = _explain(numbered, settings, live=live)
            count, worst = count + 1, max(worst, code)
            if as_json:
                answer_json(said)
            else:
                _print(said)
    if not count:
        worst = Exit.INVALID
        remark("the input holds no job")
    raise SystemExit(int(worst))


def _explain(numbered: Numbered, settings: Settings, *, live: bool) -> tuple[dict[str, Any], Exit]:
    try:
        numbered.refuse_if_too_long(settings.max_document_bytes)
        job = check(numbered.raw, settings) if settings.shops or live else parse_job(numbered.raw)
    except InvalidJob as error:
        problems = [{"field": problem.field, "reason": problem.reason} for problem in error.problems]
        return {
            "line": numbered.line,
            "idempotency_key": error.idempotency_key,
            "valid": False,
            "problems": problems,
        }, Exit.INVALID
    if not live:
        return _on_paper(numbered, job, settings), Exit.DONE
    return run_until_done(_live(numbered, job, settings))


def _on_paper(numbered: Numbered, job: RefundJob, settings: Settings) -> dict[str, Any]:
    rule, path, body = sketch(job, _rules(job, settings))
    policy = _rules(job, settings).preflight
    looked_up = [need.value for need in reasons_to_read(job, policy, is_repeated=False)]
    head = _head(numbered, job, rule, path, body, settings)
    return {**head, "looked_up_first": looked_up, "live": False, "complete": not needs(job)}


async def _live(numbered: Numbered, job: RefundJob, settings: Settings) -> tuple[dict[str, Any], Exit]:
    async with open_session() as session:
        shop = open_shop(settings.shops[job.shop], session)
        policy = shop.rules.preflight
        why = [need.value for need in reasons_to_read(job, policy, is_repeated=False)]
        try:
            made = await planned_live(job, shop)
        except PreflightRefusal as refusal:
            said = {"reason": refusal.reason, "rule": refusal.rule, "message": refusal.message}
        except NotFound as error:
            said = {"reason": error.reason, "rule": None, "message": error.message}
        else:
            head = _head(numbered, job, made.rule, made.request.path, made.request.body, settings)
            quoted = asdict(made.quote) if made.quote else None
            extra = {"looked_up_first": why, "order_id": made.order_id, "live": True, "quote": quoted}
            return {**head, **extra}, Exit.DONE
        rule, path, body = sketch(job, shop.rules)
        refused = {**said, "before_the_call": bool(why)}
        return {**_head(numbered, job, rule, path, body, settings), "live": True, "refused": refused}, Exit.SOME_FAILED


def _head(
    numbered: Numbered, job: RefundJob, rule: Rule, path: str, body: dict[str, Any], settings: Settings
) -> dict[str, Any]:
    facts = SERVICES[rule.service]
    shop = settings.shops.get(job.shop)
    nonce = nonce_for(job.idempotency_key, 1)
    return {
        "line": numbered.line,
        "idempotency_key": job.idempotency_key,
        "valid": True,
        "service": rule.service.value,
        "magento_service": facts.magento_name,
        "route": facts.route,
        "path": path,
        "rule": rule.name,
        "because": rule.because,
        "body": json.loads(render_json(body)),
        "body_text": render_json(body),
        "marker": marker(job.idempotency_key),
        "nonce": nonce if shop is None or shop.auth == "oauth1" else None,
        "permission": facts.acl_resource,
    }


def _rules(job: RefundJob, settings: Settings) -> ShopRules:
    shop = settings.shops.get(job.shop)
    return ShopRules() if shop is None else rules_of(shop)


def _print(said: dict[str, Any]) -> None:
    if not said["valid"]:
        answer(f"line {said['line']}: invalid, key {said['idempotency_key'] or 'unknown'}")
        for problem in said["problems"]:
            answer(f"  {problem['field']} {problem['reason']}".replace("   ", "  "))
        return
    fields({
        "job": said["idempotency_key"],
        "service": f"{said['magento_service']} ({said['service']})",
        "route": f"{said['route']}  ->  {said['path']}",
        "rule": f"{said['rule']}: {said['because']}",
        "permission": said["permission"],
        "marker": f"{said['marker']!r}: by it the credit memo is found again",
        "nonce": f"{said['nonce']}: under OAuth 1.0a the shop takes the first send once" if said["nonce"] else
                 "none: only OAuth 1.0a has one; the ledger and the marker guard alone",
    })  # fmt: skip
    for need in said.get("looked_up_first") or ():
        answer(f"looked up first: {need}")
    if refused := said.get("refused"):
        by = f" (pre-flight rule {refused['rule']})" if refused["rule"] else ""
        what = "REFUSED, nothing would be sent" if refused["before_the_call"] else "WOULD BE REFUSED by the shop"
        answer(f"{what}: {refused['reason']}: {refused['message']}{by}")
        return
    exact = "exact body" if said["live"] or said["complete"] else "body (what is in <> is looked up)"
    answer(f"{exact}:")
    answer(said["body_text"] if said["live"] else pretty(said["body"]))
    if said["live"]:
        _print_quote(said["quote"])
    answer()


def _print_quote(quoted: dict[str, Any] | None) -> None:
    """Print what Magento will make of the call: each line, what comes on top, the total; in one or two currencies."""
    if quoted is None:
        answer("no quote: the shop's settings, or totals of this order that are not computed here, forbid one")
        return
    base, order = quoted["base_currency"] or "BASE", quoted["currency"] or "ORDER"
    currencies = [(base, "base")] if base == order else [(base, "base"), (order, "order")]
    rows = [[what, count, *(amount[field] for _, field in currencies)] for what, count, amount in _amounts(quoted)]
    answer("quote: what Magento will make of it")
    answer_table(["what", "count", *(name for name, _ in currencies)], rows)


def _amounts(quoted: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for line in quoted["lines"]:
        yield f"{line['sku']} (line {line['order_item_id']})", f"{line['qty']:f}", line["row_total"]
    for name in ("discount", "shipping", "tax", "adjustment_positive", "adjustment_negative"):
        amount = quoted[name]
        if amount["base"] or amount["order"]:
            yield name.replace("_", " "), "", amount
    yield "grand total", "", quoted["grand_total"]
