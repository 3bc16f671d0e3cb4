"""Fixtures of the tests of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from syntax.composing import Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files given as `name=text` (`__` for a folder) into the current folder."""
    monkeypatch.chdir(tmp_path)

    def files(**texts: str) -> None:
        for name, text in texts.items():
            file = tmp_path / (name.replace("__", "/") + ".yaml")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)

    return files
