"""Turns a document into a checked program; every command enters here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from rnnspec.check import conditions, network, sameness, skips, targets, task, training, units, uses
from rnnspec.check.fragment import check_calls_of_fragment
from rnnspec.check.ignore import resolved_text, silence
from rnnspec.diagnostics import Diagnostic, Problems
from rnnspec.program.lower import lower
from rnnspec.program.nodes import Program
from rnnspec.program.verify import verify
from rnnspec.spec.document import validate
from rnnspec.syntax.compose import Document, compose
from rnnspec.syntax.setting import Setting

Item = TypeVar("Item")
Rule = Callable[[Program, Document, Problems], None]
Groups = tuple[tuple[tuple[Rule, ...], tuple[str, ...]], ...]

#: The groups of rules, and for each the prefixes of codes: after such an error the group is skipped,
#: because its findings would be unreliable.  Within a group, a rule leaves out what an earlier one has
#: refused (`refused.py`).  Those of the task read only the network and the timeline of a program.
TASK_RULES: Groups = (
    (network.RULES, ("RS0", "RS1")),
    (units.RULES, ("RS0", "RS2")),
    (task.RULES, ("RS0", "RS2")),
    (uses.RULES, ("RS0", "RS1", "RS2")),
    (conditions.RULES, ("RS0", "RS1", "RS2")),
    (targets.RULES, ("RS0", "RS1", "RS2")),
    (sameness.RULES, ("RS0", "RS1", "RS2")),
)
OTHER_RULES: Groups = (
    (skips.RULES, ("RS0", "RS2", "RS3")),
    (training.RULES, ("RS0", "RS2", "RS4")),
    (task.ROUNDING, ("RS0", "RS2")),
)


@dataclass(frozen=True)
class Specification:
    """A spec without errors.

    text: the resolved document as YAML, which depends on no other file.  methods: the names of the overlays,
    in order.  settings: `key=value` as given, in order.
    """

    text: str
    program: Program
    warnings: tuple[Diagnostic, ...]
    methods: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


def load(
    path: Path | str, overlays: Iterable[Path | str] = (), settings: Iterable[str | Setting] = ()
) -> Specification:
    """Read, compose, lower and check a spec.

    overlays: as given to `--with`, in order.  settings: as given to `--set`, `key=value`, in order; or
    as read from another document.
    Raises SpecError with all problems, TypeError if an argument is not a path or a list.
    """
    if not isinstance(path, str | PurePath):
        raise TypeError(f"the spec must be a path, not {path!r}.")
    overlays, settings = items("overlays", overlays), items("settings", settings)
    problems = Problems()
    document = compose(path, overlays, settings, problems=problems)
    program = None if document is None else examine(document, problems)
    problems.stop_on_error()
    assert document is not None
    if program is None:
        problems.error(
            "RS011",
            "this document is a fragment: it has no name",
            document.span(()),
            expected="a complete spec",
            help="add a 'name', or use this file with 'extends' or '--with'",
        )
        problems.stop_on_error()
    assert program is not None
    methods = tuple(Path(overlay).stem for overlay in overlays)
    given = tuple(item.text if isinstance(item, Setting) else str(item) for item in settings)
    text = resolved_text(document, problems.silenced)
    return Specification(text, program, problems.sorted(), methods, given)


def specification_of(
    spec: Specification | Path | str, overlays: Iterable[Path | str] = (), settings: Iterable[str] = ()
) -> Specification:
    """Return a specification unchanged, or load it from a path."""
    if not isinstance(spec, Specification):
        return load(spec, overlays, settings)
    if items("overlays", overlays) or items("settings", settings):
        raise TypeError("overlays and settings need the path of a spec: pass them to rnnspec.load.")
    return spec


def is_fragment(document: Document) -> bool:
    """Return whether a document has no name: it is a part for others to extend, and is no complete spec."""
    return "name" not in document.tree.entries


def examine(document: Document, problems: Problems) -> Program | None:
    """Validate, lower and check a document.  Returns None if it has errors or is a fragment.

    What comments silence is no longer among the problems.
    """
    program = _checked(document, problems)
    silence(document, problems, complete=program is not None)
    return None if problems.failed else program


def _checked(document: Document, problems: Problems) -> Program | None:
    """Return the program of a document, even if it has errors; None if it is too incomplete for one."""
    spec = validate(document, problems)
    if is_fragment(document):
        check_calls_of_fragment(document, problems)
        return None
    program = None if spec is None else lower(spec, document, problems)
    if program is None:
        return None
    if not problems.failed:
        verify(program)
    apply_rules((*TASK_RULES, *OTHER_RULES), program, document, problems)
    return program


def apply_rules(groups: Groups, program: Program, document: Document, problems: Problems) -> None:
    """Report what rules find, but for groups whose prerequisites an earlier error breaks."""
    found = tuple(problems.found)
    for rules, prerequisites in groups:
        if not any(d.severity == "error" and d.code.startswith(prerequisites) for d in found):
            for rule in rules:
                rule(program, document, problems)


def items(name: str, values: Iterable[Item]) -> tuple[Item, ...]:
    """Return the items of a list.  Raises TypeError for a string, which would be split into characters."""
    if isinstance(values, str | PurePath):
        raise TypeError(f"{name} must be a list: write {name}=[{str(values)!r}].")
    items = tuple(values)
    for item in items:
        if not isinstance(item, str | PurePath | Setting):
            raise TypeError(f"{name} must be a list of strings or paths; {item!r} is not a string.")
    return items
