"""Loads many variants of one spec, and does what they have in common only once.

The units of a sweep differ in a few settings, mostly of skips and training.  What is read, validated, lowered
and checked of the network and the task is then the same, and is most of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rnnspec.check.examine import OTHER_RULES, TASK_RULES, Specification, apply_rules, load
from rnnspec.check.ignore import resolved_text, silence
from rnnspec.diagnostics import Diagnostic, Problems
from rnnspec.program.lower import lower
from rnnspec.program.nodes import Program
from rnnspec.program.verify import verify
from rnnspec.spec.document import Spec
from rnnspec.syntax.compose import Document, compose, dump, vary
from rnnspec.syntax.setting import Setting
from rnnspec.syntax.tree import Node, plain_value


@dataclass(frozen=True)
class _Part:
    """What variants with the same network and task have in common.

    sections: the nodes of network and task.  found: what their lowering and their rules report.
    """

    sections: tuple[Node | None, ...]
    spec: Spec
    program: Program
    found: tuple[Diagnostic, ...]


class Variants:
    """A spec with overlays and settings, from which variants with further settings are made."""

    def __init__(self, path: str, overlays: Sequence[str], settings: Sequence[Setting]) -> None:
        self.path = path
        self.overlays = tuple(overlays)
        self.settings = tuple(settings)
        self._composing = Problems()
        self._base = compose(path, overlays, settings, problems=self._composing)
        self._part: _Part | None = None
        self._texts: dict[str, tuple[Node, str]] = {}

    def load(self, more: Sequence[Setting]) -> Specification:
        """Return what `load` returns with the settings of all variants, and more after them.

        Raises SpecError as `load` does.
        """
        settings = (*self.settings, *more)
        problems = Problems()
        for diagnostic in self._composing.found:
            problems.add(diagnostic)
        document = None if self._base is None or problems.failed else vary(self._base, more, problems)
        program = None if document is None else self._program(document, problems)
        if document is None or program is None:
            # It has errors.  They are found by the one way in which specs are read and recovered.
            return load(self.path, self.overlays, settings)
        methods = tuple(Path(overlay).stem for overlay in self.overlays)
        given = tuple(setting.text for setting in settings)
        return Specification(self._text(document, problems), program, problems.sorted(), methods, given)

    def _program(self, document: Document, problems: Problems) -> Program | None:
        """Return the program of a variant; None if it has errors, or is no complete spec."""
        nodes = {key: entry.value for key, entry in document.tree.entries.items()}
        sections = (nodes.get("network"), nodes.get("task"))
        part = self._part
        if part is not None and any(a is not b for a, b in zip(sections, part.sections, strict=True)):
            part = None
        known = {"network": part.spec.network, "task": part.spec.task} if part else {}
        try:
            spec = Spec.model_validate(
                {key: known[key] if key in known else plain_value(node) for key, node in nodes.items()}
            )
        except ValidationError:
            return None
        if spec.name is None or spec.network is None or spec.task is None:
            return None
        if part is not None and part.spec.training.loss != spec.training.loss:
            part = None
        before = len(problems.found)
        program = lower(spec, document, problems, part.program if part else None)
        if program is None or problems.failed:
            return None
        verify(program)
        if part is None:
            apply_rules(TASK_RULES, program, document, problems)
            self._part = _Part(sections, spec, program, tuple(problems.found[before:]))
        else:
            for diagnostic in part.found:
                problems.add(diagnostic)
        apply_rules(OTHER_RULES, program, document, problems)
        if problems.failed:
            return None
        silence(document, problems, complete=True)
        return program

    def _text(self, document: Document, problems: Problems) -> str:
        if problems.silenced:
            return resolved_text(document, problems.silenced)
        texts = []
        for key, entry in document.tree.entries.items():
            known = self._texts.get(key)
            if known is None or known[0] is not entry.value:
                known = self._texts[key] = (entry.value, dump({key: plain_value(entry.value)}))
            texts.append(known[1])
        return "".join(texts)
