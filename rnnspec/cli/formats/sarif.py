"""`--format sarif`: a log in SARIF 2.1.0, for code scanning and editors.

Static Analysis Results Interchange Format, OASIS Standard with errata 01, 2023.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rnnspec.catalogue import Rule, rule
from rnnspec.cli.formats.report import Report, explained, path_in_repository
from rnnspec.diagnostics import Diagnostic, Span
from rnnspec.runs.version import package_version

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"


def render(report: Report) -> str:
    codes = sorted({problem.code for problem in report.found})
    driver = {
        "name": "rnnspec",
        "version": package_version(),
        "rules": [_rule(rule(code)) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {
            _ROOT: {"description": {"text": "The root of the repository, or the folder of the call."}}
        },
        "results": [_result(problem, codes.index(problem.code)) for problem in report.found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: Rule) -> dict[str, Any]:
    text = f"{rule.why}\n\nWrong:\n\n{rule.shown(rule.bad)}\n\nRight:\n\n{rule.shown(rule.good)}"
    language = "sh" if rule.form in ("set", "path") else "yaml"

    def block(example: str) -> str:
        return f"```{language}\n{rule.shown(example)}\n```"

    markdown = f"{rule.why}\n\nWrong:\n\n{block(rule.bad)}\n\nRight:\n\n{block(rule.good)}"
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": text, "markdown": markdown},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(problem: Diagnostic, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {"ruleId": problem.code, "ruleIndex": index, "level": problem.severity}
    source = problem.span.source
    text = explained(problem)
    if not source.is_file:
        return {**result, "message": {"text": f"{source.name} {source.text}: {text}"}}
    place = {"artifactLocation": _artifact(source.name), "region": _region(problem.span)}
    return {**result, "message": {"text": text}, "locations": [{"physicalLocation": place}]}


def _artifact(path: str) -> dict[str, str]:
    inside = path_in_repository(path)
    if inside is None:
        return {"uri": Path(os.path.abspath(path)).as_uri()}
    return {"uri": quote(os.fsencode(inside)), "uriBaseId": _ROOT}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": _utf16(span, span.line, span.column),
        "endLine": span.end_line,
        "endColumn": _utf16(span, span.end_line, span.end_column),
    }


def _utf16(span: Span, line: int, column: int) -> int:
    """Return the column of a place in units of UTF-16, as editors and GitHub count."""
    lines = span.source.lines
    before = lines[line - 1][: column - 1] if line <= len(lines) else ""
    return column + sum(ord(character) > 0xFFFF for character in before)
