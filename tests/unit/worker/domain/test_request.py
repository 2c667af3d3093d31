"""What goes over the wire: key order, exact amounts, and the nonce."""

import json
import re
from decimal import Decimal

import pytest

from worker.domain.nonce import nonce_for
from worker.domain.request import MagentoRequest, render_json
from worker.domain.service import SERVICES, Service


class TestJson:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (Decimal("10.10"), "10.10"),
            (Decimal("1E+2"), "100"),
            (Decimal("0.00001"), "0.00001"),
            (Decimal("1E-5"), "0.00001"),
            (0.1, "0.1"),
            (1e-5, "0.00001"),
            (3, "3"),
            (True, "true"),
            (None, "null"),
            ('é"\n', '"\\u00e9\\"\\n"'),
            ([Decimal("1.5"), []], "[1.5,[]]"),
            ({"b": 1, "a": {}}, '{"b":1,"a":{}}'),
        ],
    )
    def test_numbers_are_exact_and_keys_keep_their_order(self, value: object, text: str):
        assert render_json(value) == text

    def test_a_long_amount_is_not_rounded(self):
        assert render_json(Decimal("123456789012345678.10")) == "123456789012345678.10"

    @pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("inf"), Decimal("1E+99999999")])
    def test_what_is_no_amount_is_refused(self, value: object):
        with pytest.raises(ValueError, match="not an amount"):
            render_json(value)

    @pytest.mark.parametrize("value", [{1: 2}, {"a": {1, 2}}, b"bytes"])
    def test_what_json_does_not_have_is_refused(self, value: object):
        with pytest.raises(TypeError):
            render_json(value)

    def test_it_is_json(self):
        value = {"a": [1, 2.5, "x", None, {"b": False}], "c": "\u2028 / </script>"}

        assert json.loads(render_json(value)) == value


class TestRequest:
    @pytest.mark.parametrize("path", ["/V1/order/5/refund?notify=1", "/rest/V1/creditmemo", "V1/creditmemo", "/V1/a b"])
    def test_a_path_cannot_leave_the_api_or_carry_parameters(self, path: str):
        with pytest.raises(ValueError, match="not a path"):
            MagentoRequest(service=Service.CREDITMEMO_SAVE, path=path, body={})

    def test_the_table_knows_every_service(self):
        assert set(SERVICES) == set(Service)
        assert SERVICES[Service.INVOICE_REFUND].path(7) == "/V1/invoice/7/refund"
        assert SERVICES[Service.CREDITMEMO_REFUND].path() == "/V1/creditmemo/refund"
        for facts in SERVICES.values():
            assert facts.route == "POST " + re.sub(r"\{.*\}", f":{facts.service.split('_')[0]}Id", facts.path_template)

    @pytest.mark.parametrize(
        ("service", "entity_id"), [("order_refund", None), ("order_refund", 0), ("creditmemo_save", 1)]
    )
    def test_a_route_takes_an_id_or_does_not(self, service: str, entity_id: int | None):
        with pytest.raises(ValueError, match="cannot take the id"):
            SERVICES[Service(service)].path(entity_id)


class TestNonce:
    def test_a_nonce_is_32_hex_digits_of_key_and_send_number(self):
        assert nonce_for("key-1", 1) == "826f8ac026575b53098f050e86a748b9"
        assert len({nonce_for("key-1", 1), nonce_for("key-1", 2), nonce_for("key-11", 1)}) == 3
