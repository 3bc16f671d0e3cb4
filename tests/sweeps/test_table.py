"""The table of a sweep: what stands in its cells."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from pathlib import Path

import pytest
from sweeps.samples import load_small

from rnnspec.diagnostics import SpecError
from rnnspec.spec.sweep import Table
from rnnspec.sweeps.plan import Unit
from rnnspec.sweeps.rows import Row
from rnnspec.sweeps.table import Cell, ResultTable, result_tables
from rnnspec.sweeps.table_text import as_csv, as_markdown, cell_text, notes, title
from rnnspec.sweeps.work import Work

#: Two methods; `fast` has a grid of three.
SWEEP = """\
rnnspec: 1
sweep: small
specs: [tiny.yaml]
methods: {plain: [], fast: [fast]}
settings: {skips.beta.from: {for: fast, values: [0.2, 0.5, 0.8]}}
"""


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> tuple[Unit, ...]:
    """One unit with the method `plain`, three with `fast`."""
    return load_small(tmp_path_factory.mktemp("table"), SWEEP).units


def done(unit: Unit, iterations: int = 0, ending: str = "reached", **fields: object) -> Row:
    given: dict[str, object] = {
        "criterion": True,
        "begun": True,
        "ending": ending,
        "reached": ending == "reached",
        "networks": 100,
        "iterations": iterations,
        "performance": 0.995,
        "above": 71,
        "seconds": iterations / 10,
        "work": Work(iterations, iterations * 10**9, 0, 0),
    }
    return Row(unit, "done", **{**given, **fields})  # type: ignore[arg-type]


def begun(unit: Unit, iterations: int, **fields: object) -> Row:
    row = {"ending": None, "reached": None, **fields}
    found = done(unit, iterations, **row)  # type: ignore[arg-type]
    return Row(**{**vars(found), "state": "waiting"})


def waiting(unit: Unit, state: str = "waiting") -> Row:
    return Row(unit, state, criterion=True)  # type: ignore[arg-type]


def table(units: Iterable[Row], **plan: object) -> ResultTable:
    chosen = Table.model_validate({"columns": "method", "rows": "spec", "value": "iterations", **plan})
    (found,) = result_tables(list(units), chosen)
    return found


def fast(rows: Iterable[Row], **plan: object) -> tuple[Cell, str]:
    """Return the cell of the three units of `fast`, and its text."""
    found = table(rows, **plan)
    cell = found.cells["tiny", "fast"]
    return cell, cell_text(cell, found.value)


def test_the_best_unit_is_the_one_with_the_least(units: tuple[Unit, ...]) -> None:
    rows = [done(unit, n) for unit, n in zip(units[1:], (9_000, 7_000, 8_000), strict=True)]
    cell, text = fast(rows, best="least")
    assert text == "7,000"
    assert cell.best is rows[1]
    assert fast(rows, best="most")[1] == "9,000"


def test_the_best_unit_by_another_value(units: tuple[Unit, ...]) -> None:
    rows = [
        done(unit, n, seconds=s)
        for unit, n, s in zip(units[1:], (9_000, 7_000, 8_000), (100.0, 300.0, 200.0), strict=True)
    ]
    assert fast(rows, value="seconds", best="least", by="iterations")[1] == "300"
    assert fast(rows, value="seconds", best="least")[1] == "100"


def test_a_unit_that_did_not_reach_the_criterion_is_never_the_best(units: tuple[Unit, ...]) -> None:
    rows = [
        done(units[1], 5_000, "finished"),
        done(units[2], 40_000),
        done(units[3], 10, "diverged"),
    ]
    for value, text in (("iterations", "40,000"), ("seconds", "4,000"), ("operations", "4e13")):
        assert fast(rows, value=value, best="least")[1] == text


def test_where_no_unit_reached_it_the_one_that_performs_best_is_shown(units: tuple[Unit, ...]) -> None:
    rows = [
        done(unit, 40_000, "finished", performance=p)
        for unit, p in zip(units[1:], (0.9, 0.98, 0.7), strict=True)
    ]
    cell, text = fast(rows, best="least")
    assert (text, cell.best) == ("> 40,000", rows[1])


def test_the_best_so_far_says_how_many_are_done(units: tuple[Unit, ...]) -> None:
    rows = [done(units[1], 9_000), begun(units[2], 12_300), waiting(units[3], "failed")]
    assert fast(rows, best="least")[1] == "9,000 (1 of 3 done; 1 failed)"
    assert fast([begun(units[1], 12_300), *map(waiting, units[2:])], best="least")[1] == (
        "12,300 so far (0 of 3 done)"
    )


def test_the_mean_and_its_standard_deviation(units: tuple[Unit, ...]) -> None:
    numbers = (9_000, 7_000, 8_600)
    rows = [done(unit, n) for unit, n in zip(units[1:], numbers, strict=True)]
    cell, text = fast(rows)
    assert cell.number == pytest.approx(statistics.fmean(numbers))
    assert cell.error == pytest.approx(statistics.stdev(numbers))
    assert text == "8,200 +- 1,058 (3)"
    assert fast([*rows[:2], waiting(units[3])])[1] == "8,000 +- 1,414 (2 of 3)"
    assert fast([*rows[:2], done(units[3], 30, "diverged")])[1] == "8,000 +- 1,414 (2 of 3; 1 diverged)"


def test_a_mean_over_units_that_did_not_all_reach_the_criterion_is_a_bound(units: tuple[Unit, ...]) -> None:
    rows = [done(units[1], 10_000), done(units[2], 20_000), done(units[3], 40_000, "finished")]
    assert fast(rows)[1] == "> 23,333 (2 of 3 reached)"


def test_a_share_has_its_binomial_error(units: tuple[Unit, ...]) -> None:
    """Networks of several units are counted together: 71 of 100, and 71 + 80 + 89 of 300."""
    cell = table([done(units[0])], value="above").cells["tiny", "plain"]
    assert cell_text(cell, "above") == "0.71 +- 0.05"
    assert cell.error == pytest.approx(math.sqrt(0.71 * 0.29 / 100))
    rows = [done(unit, above=n) for unit, n in zip(units[1:], (71, 80, 89), strict=True)]
    cell, text = fast(rows, value="above")
    assert text == "0.80 +- 0.02 (3)"
    assert cell.error == pytest.approx(math.sqrt(0.8 * 0.2 / 300))
    assert fast(rows, value="above", best="most")[1] == "0.89 +- 0.03"


@pytest.mark.parametrize(
    ("fields", "value", "text"),
    [
        ({}, "performance", "0.995"),
        ({"performance": 0.98999}, "performance", "0.989"),
        ({"performance": math.nan}, "performance", "not measured"),
        ({"above": 100}, "above", "1.00 +- 0.00"),
        ({"above": 999, "networks": 1000}, "above", "0.999 +- 0.001"),
        ({"above": None}, "above", "not measured"),
        ({"iterations": 12_345}, "iterations", "12,345"),
        ({"seconds": 12.34}, "seconds", "12.3"),
        ({"seconds": 12_345.6}, "seconds", "12,346"),
        ({"work": Work(1, 2 * 10**12, 10**12, 5 * 10**11)}, "operations", "3.5e12"),
        ({"ending": "diverged", "reached": False}, "iterations", "diverged"),
        ({"ending": "finished", "reached": False, "seconds": 200.0}, "seconds", "> 200"),
        ({"criterion": False, "reached": None, "ending": "finished", "seconds": 200.0}, "seconds", "200"),
    ],
)
def test_a_single_unit(units: tuple[Unit, ...], fields: dict[str, object], value: str, text: str) -> None:
    found = table([done(units[0], **fields)], value=value)  # type: ignore[arg-type]
    assert cell_text(found.cells["tiny", "plain"], found.value) == text


@pytest.mark.parametrize("best", [None, "least"])
def test_units_that_are_not_done(units: tuple[Unit, ...], best: str | None) -> None:
    unit = units[0]

    def text(row: Row, value: str = "iterations") -> str:
        found = table([row], best=best, value=value)
        return cell_text(found.cells["tiny", "plain"], found.value)

    assert text(begun(unit, 12_300)) == "12,300 so far"
    assert text(begun(unit, 100, performance=0.5), "performance") == "0.500 so far"
    assert text(begun(unit, 3, performance=math.nan), "performance") == "begun"
    assert text(waiting(unit)) == "not run"
    assert text(waiting(unit, "failed")) == "failed"


def test_rows_and_columns_of_the_grid(units: tuple[Unit, ...]) -> None:
    """A unit without the key stands in a column of its own; pairs without units are marked."""
    rows = [done(unit, 1_000 * n) for n, unit in enumerate(units, 1)]
    found = table(rows, rows="method", columns="skips.beta.from")
    assert (found.rows, found.columns) == (("plain", "fast"), ("none", "0.2", "0.5", "0.8"))
    assert title(found) == "iterations until the criterion was reached, by method and skips.beta.from"
    assert as_csv([found]).splitlines() == [
        "method (iterations),none,0.2,0.5,0.8",
        "plain,1000,-,-,-",
        "fast,-,2000,3000,4000",
    ]
    assert notes(found) == ["-: the sweep has no such unit"]


def test_the_settings_of_the_best_are_listed_once_for_tables_that_show_the_same(
    units: tuple[Unit, ...],
) -> None:
    rows = [done(unit, n) for unit, n in zip(units, (5_000, 9_000, 7_000, 8_000), strict=True)]
    plan = Table.model_validate({"value": ["iterations", "seconds"], "best": "least", "by": "iterations"})
    tables = result_tables(rows, plan)
    text = as_markdown("small", tables)
    assert text.count("| run folder |") == 1
    assert f"| tiny | fast | 3 | skips.beta.from=0.5 | {units[2].name} |" in text.splitlines()
    assert "| tiny | plain | 1 |" not in text
    assert "of several units, the one with the least number of iterations" in text
    lines = as_csv(tables).splitlines()
    assert lines[:2] == [
        "spec (iterations),plain,plain: settings,fast,fast: settings",
        "tiny,5000,,7000,skips.beta.from=0.5",
    ]


def test_a_share_without_a_criterion_says_what_is_missing(units: tuple[Unit, ...]) -> None:
    found = table([done(units[0], above=None)], value="above")
    assert notes(found)[0].startswith("not measured: neither 'table' nor 'training.stop' has a criterion")


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ("value: iteration", "'value' is 'iteration'"),
        ("value: [seconds, iteration]", "item 2 of 'value' is 'iteration'"),
        ("value: 3", "'value' is the number 3"),
        ("by: x", "'by' is 'x'"),
    ],
)
def test_a_wrong_table_is_reported_at_its_place(tmp_path: Path, plan: str, text: str) -> None:
    with pytest.raises(SpecError) as error:
        load_small(tmp_path, f"{SWEEP}table: {{{plan}}}\n")
    (problem,) = error.value.diagnostics
    assert problem.message == text
    assert problem.span.line == SWEEP.count("\n") + 1


def test_signs_of_markdown_are_escaped(units: tuple[Unit, ...]) -> None:
    found = table([done(units[0], 40_000, "finished")])
    lines = as_markdown("small", [found]).splitlines()
    assert lines[0] == "**small: iterations until the criterion was reached**"
    assert lines[-1] == "\\>: the criterion was not reached"
