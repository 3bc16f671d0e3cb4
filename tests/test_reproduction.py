"""docs/reproduction.md shows the numbers of its files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_page_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python benchmarks/reproduction.py` writes it anew."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    import reproduction

    page = reproduction.PAGE.read_text(encoding="utf-8")
    assert reproduction.renewed(page) == page
    # A unit in the files is in the page.
    units = reproduction.read("table1.csv")
    assert sum(row["state"] == "done" for row in units) == len(units) > 0
    assert all(f"{int(row['iterations']):,}" in page for row in units)
