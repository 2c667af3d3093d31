import pytest

from worker.sandbox.scripted import Scripts


def test_an_answer_is_given_as_often_as_was_said_and_to_its_order_only():
    scripts = Scripts()
    assert scripts.add({"order_id": 5, "status": 422, "body": {"message": "No."}, "times": 2}) == 2
    assert scripts.take(6, "magento") is None
    assert scripts.take(5, "proxy") is None
    found = [scripts.take(5, "magento") for _ in range(3)]
    assert [one.status if one else None for one in found] == [422, 422, None]


def test_a_page_is_no_json():
    scripts = Scripts()
    scripts.add({"order_id": 5, "status": 413, "body": "<html>", "by": "proxy"})
    found = scripts.take(5, "proxy")
    assert found is not None
    assert (found.body, found.content_type) == ("<html>", "text/html")


@pytest.mark.parametrize(
    "given", [{}, {"order_id": 5, "status": 99, "body": ""}, {"order_id": 5, "status": 400, "x": 1}]
)
def test_what_cannot_be_read_is_refused(given: dict[str, object]):
    with pytest.raises(ValueError, match="answer"):
        Scripts().add(given)
