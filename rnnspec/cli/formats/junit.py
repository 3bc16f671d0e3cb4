"""`--format junit`: a test case for each spec, as GitLab, Jenkins and others show."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from rnnspec.cli.console import count
from rnnspec.cli.formats.report import CheckedSpec, Report
from rnnspec.diagnostics import render_text

#: What XML 1.0 cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    failures = sum(spec.failed for spec in report.specs)
    counts = f'tests="{len(report.specs)}" failures="{failures}" errors="0"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="rnnspec" {counts}>',
        f'<testsuite name="rnnspec validate" {counts} skipped="0">',
        *(_case(spec) for spec in report.specs),
        "</testsuite>",
        "</testsuites>",
    ]
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", "\n".join(lines))


def _case(spec: CheckedSpec) -> str:
    """Return a test case; one failure holds all problems, because many programs show only the first."""
    path = _attribute(spec.path)
    head = f'<testcase classname="rnnspec" name={path} file={path}'
    if not spec.problems:
        return f"{head}/>"
    text = escape(render_text(spec.problems))
    errors = [problem for problem in spec.problems if problem.severity == "error"]
    warnings = len(spec.problems) - len(errors)
    if not errors:
        return f"{head}>\n<system-out>{text}</system-out>\n</testcase>"
    message = count(len(errors), "error") + (f", {count(warnings, 'warning')}" if warnings else "")
    failure = f"<failure message={_attribute(message)} type={_attribute(errors[0].code)}>{text}</failure>"
    return f"{head}>\n{failure}\n</testcase>"


def _attribute(text: str) -> str:
    return quoteattr(text, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
