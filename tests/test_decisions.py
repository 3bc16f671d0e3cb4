"""The notes on decisions: each is dated, has a status, and is listed."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"
NOTES = sorted(FOLDER.glob("0*.md"))
HEADER = re.compile(
    r"# (?P<number>\d{4}): .+\n\n"
    r"\* Date: (?P<date>\d{4}-\d{2}-\d{2})\n"
    r"\* Status: (accepted|superseded by (?P<later>\d{4}))\n\n"
)


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.stem)
def test_a_note_has_a_date_and_a_status(note: Path) -> None:
    header = HEADER.match(note.read_text(encoding="utf-8"))
    assert header, f"{note.name} does not begin with a title, a date and a status"
    assert note.name.startswith(header["number"])
    date.fromisoformat(header["date"])
    if header["later"]:
        assert header["later"] > header["number"]
        assert list(FOLDER.glob(f"{header['later']}-*.md"))


def test_all_notes_are_listed() -> None:
    listed = re.findall(r"\]\((.+?)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert listed == [note.name for note in NOTES]
