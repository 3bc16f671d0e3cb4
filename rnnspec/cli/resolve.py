"""`rnnspec resolve`: the one document that a spec, its bases, methods and settings come to."""

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
        bool, typer.Option("--defaults", help="Also write out what the spec leaves to defaults.")
    ] = False,
) -> None:
    """Print the resolved document of a spec.

    It is what is validated, compiled and stored with a run. The spec extends its base; each --with is laid
    over that in order, then each --set.

    \b
    Example:
      rnnspec resolve specs/go.yaml --with dasc40 --set training.networks=10
    """
    from rnnspec.diagnostics import Problems
    from rnnspec.syntax.compose import compose, dump

    problems = Problems()
    document = compose(spec, overlays or (), settings or (), problems=problems)
    problems.stop_on_error()
    assert document is not None
    value = document.value
    if defaults:
        from rnnspec.spec.defaults import with_defaults
        from rnnspec.spec.document import validate

        model = validate(document, problems)
        problems.stop_on_error()
        if model is None or model.name is None:
            complain(f"{spec} is a fragment.", "Only a complete spec, with a name, can be written out.")
            raise typer.Exit(USAGE)
        value = with_defaults(model)
    print(dump(value), end="")
