"""The JSON Schema in docs/ is the one of the code, and takes what the worker takes."""
# ruff: noqa: ANN401 - documents and fields of any kind

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.factories import Document, a_document
from tests.unit.worker.domain.test_job import GOOD
from worker.domain.schema import job_schema, rendered

FILE = Path(__file__).parents[4] / "docs" / "job.schema.json"
REGENERATE = "docs/job.schema.json is out of date: python -m worker.domain.schema > docs/job.schema.json"


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(job_schema())
    return jsonschema.Draft202012Validator(job_schema())


def test_the_file_is_up_to_date():
    assert FILE.read_text() == rendered(), REGENERATE


@pytest.mark.parametrize("document", GOOD.values(), ids=list(GOOD))
def test_the_schema_takes_every_good_document(validator: Any, document: Document):
    validator.validate(json.loads(json.dumps(document)))


@pytest.mark.parametrize(
    "changes",
    [
        {"item": []},
        {"idempotency_key": "a b"},
        {"order_id": 0},
        {"order_id": "7"},
        {"order_id": 2**32},
        {"items": None, "amount": 12.5},
        {"items": None, "amount": "12,50"},
        {"items": []},
        {"mode": "both"},
    ],
    ids=str,
)
def test_the_schema_refuses_what_needs_no_look_at_other_fields(validator: Any, changes: Document):
    assert not validator.is_valid(a_document(**changes))
