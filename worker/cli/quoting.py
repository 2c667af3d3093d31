"""What would be sent for a job and what the shop would make of it: read at the shop now, nothing sent or locked."""

from dataclasses import replace

from worker.domain.facts import Facts, reasons_to_read
from worker.domain.job import RefundJob
from worker.domain.lines import PreflightRefusal, left_of
from worker.domain.plan import Plan, ShopRules, plan
from worker.domain.preflight import checked_quote, invoice_of
from worker.lookups import read_facts
from worker.resources import Shop


async def planned_live(job: RefundJob, shop: Shop) -> Plan:
    """Read a job's order and plan its call, with the quote where one can be made.

    Raises:
        PreflightRefusal: It would not be sent, or the shop would refuse it.
        NotFound: The shop does not know its order or invoice.
        RefundError: The shop cannot be asked now.
    """

    async def no_lock(_order_id: int) -> None:
        """Nothing is sent, so nothing is locked."""

    policy = shop.rules.preflight
    facts = await read_facts(job, shop.magento, no_lock, preflight="never" if policy == "never" else "always")
    if reasons_to_read(job, policy, is_repeated=False):
        return plan(job, facts, shop.rules)
    return _as_sent_unread(job, facts, shop.rules)


def _as_sent_unread(job: RefundJob, facts: Facts | None, rules: ShopRules) -> Plan:
    """Plan a job that a worker sends without a read, and quote exactly that call."""
    made = plan(job, None, rules)
    if facts is None:
        return made
    try:
        quoted = checked_quote(job, made.request, facts, invoice_of(job, facts), rules.preflight)
    except PreflightRefusal as refusal:
        message = f"{refusal.message}; {left_of(facts.order)}"
        raise PreflightRefusal(refusal.reason, message, rule=refusal.rule) from None
    return replace(made, quote=quoted)
