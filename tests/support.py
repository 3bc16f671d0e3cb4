"""Programs for tests: the minimal spec of the catalogue with an overlay."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rnnspec.catalogue import minimal
from rnnspec.check.examine import load
from rnnspec.diagnostics import Diagnostic, SpecError
from rnnspec.program.nodes import Program
from rnnspec.program.printer import print_program
from rnnspec.runs.question import load_changed

SPECS = Path(__file__).parents[1] / "specs"


def program(*overlays: str, base: str | None = None, settings: tuple[str, ...] = ()) -> Program:
    """Load the minimal spec (or another text) with overlays, given as YAML without the `rnnspec` key."""
    return _load(overlays, base, settings)[0]


def asked(conditions: str, *overlays: str) -> Program:
    """Load the minimal spec with overlays, and ask a question with conditions."""
    with tempfile.TemporaryDirectory() as folder:
        spec, files = _written(Path(folder), overlays, None)
        return load_changed(spec, files, (), conditions).specification.program


def problems(
    *overlays: str, base: str | None = None, settings: tuple[str, ...] = ()
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of the same documents: the errors, or the warnings if there are no errors."""
    try:
        return _load(overlays, base, settings)[1]
    except SpecError as error:
        return error.diagnostics


def codes(*overlays: str, base: str | None = None) -> list[str]:
    """Return the codes of these diagnostics."""
    return [d.code for d in problems(*overlays, base=base)]


def section(text: str, head: str) -> list[str]:
    """Return the stripped lines of a printed program that start with a word."""
    return [line.strip() for line in text.splitlines() if line.strip().startswith(head)]


def printed(*overlays: str, base: str | None = None) -> str:
    return print_program(program(*overlays, base=base))


def _load(
    overlays: tuple[str, ...], base: str | None, settings: tuple[str, ...]
) -> tuple[Program, tuple[Diagnostic, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        spec, files = _written(Path(folder), overlays, base)
        loaded = load(spec, files, settings)
        return loaded.program, loaded.warnings


def _written(folder: Path, overlays: tuple[str, ...], base: str | None) -> tuple[Path, list[Path]]:
    """Write a spec and its overlays into a folder."""
    spec = folder / "spec.yaml"
    spec.write_text(base or minimal(), encoding="utf-8")
    files = [folder / f"overlay{i}.yaml" for i in range(len(overlays))]
    for file, text in zip(files, overlays, strict=True):
        head = "" if text.lstrip().startswith("rnnspec:") else "rnnspec: 1\n"
        file.write_text(f"{head}{text}", encoding="utf-8")
    return spec, files
