"""`rnnspec.guess`: what guessing scores in the task of a spec.  Free of torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rnnspec.analysis.guessing.levels import Guessing, measure_guessing
from rnnspec.check.examine import Specification, specification_of


def guess(
    spec: Specification | Path | str,
    *,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str] = (),
) -> Guessing | None:
    """Return what guessing scores in the task of a spec; None if the task is not scored.

    spec: a specification, or the path of one, with the overlays and settings of `rnnspec.load`.
    """
    return measure_guessing(specification_of(spec, overlays, settings).program)
