"""Limits on money in this installation: what the settings say, what was set for a campaign, what is spent."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast

from redis.asyncio import Redis

from config.settings import Settings
from config.shops import ShopSettings
from worker.domain.limits import Limits, of_cents, to_cents

_LIMITS: Final = "refunds:limits"
_SPENT: Final = "refunds:spent"
_DAY_SECONDS: Final = 86_400


def limits_of(settings: Settings, shop: ShopSettings) -> Limits:
    """The limits that the settings set for a shop: its own, else those of the installation."""
    return Limits(
        job=shop.max_amount or settings.max_amount,
        day=shop.max_amount_per_day or settings.max_amount_per_day,
        campaign=shop.max_amount_per_campaign or settings.max_amount_per_campaign,
    )


def limits_by_shop(settings: Settings) -> dict[str, Limits]:
    """The limits of every shop, by its name."""
    return {name: limits_of(settings, shop) for name, shop in settings.shops.items()}


async def set_campaign_limit(redis: Redis, name: str, amount: Decimal | None) -> None:
    """Set how much a campaign may refund, before its first job is accepted; it goes before the setting.

    It may be raised or lowered later. Set for the first time on a campaign that has jobs already, it counts only jobs
    that are accepted from then on.

    Args:
        name: Name of the campaign.
        amount: In base currency; None takes the limit away.
    """
    if amount is None:
        await cast("Any", redis.hdel(_LIMITS, f"campaign:{name}"))
    else:
        await cast("Any", redis.hset(_LIMITS, f"campaign:{name}", to_cents(amount)))


@dataclass(frozen=True, kw_only=True)
class Spent:
    """How much of a limit is used.

    Attributes:
        spent: What is queued, sent, in doubt or settled; what is held is not in it.
        limit: None where there is none.
    """

    spent: Decimal
    limit: Decimal | None


async def spent_today(redis: Redis, shops: Mapping[str, Limits]) -> dict[str, Spent]:
    """What counts as spent today (UTC, by the server's clock), by shop."""
    if not shops:
        return {}
    seconds, _ = await redis.time()
    fields = [f"day:{shop}:{int(seconds) // _DAY_SECONDS}" for shop in shops]
    found = cast("list[str | None]", await cast("Any", redis.hmget(_SPENT, fields)))
    return {
        shop: Spent(spent=of_cents(cents) or Decimal("0.00"), limit=limits.day)
        for (shop, limits), cents in zip(shops.items(), found, strict=True)
    }
