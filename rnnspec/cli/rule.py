"""`rnnspec rule`: explain a rule by its code."""

from __future__ import annotations

import shutil
import textwrap
from typing import Annotated

import typer

from rnnspec.cli.console import complain
from rnnspec.cli.failures import USAGE


def command(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="A code such as RS204; default: list all.", show_default=False),
    ] = None,
) -> None:
    """Explain a rule by its code.

    Prints what the rule means, with a wrong and a right example. Without a code, lists all rules.

    \b
    Example:
      rnnspec rule RS204
    """
    from rnnspec.catalogue import rules
    from rnnspec.diagnostics import nearest

    known = {rule.code: rule for rule in rules()}
    if code is None:
        for rule in known.values():
            print(f"{rule.code}  {rule.severity:<7}  {rule.title}")
        return
    if code.upper() not in known:
        guess = nearest(code.upper(), known) or "'rnnspec rule' lists all codes."
        complain(f"There is no rule '{code}'.", guess[0].upper() + guess[1:])
        raise typer.Exit(USAGE)
    rule = known[code.upper()]
    width = min(shutil.get_terminal_size().columns, 90)
    print(f"{rule.code} ({rule.severity}): {rule.title}\n")
    print(textwrap.fill(rule.why, width))
    for word, example in (("Wrong", rule.bad), ("Right", rule.good)):
        print(f"\n{word}:\n{textwrap.indent(rule.shown(example), '    ')}")
