"""`--format json`: one array of objects, for programs."""

from __future__ import annotations

import json

from rnnspec.cli.formats.report import Report


def render(report: Report) -> str:
    rows = [
        {
            "file": d.span.source.name,
            "line": d.span.line,
            "column": d.span.column,
            "end_line": d.span.end_line,
            "end_column": d.span.end_column,
            "code": d.code,
            "severity": d.severity,
            "message": d.message,
            "expected": d.expected,
            "help": d.help,
        }
        for d in report.found
    ]
    return json.dumps(rows, indent=2)
