"""What a report is computed of: rows, totals, time, plots, and the three files."""
# ruff: noqa: ANN401 - fields of any kind

import csv
import io
import json
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from worker.campaigns.latency import CLASSES_MS
from worker.campaigns.report_columns import COLUMNS, for_json, for_spreadsheet
from worker.campaigns.report_figures import Figures
from worker.campaigns.report_files import FORMATS, Reports
from worker.campaigns.report_page import About, AuditResult, Finding, in_script, verdict
from worker.campaigns.report_plots import HEIGHT, WIDTH, plots_of, scale
from worker.campaigns.report_row import Ending, Row, row_of
from worker.campaigns.timeline import MOST_BARS, Timeline, width_words
from worker.domain.lifecycle import State
from worker.ledger.entry import Entry

NOW_MS = 1_795_600_000_000
ABOUT = About(name="spring", made_by="ann", made_ms=NOW_MS)
AGREES = AuditResult(was_made=True, settled=1, by="ann", at_ms=NOW_MS)


def an_entry(document: dict[str, Any] | None = None, **changes: Any) -> Entry:
    """An entry that settled, with its credit memo read back."""
    job = {"idempotency_key": "rma-1", "order_id": 7, "amount": "10.00", **(document or {})}
    facts = {
        "base_grand_total": "10.00", "grand_total": "12.50", "increment_id": "000000091", "order_id": 7,
        "base_currency_code": "EUR", "order_currency_code": "CHF",
    }  # fmt: skip
    fields: dict[str, Any] = {
        "state": State.SETTLED, "fingerprint": "f", "accepted_ms": NOW_MS, "updated_ms": NOW_MS + 5000, "fence": 3,
        "sends": 1, "result": {"memo_id": 91, "service": "order_refund"}, "confirmed": facts,
        "history": ({"attempt": 1, "outcome": "deferred"}, {"attempt": 3, "call_ms": 120}, {"event": "noted"}),
    }  # fmt: skip
    return Entry(key="rma-1", doc=json.dumps(job), **{**fields, **changes})


def a_row(**changes: Any) -> Row:
    known: dict[str, Any] = {
        "key": "rma-1", "order": "7", "shop": "default", "service": "order_refund", "ending": Ending.REFUNDED,
        "state": State.SETTLED, "asked": Decimal("10.00"), "confirmed": Decimal("10.00"), "currency": "EUR",
        "accepted_ms": NOW_MS, "finished_ms": NOW_MS, "call_ms": 50, "attempts": 1,
    }  # fmt: skip
    return Row(**{**known, **changes})


def a_letter(why: str = "qty_too_large", **changes: Any) -> Row:
    return a_row(
        ending=Ending.NOT_REFUNDED, state=State.DEAD, why=why, confirmed=None, currency="", call_ms=None, **changes
    )


def figures_of(*rows: Row) -> Figures:
    figures = Figures()
    for row in rows:
        figures.add(row)
    return figures


class TestRow:
    def test_a_settled_job_is_told_with_its_credit_memo(self):
        row = row_of(an_entry())
        assert (row.ending, row.memo, row.memo_id, row.order) == (Ending.REFUNDED, "000000091", 91, "7")
        assert (row.asked, row.confirmed, row.currency) == (Decimal("10.00"), Decimal("10.00"), "EUR")
        assert (row.in_order_currency, row.order_currency) == (Decimal("12.50"), "CHF")
        assert (row.attempts, row.sends, row.call_ms, row.finished_ms) == (2, 1, 120, NOW_MS + 5000)

    def test_a_credit_memo_that_was_read_just_now_counts_before_what_was_kept(self):
        row = row_of(an_entry(), {"entity_id": 91, "base_grand_total": 9.5, "base_currency_code": "EUR"})
        assert row.confirmed == Decimal("9.50")

    def test_what_was_not_read_back_is_not_made_up(self):
        row = row_of(an_entry(confirmed={}))
        assert (row.confirmed, row.currency, row.memo) == (None, "", "91")

    def test_a_job_without_an_amount_asked_for_its_quote(self):
        full = {"amount": None, "full": True}
        assert row_of(an_entry(full, confirmed={"quote": "33.10"})).asked == Decimal("33.10")
        assert row_of(an_entry(full, confirmed={})).asked is None

    @pytest.mark.parametrize(
        ("changes", "ending"),
        [
            ({"result": {"memo_id": 1, "service": "creditmemo_save"}}, Ending.PERSISTED),
            ({"state": State.DEAD, "verdict": "refused"}, Ending.NOT_REFUNDED),
            ({"state": State.DEAD, "verdict": "unknown"}, Ending.UNKNOWN),
            ({"state": State.CANCELLED}, Ending.CANCELLED),
            ({"state": State.IN_DOUBT}, Ending.OPEN),
            ({"state": State.HELD}, Ending.OPEN),
        ],
        ids=["persisted", "refused", "unknown", "cancelled", "in-doubt", "held"],
    )
    def test_every_state_has_its_ending(self, changes: dict[str, Any], ending: Ending):
        assert row_of(an_entry(**changes)).ending is ending

    def test_nothing_is_said_of_a_credit_memo_that_a_dead_letter_does_not_have(self):
        row = row_of(an_entry(state=State.DEAD, verdict="refused", reason="qty_too_large", result={}, confirmed={}))
        assert (row.memo, row.memo_id, row.confirmed, row.why) == ("", None, None, "qty_too_large")


class TestTotals:
    def test_money_is_summed_by_currency_to_the_cent(self):
        figures = figures_of(
            *(a_row(confirmed=Decimal("0.10"), asked=Decimal("0.10")) for _ in range(3)),
            a_row(currency="USD", confirmed=Decimal("7.77"), asked=Decimal("7.00")),
            a_row(ending=Ending.PERSISTED, confirmed=Decimal("2.00"), asked=Decimal("2.00")),
        )
        euros, dollars = figures.totals()
        assert (euros.refunded, euros.persisted, euros.difference) == (Decimal("0.30"), Decimal("2.00"), Decimal(0))
        assert (dollars.refunded, dollars.difference) == (Decimal("7.77"), Decimal("0.77"))

    def test_what_was_asked_is_the_sum_of_how_it_ended(self):
        rows = [
            a_row(),
            a_row(confirmed=None, currency=""),
            a_letter(),
            a_row(ending=Ending.UNKNOWN, confirmed=None, why="x"),
            a_row(ending=Ending.OPEN, confirmed=None),
            a_row(ending=Ending.CANCELLED, confirmed=None),
        ]
        (total,) = figures_of(*rows).totals()
        assert total.asked == Decimal("60.00")
        ended = total.answered_asked + total.not_refunded + total.unknown + total.open + total.cancelled
        assert (ended, total.unread) == (Decimal("50.00"), 1)

    def test_jobs_without_a_memo_count_in_the_only_currency_of_their_shop(self):
        figures = figures_of(a_row(), a_letter(), a_letter(shop="other"))
        totals = {(total.shop, total.currency): total for total in figures.totals()}
        assert set(totals) == {("default", "EUR"), ("other", "")}
        assert (totals["default", "EUR"].assumed, totals["default", "EUR"].not_refunded) == (1, Decimal("10.00"))

    def test_they_do_not_where_a_shop_has_two_currencies(self):
        figures = figures_of(a_row(), a_row(currency="USD"), a_letter())
        assert [total.currency for total in figures.totals()] == ["EUR", "USD", ""]

    def test_an_empty_campaign_has_no_totals_and_no_plots(self):
        assert Figures().totals() == []
        assert plots_of(Figures()) == []
        assert Figures().summary()["jobs"] == 0

    def test_reasons_and_endings_are_counted(self):
        summary = figures_of(a_row(), a_letter("x"), a_letter("x"), a_letter("y")).summary()
        assert summary["reasons"] == {"x": 2, "y": 1}
        assert summary["endings"]["refunded"] == 1
        assert sum(summary["endings"].values()) == summary["jobs"] == 4


class TestTime:
    def test_bars_have_no_gaps_and_hold_everything(self):
        time = Timeline()
        for second in (0, 1, 1, 59, 600):
            time.add(NOW_MS + second * 1000)
        width, bars = time.bars()
        assert len(bars) <= MOST_BARS
        assert sum(count for _, count in bars) == 5
        assert {later - earlier for (earlier, _), (later, _) in pairwise(bars)} == {width}

    def test_a_campaign_of_months_needs_no_more_memory(self):
        time = Timeline()
        for minute in range(120_000):
            time.add(NOW_MS + minute * 60_000)
        assert len(time.counts) <= 10_000
        assert sum(count for _, count in time.bars()[1]) == 120_000

    def test_nothing_has_no_bars(self):
        assert Timeline().bars() == (0, [])

    @pytest.mark.parametrize(
        ("seconds", "words"), [(1, "second"), (10, "10 seconds"), (60, "minute"), (21_600, "6 hours")]
    )
    def test_the_length_of_a_bar_is_said(self, seconds: int, words: str):
        assert width_words(seconds) == words


class TestPlots:
    def test_every_plot_is_there_and_no_bar_leaves_its_frame(self):
        rows = [a_row(finished_ms=NOW_MS + index * 977_000, call_ms=2 ** (index % 15)) for index in range(500)]
        plots = plots_of(figures_of(*rows, *(a_letter(f"reason_{index}") for index in range(30))))
        assert [plot.name for plot in plots] == ["over-time", "latency", "outcomes", "money-per-day-eur"]
        for plot in plots:
            for bar in plot.bars:
                assert bar.x >= 0
                assert bar.y >= 0
                assert bar.x + bar.width <= WIDTH
                assert bar.y + bar.height <= plot.height
        assert plots[2].height != HEIGHT
        assert sum(bar.tone == "bad" for bar in plots[2].bars) == 11, "ten reasons, and the others"

    def test_labels_below_do_not_touch(self):
        rows = [a_row(finished_ms=NOW_MS + hour * 3_600_000) for hour in range(59)]
        (plot, *_) = plots_of(figures_of(*rows))
        ends = [(mark.at - 3 * len(mark.text), mark.at + 3 * len(mark.text)) for mark in plot.marks]
        assert all(end < begin for (_, end), (begin, _) in pairwise(ends))

    def test_money_of_a_long_campaign_is_shown_by_week(self):
        rows = [a_row(finished_ms=NOW_MS + day * 86_400_000) for day in range(200)]
        plot = plots_of(figures_of(*rows))[-1]
        assert plot.title == "Money per week, EUR"
        assert len(plot.bars) <= 30

    @pytest.mark.parametrize("most", [0, 0.3, 1, 7, 10, 99, 12_345, 1e9])
    def test_an_axis_ends_at_or_beyond_the_largest_value(self, most: float):
        end, ticks = scale(most)
        assert end >= most
        assert ticks[0] == 0
        assert 2 <= len(ticks) <= 6


class TestVerdict:
    def test_it_is_good_only_when_all_is_done_and_agrees(self):
        assert verdict(AGREES, figures_of(a_row()))["tone"] == "good"
        assert verdict(AGREES, figures_of(a_row(ending=Ending.OPEN)))["tone"] == "open"
        assert verdict(AGREES, figures_of(a_row(ending=Ending.UNKNOWN)))["tone"] == "open"
        assert verdict(AuditResult(was_made=False), Figures())["title"] == "Not audited"
        assert verdict(AuditResult(was_made=True, unchecked=1), Figures())["title"] == "Audited in part"

    def test_differences_are_counted_and_the_first_are_named(self):
        found = [Finding(kind="amount", key=f"k{index}") for index in range(500)]
        said = verdict(AuditResult(was_made=True, differences=found), Figures())
        assert (said["tone"], said["more"]) == ("bad", 300)
        assert said["title"].startswith("500 differences")


HOSTILE = (
    *(
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "</script><script>alert(1)</script>",
        "<!--",
        "a\u2028b",
        '"',
        "'",
    ),
    *('=cmd|" /C calc"!A0', "{{ 7*7 }}", "\x00", "ü€", "<img src=x onerror=alert(1)>"),
)


class TestFiles:
    def test_no_text_of_others_begins_a_formula(self):
        for text in HOSTILE:
            cells = for_spreadsheet(a_row(words=text, comment=text, reason=text, metadata=text, key=text, order=text))
            assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))], text

    def test_a_negative_amount_stays_a_number(self):
        assert "-3.00" in for_spreadsheet(a_row(confirmed=Decimal(-3)))

    def test_json_has_every_column_and_null_for_nothing(self):
        found = for_json(a_letter())
        assert list(found) == [column.name for column in COLUMNS]
        assert (found["confirmed"], found["asked"], found["finished_at"]) == (None, "10.00", "2026-11-25T09:46:40Z")

    @pytest.mark.parametrize("text", HOSTILE)
    def test_nothing_ends_a_script_element(self, text: str):
        written = in_script([text])
        assert "<" not in written
        assert json.loads(written) == [text]

    def test_all_forms_hold_the_same_jobs(self, tmp_path: Path):
        paths = [(kind, tmp_path / f"r.{kind}") for kind in FORMATS]
        with Reports(paths) as reports:
            for number, text in enumerate(HOSTILE):
                reports.add(a_letter(key=f"k{number}", words=text, comment=text))
            assert [path for _, path in paths if path.exists()] == [], "a file is whole or not there"
            reports.finish(ABOUT, AGREES)
        report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
        lines = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text(encoding="utf-8-sig"), newline="")))
        page = (tmp_path / "r.html").read_text(encoding="utf-8")
        rows = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
        words = json.loads(re.findall(r'id="words">(.*?)</script>', page, re.DOTALL)[0])
        names = [column["name"] for column in words["columns"]]
        comment = names.index("comment")
        assert [job["comment"] for job in report["jobs"]] == list(HOSTILE)
        assert [row[comment] for row in rows] == list(HOSTILE)
        assert [words["words"]["words"][row[names.index("words")]] for row in rows] == list(HOSTILE)
        assert [line["key"] for line in lines] == [f"k{number}" for number in range(len(HOSTILE))]
        assert report["audit"]["agrees"]
        assert page.count("<script") == page.count("</script>") == 3

    def test_what_was_begun_and_not_finished_leaves_nothing_and_harms_nothing(self, tmp_path: Path):
        path = tmp_path / "r.csv"
        path.write_text("the one of yesterday")

        def begin_only() -> None:
            with Reports([("csv", path), ("html", tmp_path / "r.html")]) as reports:
                reports.add(a_row())
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            begin_only()
        assert [one.name for one in tmp_path.iterdir()] == ["r.csv"]
        assert path.read_text() == "the one of yesterday"

    def test_the_page_names_its_campaign_as_text(self, tmp_path: Path):
        path = tmp_path / "r.html"
        about = About(
            name="<b>x</b>", made_by="<i>", made_ms=NOW_MS, acts=[{"at": "", "act": "<u>", "by": "", "why": "<s>"}]
        )
        finding = Finding(kind="amount", key="<em>", detail="<h1><")
        with Reports([("html", path)]) as reports:
            reports.finish(about, AuditResult(was_made=True, by="<a>", differences=[finding]))
        page = path.read_text(encoding="utf-8")
        for text in ("<b>x", "<i>", "<u>", "<s>", "<em>", "<a>", "<h1><"):
            assert text not in page

    def test_the_latency_classes_are_all_in_the_summary(self):
        assert len(Figures().summary()["latency_ms"]["jobs"]) == len(CLASSES_MS) + 1
