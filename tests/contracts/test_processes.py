import re
from pathlib import Path

import pytest

from config.celery import worker_flags
from config.queues import Queue

FILES = ["Procfile", "deploy/compose.yaml", "deploy/systemd/refunds-worker.service"]


@pytest.mark.parametrize("name", FILES)
def test_every_queue_is_read_by_a_worker(root: Path, name: str):
    read = {queue for queues in re.findall(r"--queues=(\S+)", (root / name).read_text()) for queue in queues.split(",")}
    assert read == set(Queue)


@pytest.mark.parametrize("name", FILES)
def test_workers_are_started_with_our_flags(root: Path, name: str):
    assert set(worker_flags()) <= set((root / name).read_text().split())


def test_every_process_type_has_a_deployment(root: Path):
    processes = re.findall(r"^(\w+): ", (root / "Procfile").read_text(), flags=re.MULTILINE)
    compose = (root / "deploy/compose.yaml").read_text()
    for process in processes:
        assert f"\n  {process}:\n" in compose
        assert (root / "deploy/systemd" / f"refunds-{process}.service").is_file()
