"""The files of a report, written row by row: memory does not grow with the campaign. A file is whole, or not there."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol, Self, TextIO

from worker.campaigns.report_columns import Coder, for_json, for_spreadsheet, key_order
from worker.campaigns.report_figures import Figures
from worker.campaigns.report_page import About, AuditResult, in_script, page
from worker.campaigns.report_row import Row

Format = Literal["html", "csv", "json"]
FORMATS: Final[tuple[Format, ...]] = ("html", "csv", "json")


class Report(Protocol):
    """One file under way."""

    def add(self, row: Row) -> None:
        """Write one row."""
        ...

    def finish(self, about: About, figures: Figures, audit: AuditResult) -> None:
        """Write what is known only at the end."""
        ...

    def drop(self) -> None:
        """Let go of what was laid aside; also after `finish`."""
        ...


class CsvReport:
    """One line per job, for a spreadsheet: UTF-8 with a byte order mark, by which Excel knows it."""

    def __init__(self, file: TextIO) -> None:
        file.write("\ufeff")
        self._lines = csv.writer(file, lineterminator="\r\n")
        self._lines.writerow(key_order())

    def add(self, row: Row) -> None:
        """Write one row."""
        self._lines.writerow(for_spreadsheet(row))

    def finish(self, about: About, figures: Figures, audit: AuditResult) -> None:
        """Nothing: a line of totals would be taken for a job."""

    def drop(self) -> None:
        """Nothing was laid aside."""


class JsonReport:
    """One JSON document; each job on a line of its own."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._is_first = file, True
        file.write('{"jobs": [')

    def add(self, row: Row) -> None:
        """Write one row."""
        self._file.write(("\n" if self._is_first else ",\n") + json.dumps(for_json(row), ensure_ascii=False))
        self._is_first = False

    def finish(self, about: About, figures: Figures, audit: AuditResult) -> None:
        """Write campaign, figures and audit after the jobs."""
        campaign = {
            "name": about.name,
            "made_by": about.made_by,
            "made_ms": about.made_ms,
            "file_sha256": about.sha256,
            "facts": dict(about.facts),
        }
        rest = {"campaign": campaign, "figures": figures.summary(), "audit": audit.summary(), "acts": list(about.acts)}
        self._file.write("\n],\n" + json.dumps(rest, ensure_ascii=False, default=str).removeprefix("{") + "\n")

    def drop(self) -> None:
        """Nothing was laid aside."""


class HtmlReport:
    """One page. Its rows are laid aside until what stands above them is known."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._coder, self._is_first = file, Coder(), True
        self._rows = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115 - closed by drop

    def add(self, row: Row) -> None:
        """Lay one row aside."""
        self._rows.write(("" if self._is_first else ",\n") + in_script(self._coder.encode(row)))
        self._is_first = False

    def finish(self, about: About, figures: Figures, audit: AuditResult) -> None:
        """Write the page with its rows."""
        made = page(about, figures, audit)
        self._file.write(made.before_rows + "[")
        self._rows.seek(0)
        shutil.copyfileobj(self._rows, self._file)
        self._file.write("]" + made.before_words + in_script(self._coder.key()) + made.end)

    def drop(self) -> None:
        """Let go of the rows."""
        self._rows.close()


_KINDS: Final[dict[Format, type[CsvReport | JsonReport | HtmlReport]]] = {
    "csv": CsvReport,
    "json": JsonReport,
    "html": HtmlReport,
}


class Reports:
    """Several files of the same rows, and the figures of all. Left early, it leaves no file behind.

    Args:
        paths: Where each form goes; a file that is there is replaced when the new one is whole.
    """

    def __init__(self, paths: Sequence[tuple[Format, Path]]) -> None:
        self.figures = Figures()
        self._paths = [path for _, path in paths]
        self._formats = [kind for kind, _ in paths]
        self._files: list[TextIO] = []
        self._reports: list[Report] = []

    def __enter__(self) -> Self:
        """Begin every file, beside where it will be."""
        for kind, path in zip(self._formats, self._paths, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _part(path).open("w", encoding="utf-8", newline="")
            self._files.append(file)
            self._reports.append(_KINDS[kind](file))
        return self

    def __exit__(self, *_: object) -> None:
        """Take away what was not finished."""
        for report in self._reports:
            report.drop()
        for file in self._files:
            file.close()
        for path in self._paths:
            _part(path).unlink(missing_ok=True)

    def add(self, row: Row) -> None:
        """Write one row to every file, and count it."""
        self.figures.add(row)
        for report in self._reports:
            report.add(row)

    def finish(self, about: About, audit: AuditResult) -> list[Path]:
        """Complete the files; gives where they are."""
        for report, file in zip(self._reports, self._files, strict=True):
            report.finish(about, self.figures, audit)
            file.flush()
            os.fsync(file.fileno())
        for path in self._paths:
            _part(path).replace(path)
        return self._paths


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
