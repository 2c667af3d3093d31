"""PHP's idea of numbers and objects, and what Magento says of anything else."""

from typing import Any

import pytest

from worker.sandbox import schemas
from worker.sandbox.conversion import arguments
from worker.sandbox.errors import ShopError


def refusal(given: dict[str, Any], parameters: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(ShopError) as caught:
        arguments(given, parameters)
    body = caught.value.body
    return caught.value.status, body if isinstance(body, str) else body["message"]


def test_snake_case_null_and_unknown_names() -> None:
    found = arguments({"is_online": "yes", "items": None, "bogus": 1, "invoiceId": "7"}, schemas.INVOICE_REFUND)
    assert found == {"invoiceId": 7, "isOnline": True}


def test_numbers_in_strings_are_numbers() -> None:
    given = {"items": [{"orderItemId": " 1e3", "qty": "1.5"}, {"order_item_id": 1.9}]}
    assert arguments(given, schemas.ORDER_REFUND)["items"] == [
        {"order_item_id": 1000, "qty": 1.5},
        {"order_item_id": 1},
    ]


def test_a_single_object_is_a_list_of_its_values() -> None:
    assert arguments({"items": {"order_item_id": 1, "qty": 1}}, schemas.ORDER_REFUND)["items"] == [{}, {}]


def test_a_scalar_is_an_empty_object() -> None:
    assert arguments({"comment": "x"}, schemas.ORDER_REFUND)["comment"] == {}


@pytest.mark.parametrize(
    ("given", "status", "text"),
    [
        pytest.param({"items": "all"}, 500, "An error has happened", id="a string for a list"),
        pytest.param({"items": [{"bogus": 1}]}, 500, "Internal Error", id="an unknown member"),
        pytest.param(
            {"items": [{"qty": "two"}]}, 400, 'Error occurred during "qty" processing. The "two" value', id="word"
        ),
        pytest.param(
            {"items": [{"qty": True}]}, 400, 'Error occurred during "qty" processing. The "1" value', id="true"
        ),
        pytest.param({"orderId": "abc"}, 400, 'The "abc" value\'s type is invalid. The "int" type', id="path"),
        pytest.param({"items": [{"qty": [1]}]}, 400, 'Error occurred during "qty" processing. The "array"', id="array"),
    ],
)
def test_refusals(given: dict[str, Any], status: int, text: str) -> None:
    found = refusal(given, schemas.ORDER_REFUND)
    assert found[0] == status
    assert found[1].startswith(text)


def test_each_property_around_it_is_named() -> None:
    memo = {"creditmemo": {"items": [{"qty": "x"}]}}
    assert refusal(memo, schemas.MEMO_REFUND)[1].startswith(
        'Error occurred during "items" processing. Error occurred during "qty" processing. '
    )


def test_a_scalar_for_a_list_inside_an_object_is_nothing() -> None:
    """A setter takes null, the service itself does not (contract 4.3)."""
    assert arguments({"creditmemo": {"items": "x", "order_id": 1}}, schemas.MEMO_REFUND)["creditmemo"] == {
        "items": None,
        "order_id": 1,
    }


@pytest.mark.parametrize(
    ("value", "shown"), [("x", "string"), (5, "integer"), (1.5, "double"), (True, "boolean")], ids=str
)
def test_a_scalar_for_a_list_of_numbers_is_named_by_its_type(value: object, shown: str) -> None:
    given = {"arguments": {"extension_attributes": {"return_to_stock_items": value}}}
    assert (
        f'The "{shown}" value\'s type is invalid. The "int[]" type was expected.'
        in (refusal(given, schemas.ORDER_REFUND)[1])
    )


def test_several_missing_parameters_stand_below_a_general_message() -> None:
    """Contract 4.2: `errors` only for two or more; one alone is the message."""
    with pytest.raises(ShopError) as caught:
        arguments({}, schemas.ADMIN_TOKEN, ("username", "password"))
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"] == "One or more input exceptions have occurred."
    assert [error["parameters"] for error in caught.value.body["errors"]] == [
        {"fieldName": "username"},
        {"fieldName": "password"},
    ]
    with pytest.raises(ShopError) as caught:
        arguments({"username": "ann"}, schemas.ADMIN_TOKEN, ("username", "password"))
    assert caught.value.body == {
        "message": '"%fieldName" is required. Enter and try again.',
        "parameters": {"fieldName": "password"},
    }


def test_unknown_extension_attributes_are_unknown_members() -> None:
    """Contract 1.1: unknown nested keys are a masked 500; Open Source adds no attributes to these objects."""
    given = {"creditmemo": {"order_id": 1, "extension_attributes": {}}}
    assert arguments(given, schemas.MEMO_REFUND)["creditmemo"] == {"order_id": 1}
    given["creditmemo"]["extension_attributes"] = {"gift_cards": 1}
    assert refusal(given, schemas.MEMO_REFUND)[0] == 500


def test_the_casing_of_a_member_must_be_that_of_its_accessor() -> None:
    """Contract 1.1: snake case or camel case; `getOrderitemid` is no method."""
    for key in ("order_item_id", "orderItemId", "Order_Item_Id"):
        assert arguments({"items": [{key: 1}]}, schemas.ORDER_REFUND)["items"] == [{"order_item_id": 1}]
    for key in ("orderitemid", "ORDER_ITEM_ID", "order_itemid"):
        assert refusal({"items": [{key: 1}]}, schemas.ORDER_REFUND)[0] == 500


def test_a_list_may_stand_in_an_item_node() -> None:
    for wrapped in ({"item": [{"qty": 1}]}, {"item": {"qty": 1}}):
        assert arguments({"items": wrapped}, schemas.ORDER_REFUND)["items"] == [{"qty": 1.0}]
