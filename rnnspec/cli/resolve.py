"""`rnnspec resolve`: print the single document that a spec, its bases, overlays and settings amount to."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnspec.cli.console import complain
from rnnspec.cli.failures import USAGE
from rnnspec.cli.options import Set, SpecFile, With


def command(
    spec: SpecFile,
    overlays: With = None,
    settings: Set = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Also print the values that the spec leaves to their defaults.")
    ] = False,
) -> None:
    """Print the resolved spec: one document without bases, overlays and settings.

    The spec is merged into the base that it extends; then each --with is merged into the result, in order,
    and each --set. The resolved spec is what is validated, compiled, and saved with a run.

    \b
    Example:
      rnnspec resolve specs/go.yaml --with dasc40 --set training.networks=10
    """
    from rnnspec.check.examine import examine
    from rnnspec.check.ignore import resolved_text
    from rnnspec.diagnostics import Problems
    from rnnspec.syntax.compose import compose, dump

    problems = Problems()
    document = compose(spec, overlays or (), settings or (), problems=problems)
    problems.stop_on_error()
    assert document is not None
    if not defaults:
        checked = Problems()
        examine(document, checked)
        print(resolved_text(document, checked.silenced), end="")
    else:
        from rnnspec.spec.defaults import with_defaults
        from rnnspec.spec.document import validate

        model = validate(document, problems)
        problems.stop_on_error()
        if model is None or model.name is None:
            complain(f"{spec} is a fragment: it has no name.", "--defaults needs a complete spec.")
            raise typer.Exit(USAGE)
        print(dump(with_defaults(model)), end="")
