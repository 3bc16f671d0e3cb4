"""What `rnnspec validate` found, and how a report is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module

from rnnspec.cli.console import show_diagnostics
from rnnspec.diagnostics import Diagnostic

#: The words of `--format`.  All but text are modules of this folder.
FORMATS = ("text", "json", "github", "sarif", "junit")


@dataclass(frozen=True)
class CheckedSpec:
    """One path that was checked, and its problems, sorted by place."""

    path: str
    problems: tuple[Diagnostic, ...]

    @property
    def failed(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)


@dataclass(frozen=True)
class Report:
    """All that was checked."""

    specs: tuple[CheckedSpec, ...]

    @cached_property
    def found(self) -> tuple[Diagnostic, ...]:
        """The problems of all specs; one of a shared base once, although each spec that extends it has it."""
        return tuple(dict.fromkeys(problem for spec in self.specs for problem in spec.problems))


def show(report: Report, form: str | None, summary: str) -> None:
    """Print a report to stdout.

    form: one of FORMATS; None for text, and in GitHub Actions also annotations and a summary of the job.
    summary: one line for people, with which the summary of the job begins.
    """
    if form is None and os.environ.get("GITHUB_ACTIONS") == "true":
        from rnnspec.cli.formats import github

        github.report_in_actions(report, summary)
    elif form in (None, "text"):
        show_diagnostics(report.found, sys.stdout)
    elif text := import_module(f"rnnspec.cli.formats.{form}").render(report):
        print(text)


def explained(problem: Diagnostic) -> str:
    """Return the message of a problem, with what was expected and the remedy, each in a line."""
    return "\n".join(_lines(problem))


def _lines(problem: Diagnostic) -> Iterator[str]:
    yield problem.message
    if problem.expected:
        yield f"expected {problem.expected}"
    if problem.help:
        yield f"help: {problem.help}"


def path_in_repository(path: str) -> str | None:
    """Return the path of a file from the root of the repository, with slashes; None if it lies elsewhere.

    The root is the folder that GitHub Actions names, or the current folder.
    """
    root = os.path.realpath(os.environ.get("GITHUB_WORKSPACE") or ".")
    absolute = os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))
    try:
        relative = os.path.relpath(absolute, root)
    except ValueError:  # on another drive of Windows
        return None
    relative = relative.replace(os.sep, "/")
    return None if relative.split("/")[0] == ".." else relative
