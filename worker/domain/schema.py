"""The JSON Schema of the job document, for producers in other languages: `docs/job.schema.json`.

Rules between fields are not in it; `refunds explain` tells them, and the worker checks them all.
"""

import json
import sys
from typing import Any

from worker.domain.job import RefundJob


def job_schema() -> dict[str, Any]:
    """Give the schema of a job document, as it comes in."""
    schema = RefundJob.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def rendered() -> str:
    """The schema as the text of its file."""
    return json.dumps(job_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(rendered())
