"""What can go wrong on purpose, and how often."""

import random
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_RATE = Field(default=0.0, ge=0.0, le=1.0)
#: At most one of these happens to a call; the order is the one in which a single random number is divided.
EXCLUSIVE: Final = (
    "refuse", "drop_before", "throttle", "error_500", "error_502", "error_503", "maintenance",
    "drop_after", "error_500_after", "error_502_after", "slow_body",
)  # fmt: skip


class Faults(BaseModel):
    """Rates between 0 and 1, for POSTs of the four services; `_after` strikes when the refund is already done.

    Attributes:
        refuse: The connection is closed at once, unread.
        drop_before: The request is read, nothing is done, the connection is closed.
        drop_after: The refund is made, the connection is closed without an answer.
        throttle: 429 with `Retry-After: 1`.
        error_500: Magento's masked 500; nothing is done.
        error_500_after: The same, but the refund is made.
        error_502: nginx's 502 page; nothing is done.
        error_502_after: The same, but the refund is made.
        error_503: A plain 503 that is not Magento's.
        maintenance: Magento's maintenance page.
        slow_body: The answer trickles.
        slow_seconds: How long it trickles.
        delay: How many calls are delayed.
        delay_seconds: By how long.
        decline: The gateway declines an online refund.
        reads: Whether reading calls suffer too.
        seed: Starts the random numbers anew; None goes on with those of the shop.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    refuse: float = _RATE
    drop_before: float = _RATE
    drop_after: float = _RATE
    throttle: float = _RATE
    error_500: float = _RATE
    error_500_after: float = _RATE
    error_502: float = _RATE
    error_502_after: float = _RATE
    error_503: float = _RATE
    maintenance: float = _RATE
    slow_body: float = _RATE
    slow_seconds: float = Field(default=1.0, ge=0.0)
    delay: float = Field(default=1.0, ge=0.0, le=1.0)
    delay_seconds: float = Field(default=0.0, ge=0.0)
    decline: float = _RATE
    reads: bool = False
    seed: int | None = None

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read the text of `--faults`, such as `drop_after=0.1,throttle=0.05,delay_seconds=0.2`.

        Raises:
            ValueError: Names the part that is wrong.
        """
        given: dict[str, object] = {}
        for part in filter(None, (piece.strip() for piece in spec.split(","))):
            name, sign, value = part.partition("=")
            if not sign:
                raise ValueError(f'"{part}" is not of the form name=number')
            given[name.strip()] = value.strip()
        return cls.checked(given)

    @classmethod
    def checked(cls, given: dict[str, object]) -> Self:
        """Build faults from names and values.

        Raises:
            ValueError: An unknown name (the known ones are listed), or a value that is no number in range.
        """
        unknown = sorted(set(given) - set(cls.model_fields))
        if unknown:
            raise ValueError(f'unknown fault "{unknown[0]}"; known are: {", ".join(sorted(cls.model_fields))}')
        try:
            faults = cls.model_validate(given)
        except ValidationError as exc:
            first = exc.errors()[0]
            raise ValueError(f'fault "{first["loc"][0]}={first["input"]}": {first["msg"]}') from exc
        total = sum(getattr(faults, name) for name in EXCLUSIVE)
        if total > 1 + 1e-9:
            raise ValueError(
                f"only one of {', '.join(EXCLUSIVE)} can happen to a call, and the rates add up to {total:g}"
            )
        return faults

    def drawn(self, source: random.Random) -> str | None:
        """Draw what happens to one call; None is nothing."""
        number = source.random()
        for name in EXCLUSIVE:
            number -= getattr(self, name)
            if number < 0:
                return name
        return None
