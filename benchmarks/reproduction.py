"""Set the results of specs/paper/ beside those of the paper, in docs/reproduction.md.

    rnnspec sweep specs/paper/table1.yaml --units docs/reproduction/table1.csv
    python benchmarks/reproduction.py            # writes the tables of the page anew

Reads the units of sweeps (docs/results.md) and the numbers of the paper from docs/reproduction/.  Only units
that are done count.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "reproduction"
PAGE = FOLDER.with_suffix(".md")

#: The tasks of table 1 by their names in the paper.
TASKS = {
    "dmc": "delayed_match_to_category",
    "dnmc": "delayed_nonmatch_to_category",
    "dnms": "delayed_nonmatch_to_sample",
    "dms": "delayed_match_to_sample",
    "ddmd": "delayed_decision_making_distractor",
    "ddm": "delayed_decision_making",
    "msddm": "delayed_multisensory_decision_making",
    "danti": "delayed_anti",
    "dgo": "delayed_go",
}
METHODS = ("control", "CD10", "SCTT10", "SCTT40", "DASC10", "DASC40")
#: The quantities of table 1: name in the paper, column of the units, title, unit of the paper's numbers.
QUANTITIES: tuple[tuple[str, str, str, float], ...] = (
    ("training_iterations", "iterations", "Iterations until 0.99", 1e4),
    ("floating_point_operations", "operations", "Floating point operations of one network", 1e13),
)
Rows = list[dict[str, str]]


def read(name: str) -> Rows:
    path = FOLDER / name
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table1(quantity: str, column: str, title: str, unit: float) -> Iterator[str]:
    """Yield a table of one quantity: ours (the best setting that is done), and the paper's behind it."""
    paper = {row["task"]: row for row in read("paper_table1.csv") if row["quantity"] == quantity}
    units = [row for row in read("table1.csv") if row["state"] == "done"]
    yield f"{title}, ours / the paper's:"
    yield ""
    yield "| task | " + " | ".join(METHODS) + " |"
    yield "|---|" + "---|" * len(METHODS)
    for label, spec in TASKS.items():
        cells = []
        for method in METHODS:
            here = [row for row in units if (row["spec"], row["method"]) == (spec, method)]
            cells.append(f"{best(here, column)} / {number(paper[label][method.lower()], unit)}")
        yield f"| {spec} ({label}) | " + " | ".join(cells) + " |"


def best(units: Rows, column: str) -> str:
    """Return a value of the unit that needed the fewest iterations; "not run" if none is done."""
    reached = [row for row in units if row["reached"] == "true"]
    if reached:
        return written(float(min(reached, key=lambda row: int(row["iterations"]))[column]))
    return f"> {written(max(float(row[column]) for row in units))}" if units else "not run"


def number(text: str, unit: float) -> str:
    return text if text == "failed" else written(float(text) * unit)


def written(value: float) -> str:
    return f"{value:,.0f}" if value < 1e7 else f"{value:.2e}"


def settings() -> Iterator[str]:
    """Yield a line for each unit of table 1 that is done."""
    yield "| task | method | increments | first beta | iterations | performance | networks | reached |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in read("table1.csv"):
        if row["state"] == "done":
            increments = row["skips.beta.increments"] or row["coarsening.increments"]
            words = [row["spec"], row["method"], increments, row["skips.beta.from"]]
            words += [f"{int(row['iterations']):,}", f"{float(row['performance']):.4f}", row["networks"]]
            yield "| " + " | ".join([*words, "yes" if row["reached"] == "true" else "no"]) + " |"


def table2() -> Iterator[str]:
    """Yield the share of networks above 0.99 with its binomial error, ours and the paper's."""
    name = "rule_reversal_networks_above_0.99"
    paper = {row[name]: row for row in read("paper_table2.csv")}
    units = {row["method"]: row for row in read("table2.csv") if row["state"] == "done"}
    methods = ("control", "CD10", "SCTT40", "DASC40")
    yield "| | " + " | ".join(methods) + " |"
    yield "|---|" + "---|" * len(methods)
    for label, key, suffix in (
        ("without strategic skips", "baseline", ""),
        ("with strategic skips", "with_strategic_skips", "_strategic"),
    ):
        cells = []
        for method in methods:
            row = units.get(method + suffix)
            ours = f"{float(row['share']):.2f} +- {float(row['share_error']):.2f}" if row else "not run"
            cells.append(f"{ours} / {paper[key][method.lower()]}")
        yield f"| {label} | " + " | ".join(cells) + " |"


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    **{
        column: partial(table1, quantity, column, title, unit) for quantity, column, title, unit in QUANTITIES
    },
    "settings": settings,
    "table2": table2,
}


def renewed(page: str) -> str:
    """Return the page with its tables written anew."""
    for name, part in PARTS.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text = "\n".join(part())
        page, count = re.subn(pattern, rf"\1{text}\n\2", page, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"{PAGE} has no place for {name}.")
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
