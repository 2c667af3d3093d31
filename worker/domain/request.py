"""A request to one of the four services, and its JSON: key order kept, amounts exact."""

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from worker.domain.service import Service

#: No amount or quantity has more digits than this on either side of the point; more would only fill memory.
_MAX_EXPONENT = 30
_CONSTANTS: Final = {None: "null", True: "true", False: "false"}
_text: Final = json.JSONEncoder().encode


@dataclass(frozen=True, kw_only=True)
class MagentoRequest:
    """One POST, complete but for credentials and host.

    Attributes:
        service: Which of the four services it calls.
        path: Path below `/rest/{store}`, e.g. `/V1/order/5/refund`.
        body: Parameters by name. The order of keys is kept: Magento applies them in that order, and `order_id` must
            come before the adjustments (contract 3.3).
    """

    service: Service
    path: str
    body: dict[str, object]

    def __post_init__(self) -> None:
        """Refuse a path that would leave the REST API.

        Raises:
            ValueError: The path does not begin with `/V1/`, or has a query.
        """
        if not self.path.startswith("/V1/") or set(self.path) & set("?#% "):
            raise ValueError(f"not a path of the REST API: {self.path!r}")

    def to_json(self) -> bytes:
        """Give the body as it goes over the wire; see `render_json` for what it refuses."""
        return render_json(self.body).encode("ascii")


def render_json(value: object) -> str:
    """Write a value as JSON; a Decimal becomes a plain number with exactly its digits (`Decimal("10.10")` → `10.10`).

    Never writes an exponent: Magento reads `1e-5` as 1.

    Raises:
        ValueError: A number is infinite, not a number, or absurdly long.
        TypeError: A value or key is of a type that JSON does not have.
    """
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return _CONSTANTS[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, dict):
        return f"{{{','.join([f'{_name(name)}:{render_json(item)}' for name, item in value.items()])}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join([render_json(item) for item in value])}]"
    if isinstance(value, Decimal):
        return _plain(value)
    if isinstance(value, float):
        return _plain(Decimal(repr(value)) if math.isfinite(value) else Decimal("NaN"))
    raise TypeError(f"cannot be written as JSON: {type(value).__name__}")


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a JSON key is a string, not {type(key).__name__}")
    return _text(str(key))


def _plain(number: Decimal) -> str:
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _MAX_EXPONENT:
        raise ValueError(f"not an amount: {number}")
    return format(number, "f")
