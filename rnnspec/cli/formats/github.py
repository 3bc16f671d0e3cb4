"""`--format github`: annotations of the lines of a pull request; and the job summary of GitHub Actions."""

from __future__ import annotations

import html
import os
import secrets
import sys
from urllib.parse import quote

from rnnspec.cli.console import count, note, show_diagnostics
from rnnspec.cli.formats.report import Report, explained, path_in_repository
from rnnspec.diagnostics import Diagnostic, render_text

#: GitHub refuses a summary of more than 1 MiB.
_MAX_SUMMARY = 1 << 19


def render(report: Report) -> str:
    """Return workflow commands, which GitHub shows as annotations."""
    return "\n".join(_annotation(problem) for problem in report.found)


def report_in_actions(report: Report, line: str) -> None:
    """Print the problems to the log as text and as annotations, and add them to the summary of the job."""
    if report.found:
        # Nothing in a spec or in the name of a file is a command of the workflow.
        token = secrets.token_hex(16)
        print(f"::stop-commands::{token}")
        show_diagnostics(report.found, sys.stdout)
        print(f"::{token}::")
        print(render(report))
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="replace") as file:
            file.write(summary(report, line))
    except OSError as error:
        note(f"The job summary could not be written: {error.strerror or error}.")


def summary(report: Report, line: str) -> str:
    """Return the problems in Markdown, with links to their lines; of very many, the first ones."""
    text = f"**rnnspec**: {html.escape(line)}\n\n"
    blocks: list[str] = []
    size = 0
    for problem in report.found:
        block = _linked(problem)
        size += len(block.encode(errors="replace"))
        if size > _MAX_SUMMARY:
            break
        blocks.append(block)
    # A line of HTML that is not empty inside <pre> is never read as Markdown.
    text += "".join(f"<pre>{block}</pre>\n\n" for block in blocks)
    rest = len(report.found) - len(blocks)
    return text + (f"and {count(rest, 'problem')} more, in the log\n\n" if rest else "")


def _annotation(d: Diagnostic) -> str:
    def escape(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def value(text: str) -> str:
        return escape(text).replace(":", "%3A").replace(",", "%2C")

    name = d.span.source.name
    place = f"title={d.code}"
    text = explained(d)
    if d.span.source.is_file:
        lines = f"line={d.span.line},col={d.span.column}"
        lines += f",endLine={d.span.end_line},endColumn={d.span.end_column}"
        place = f"file={value(path_in_repository(name) or name)},{lines},{place}"
    else:
        text = f"{name}: {text}"
    return f"::{d.severity} {place}::{escape(text)}"


def _linked(problem: Diagnostic) -> str:
    """Return the text of a problem as HTML, in which the place links to the line on GitHub."""
    place = f"{problem.span.source.name}:{problem.span.line}:{problem.span.column}"
    text = html.escape(render_text([problem]), quote=False)
    shown = html.escape(place, quote=False)
    address = _address(problem)
    return text.replace(shown, f'<a href="{address}">{shown}</a>', 1) if address else text


def _address(problem: Diagnostic) -> str | None:
    given = [os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "SHA")]
    path = path_in_repository(problem.span.source.name) if problem.span.source.is_file else None
    if path is None or not all(given):
        return None
    server, repository, commit = given
    file = quote(os.fsencode(path))
    return html.escape(f"{server}/{repository}/blob/{commit}/{file}#L{problem.span.line}")
