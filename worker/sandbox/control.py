"""`/sandbox/...`: seed the shop, break it, look into its books. Needs no token."""

from typing import Any

from aiohttp import web

from worker.sandbox import seeds
from worker.sandbox.faults import Faults
from worker.sandbox.render import answer
from worker.sandbox.requests import decoded
from worker.sandbox.shop import Shop


async def answered(shop: Shop, request: web.Request) -> web.Response:
    """Answer a control request; one that is wrong gets 400 with the reason."""
    name = f"{request.method} {request.path.rstrip('/').removeprefix('/sandbox/')}"
    try:
        body = await _body(request)
        return answer(_handled(shop, name, body, request))
    except LookupError:
        return answer({"message": f"no such control: {name}"}, status=404)
    except (ValueError, TypeError, RecursionError) as exc:
        return answer({"message": str(exc)}, status=400)


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    found = decoded(raw) if raw else {}
    if not isinstance(found, dict):
        raise TypeError("the body must be a JSON object")
    return found


def _handled(shop: Shop, name: str, body: dict[str, Any], request: web.Request) -> Any:  # noqa: ANN401 - any JSON value
    match name:
        case "GET health":
            return {"status": "ok"}
        case "GET ledger":
            return shop.oracle.ledger(_since(request.query.get("since", "0")))
        case "GET faults":
            return shop.faults.model_dump()
        case "POST faults":
            shop.set_faults(Faults.checked(body))
            return shop.faults.model_dump()
        case "POST answers":
            return {"scripted": shop.scripts.add(body)}
        case "POST orders":
            return shop.store.seed(seeds.checked(body))
        case "POST tokens":
            return _tokens(shop, body)
        case "POST reset":
            shop.reset()
            return {"status": "empty"}
        case _:
            raise LookupError(name)


def _since(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f'since must be a whole number of credit memos to skip, not "{text}"')
    return int(text)


def _tokens(shop: Shop, body: dict[str, Any]) -> dict[str, str]:
    unknown = set(body) - {"add", "revoke"}
    if unknown or not body:
        raise ValueError('tokens are changed by {"add": TOKEN}, {"revoke": TOKEN}, or both')
    if "add" in body:
        shop.gatekeeper.add(str(body["add"]))
    if "revoke" in body:
        shop.gatekeeper.revoke(str(body["revoke"]))
    return {"status": "ok"}
