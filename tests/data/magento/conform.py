#!/usr/bin/env python3
# ruff: noqa: ANN001, ANN204, B905, BLE001, E401, E501, I001, S310, SIM905, T201
# mypy: ignore-errors
# fmt: off
"""Replay recorded Magento scenarios against a store double and compare every answer and every total.

    conform.py BASE_URL SCENARIO_DIR [--token TOKEN] [-k WORD] [-v]

Each scenario file holds `before` (orders, invoices and credit memos as Magento's own GET routes returned them),
`steps` (request and recorded response) and `after` (the same documents again). The double is seeded with `before`
by POST BASE_URL/sandbox/orders, gets every step in turn, and is then asked for the order and its credit memos by
Magento's own routes. Ids that Magento assigns are mapped, not compared; amounts are compared to 0.00005.
Prints a line per difference and closes with 'N passed, N failed'. Exit status 1 when any scenario failed.
Standard library only.
"""
import argparse, json, pathlib, re, sys, urllib.error, urllib.parse, urllib.request

ORDER = """state status total_refunded base_total_refunded total_offline_refunded total_online_refunded subtotal_refunded
shipping_refunded tax_refunded discount_refunded adjustment_positive adjustment_negative base_subtotal_refunded
base_shipping_refunded base_tax_refunded""".split()
ITEM = "qty_refunded amount_refunded base_amount_refunded tax_refunded discount_refunded".split()
MEMO = """state order_id invoice_id grand_total base_grand_total subtotal shipping_amount base_shipping_amount tax_amount
discount_amount adjustment adjustment_positive adjustment_negative customer_note order_currency_code
base_currency_code""".split()
MEMO_ITEM = "qty row_total base_row_total tax_amount discount_amount price".split()
COMMENT = "comment is_visible_on_front is_customer_notified".split()


class Store:
    def __init__(self, base, token):
        self.base, self.token = base.rstrip("/"), token

    def call(self, method, path, body=None, raw=None):
        data = raw.encode() if raw is not None else json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data=data, method=method)
        request.add_header("Authorization", "Bearer " + self.token)
        request.add_header("Accept", "application/json")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def search(self, path, field, value):
        query = urllib.parse.urlencode({
            "searchCriteria[filter_groups][0][filters][0][field]": field,
            "searchCriteria[filter_groups][0][filters][0][value]": value,
        })
        status, body = self.call("GET", f"/rest/V1/{path}?{query}")
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body}")
        return body["items"]


def same(wanted, got):
    if wanted in (None, 0, "", "0") and got in (None, 0, "", "0"):
        return True
    try:
        return abs(float(wanted) - float(got)) < 0.00005
    except (TypeError, ValueError):
        return wanted == got


def fields(label, names, wanted, got, out):
    for name in names:
        if not same(wanted.get(name), got.get(name)):
            out.append(f"{label}.{name}: Magento {wanted.get(name)!r}, here {got.get(name)!r}")


def memo(label, wanted, got, out):
    fields(label, MEMO, wanted, got, out)
    theirs = {i["order_item_id"]: i for i in wanted.get("items") or []}
    ours = {i["order_item_id"]: i for i in got.get("items") or []}
    if set(theirs) != set(ours):
        out.append(f"{label}.items: Magento {sorted(theirs)}, here {sorted(ours)}")
    for key in set(theirs) & set(ours):
        fields(f"{label}.item {key}", MEMO_ITEM, theirs[key], ours[key], out)
    theirs, ours = wanted.get("comments") or [], got.get("comments") or []
    if len(theirs) != len(ours):
        out.append(f"{label}.comments: Magento {len(theirs)}, here {len(ours)}")
    for a, b in zip(theirs, ours):
        fields(f"{label}.comment", COMMENT, a, b, out)


def report_id(text):
    return re.sub(r"webapi-[0-9a-f]+", "webapi-*", text) if isinstance(text, str) else text


def answer(label, wanted, got, out):
    if wanted["status"] != got[0]:
        out.append(f"{label}: Magento answers {wanted['status']} {str(wanted['body'])[:160]}, here {got[0]} {str(got[1])[:160]}")
        return
    theirs, ours = wanted["body"], got[1]
    if type(theirs) is not type(ours):
        out.append(f"{label}: Magento answers {theirs!r:.80}, here {ours!r:.80}")
    elif isinstance(theirs, dict) and "message" in theirs:
        if report_id(theirs["message"]) != report_id(ours.get("message")):
            out.append(f"{label}.message: Magento {theirs['message']!r}, here {ours.get('message')!r}")
        if theirs.get("parameters") != ours.get("parameters"):
            out.append(f"{label}.parameters: Magento {theirs.get('parameters')!r}, here {ours.get('parameters')!r}")
    elif isinstance(theirs, dict):
        memo(label, theirs, ours, out)


def given_id(body):
    if isinstance(body, dict):
        return body.get("entity_id")
    return int(body) if str(body).isdigit() else None


def mapped(body, ids):
    if isinstance(body, dict):
        for key in ("entity", "creditmemo"):
            inner = body.get(key)
            if isinstance(inner, dict) and inner.get("entity_id") in ids:
                return {**body, key: {**inner, "entity_id": ids[inner["entity_id"]]}}
    return body


def play(store, scenario):
    out, ids = [], {}
    status, body = store.call("POST", "/sandbox/orders", scenario["before"])
    if status >= 300:
        return [f"seeding: {status} {str(body)[:200]}"]
    for number, step in enumerate(scenario["steps"], 1):
        request = step["request"]
        got = store.call(request["method"], request["path"], mapped(request.get("body"), ids), request.get("raw_body"))
        answer(f"step {number}", step["response"], got, out)
        if step["response"]["status"] < 300 and got[0] < 300:
            ids[given_id(step["response"]["body"])] = given_id(got[1])
    for wanted in scenario["after"]["orders"]:
        status, got = store.call("GET", f"/rest/V1/orders/{wanted['entity_id']}")
        if status != 200:
            out.append(f"order {wanted['entity_id']}: {status}")
            continue
        fields("order", ORDER, wanted, got, out)
        ours = {i["item_id"]: i for i in got["items"]}
        for item in wanted["items"]:
            fields(f"order item {item['item_id']}", ITEM, item, ours.get(item["item_id"], {}), out)
        theirs = sorted((m for m in scenario["after"]["creditmemos"] if m["order_id"] == wanted["entity_id"]), key=lambda m: m["entity_id"])
        found = sorted(store.search("creditmemos", "order_id", wanted["entity_id"]), key=lambda m: m["entity_id"])
        if len(theirs) != len(found):
            out.append(f"credit memos: Magento has {len(theirs)}, here {len(found)}")
        for number, (a, b) in enumerate(zip(theirs, found), 1):
            memo(f"memo {number}", a, b, out)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base_url"), parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--token", default="sandbox"), parser.add_argument("-k", default="", help="only names with this word")
    parser.add_argument("-v", action="store_true", help="name the scenarios that pass too")
    args = parser.parse_args()
    store, passed, failed = Store(args.base_url, args.token), 0, 0
    for path in sorted(args.directory.glob("*.json")):
        if args.k not in path.stem:
            continue
        scenario = json.loads(path.read_text())
        try:
            differences = play(store, scenario)
        except Exception as error:  # a double that breaks is a difference, not a crash of the comparison
            differences = [f"broke: {error!r}"]
        passed, failed = passed + (not differences), failed + bool(differences)
        if differences or args.v:
            print(f"{'FAIL' if differences else 'ok  '} {path.stem}: {scenario['about']}")
        for line in differences:
            print("     ", line)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
