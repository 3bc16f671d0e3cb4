"""Comments that silence a diagnostic: `# rnnspec: ignore[RS216]` silences this code on its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnnspec.catalogue import rules
from rnnspec.diagnostics import Diagnostic, Problems, Source, Span, shorten
from rnnspec.syntax.compose import Document, dump
from rnnspec.syntax.tree import Mapping, Node, Scalar
from rnnspec.syntax.tree import Sequence as List

_COMMENT = re.compile(r"(?:^|(?<=\s))#\s*rnnspec:\s*ignore\b([^#\n]*)")
_CODES = re.compile(r"\s*\[\s*(RS\d+(?:\s*,\s*RS\d+)*)\s*\]", re.IGNORECASE)

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _Comment:
    """A comment, and the codes that it silences; none if it is malformed."""

    span: Span
    codes: tuple[str, ...]


def silence(document: Document, problems: Problems, *, complete: bool) -> None:
    """Remove the warnings that comments silence, and the errors that leave the rest of a spec as it is.

    RS022: a comment of the file that silences nothing.  complete: whether all rules were checked; else, and
    where overlays or settings change the spec, only malformed comments are reported.
    """
    kept: list[Diagnostic] = []
    used: set[tuple[Span, str]] = set()
    cached: dict[int, list[_Comment]] = {}
    harmless = (
        {rule.code for rule in rules() if rule.harmless} if _has_comments(document, problems) else set()
    )
    for diagnostic in problems.found:
        source = diagnostic.span.source
        comments = cached.setdefault(id(source), list(_comments(source)))
        silencing = [
            c for c in comments if c.span.line == diagnostic.span.line and diagnostic.code in c.codes
        ]
        if silencing and (diagnostic.severity == "warning" or diagnostic.code in harmless):
            problems.silenced.append(diagnostic)
            used.update((c.span, diagnostic.code) for c in silencing)
        else:
            kept.append(diagnostic)
    problems.found[:] = kept
    for comment in _comments(document.tree.span.source):
        if not _inside_scalar(comment.span, document.tree):
            whole = complete and not document.varied and not problems.failed
            _report(comment, used, kept, problems, whole=whole)


def resolved_text(document: Document, silenced: Sequence[Diagnostic]) -> str:
    """Return a document as YAML, with a comment for each error that a comment has silenced."""
    comments: dict[Path, str] = {}
    for diagnostic in silenced:
        if diagnostic.severity == "error":
            for path in _paths_at(diagnostic.span, document.tree):
                comments[path] = f"rnnspec: ignore[{diagnostic.code}]"
    return dump(document.value, comments)


def _report(
    comment: _Comment,
    used: set[tuple[Span, str]],
    found: Sequence[Diagnostic],
    problems: Problems,
    *,
    whole: bool,
) -> None:
    if not comment.codes:
        problems.warning(
            "RS022", "this comment names no code", comment.span, expected="'rnnspec: ignore[CODE]'"
        )
    known = {rule.code for rule in rules()}
    for code in comment.codes:
        same = [d for d in found if d.code == code and d.span.source is comment.span.source]
        if code not in known:
            help = "'rnnspec rule' lists all codes"
            problems.warning("RS022", f"there is no code '{shorten(code)}'", comment.span, help=help)
        elif any(d.span.line == comment.span.line for d in same):
            message = f"{code} is an error, which no comment can silence"
            problems.warning("RS022", message, comment.span, help="mend the spec, and delete the comment")
        elif whole and (comment.span, code) not in used:
            help = f"{code} is found on line {same[0].span.line}" if same else "delete it"
            problems.warning("RS022", f"{code} is not found on this line", comment.span, help=help)


def _has_comments(document: Document, problems: Problems) -> bool:
    sources = {id(d.span.source): d.span.source for d in problems.found}
    return any(_COMMENT.search(s.text) for s in (document.tree.span.source, *sources.values()))


def _comments(source: Source) -> Iterator[_Comment]:
    if "rnnspec" not in source.text or "ignore" not in source.text:
        return
    for number, line in enumerate(source.lines, 1):
        for found in _COMMENT.finditer(line):
            codes = _CODES.match(found[1])
            end = found.start(1) + (codes.end() if codes else 0)
            span = Span(source, number, found.start() + 1, number, end + 1)
            listed = [code.strip().upper() for code in codes[1].split(",")] if codes else []
            yield _Comment(span, tuple(dict.fromkeys(listed)))


def _inside_scalar(span: Span, tree: Node) -> bool:
    """Return whether what looks like a comment is part of a string."""
    at = (span.line, span.column)
    return any(
        node.span.source is span.source
        and (node.span.line, node.span.column) <= at < (node.span.end_line, node.span.end_column)
        for _, node, _ in _nodes(tree)
        if isinstance(node, Scalar)
    )


def _paths_at(span: Span, tree: Node) -> Iterator[Path]:
    """Yield the path of the value, or of the key, that stands at a place."""
    return (path for path, node, key in _nodes(tree) if span in (node.span, key))


def _nodes(tree: Node) -> Iterator[tuple[Path, Node, Span]]:
    """Yield all nodes below one, each with its path, and the place of its key."""
    waiting: list[tuple[Path, Node]] = [((), tree)]
    while waiting:
        path, node = waiting.pop()
        inside: list[tuple[str | int, Node, Span]] = []
        if isinstance(node, Mapping):
            inside = [(key, entry.value, entry.key) for key, entry in node.entries.items()]
        elif isinstance(node, List):
            inside = [(number, item, item.span) for number, item in enumerate(node.items)]
        for key, value, place in inside:
            yield (*path, key), value, place
            waiting.append(((*path, key), value))
