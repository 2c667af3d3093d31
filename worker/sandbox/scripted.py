"""Answers that people put into the shop's mouth: what an extension, a proxy or another language may say."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker.sandbox.errors import ShopError

Speaker = Literal["magento", "proxy"]


class ScriptedAnswer(BaseModel):
    """What the next refund calls of one order are answered; nothing is refunded by them.

    Attributes:
        order_id: Entity id of the order.
        status: HTTP status.
        body: A JSON object, or a page as text.
        times: How many calls are answered so.
        by: Who says it: Magento, which has seen the nonce then, or a proxy before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_id: int
    status: int = Field(ge=200, le=599)
    body: dict[str, Any] | str
    times: int = Field(default=1, ge=1)
    by: Speaker = "magento"


class Scripts:
    """The scripted answers of one shop."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, Speaker], list[ShopError]] = {}

    def add(self, given: Mapping[str, Any]) -> int:
        """Take an answer in; gives how many calls of its order are scripted now.

        Raises:
            ValueError: It is not of that form.
        """
        try:
            one = ScriptedAnswer.model_validate(dict(given))
        except ValidationError as exc:
            first = exc.errors()[0]
            raise ValueError(f'answer "{first["loc"][0]}": {first["msg"]}') from exc
        kind = "application/json" if isinstance(one.body, dict) else "text/html"
        waiting = self._waiting.setdefault((one.order_id, one.by), [])
        waiting += [ShopError(one.status, one.body, kind) for _ in range(one.times)]
        return len(waiting)

    def take(self, order_id: int | None, by: Speaker) -> ShopError | None:
        """Give the answer to the next call of an order; None where the shop speaks for itself."""
        waiting = self._waiting.get((order_id, by)) if order_id is not None else None
        return waiting.pop(0) if waiting else None
