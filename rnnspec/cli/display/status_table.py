"""The table of `rnnspec status`: a line for each run, in the width of the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from rnnspec.cli.display.charts import score, span
from rnnspec.cli.display.phases import describe_phases
from rnnspec.diagnostics import shorten
from rnnspec.runs.edits import edits
from rnnspec.runs.manifest import Origin
from rnnspec.runs.status import RunStatus

_RUN, _SETTINGS, _STATE = "run", "set", "state"
_ITERATION, _PERFORMANCE, _TIME = "iteration", "performance", "time"
_COLOURS = {"running": "green", "cut off": "yellow", "failed": "red", "diverged": "red", "damaged": "red"}
#: Columns around and between the text of two cells.
_PADDING = 3
#: The width that these need at least; longer ones continue in the next line.
_NARROW = {_SETTINGS: 16, _PERFORMANCE: 16, _STATE: 24}


def status_table(found: Sequence[RunStatus], width: int) -> Table:
    """Return runs as a table of at most `width` columns.

    The name of a run is needed to resume it, and its settings tell it from others, so both stay. If there is
    no room, the time is left out first, then the performance, then the iteration.
    """
    rows = [
        _cells(status, settings) for status, settings in zip(found, distinct_settings(found), strict=True)
    ]
    shown = [name for name in rows[0] if name != _SETTINGS or any(row[_SETTINGS] for row in rows)]
    for name in (_TIME, _PERFORMANCE, _ITERATION):
        if sum(_width(name, rows) for name in shown) >= width:
            shown.remove(name)
    # Where even that is too narrow, the name continues in the next line.
    whole = {_ITERATION, _TIME}
    if _width(_RUN, rows) + len("running") + _PADDING <= width:
        whole.add(_RUN)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for name in shown:
        right = name in (_ITERATION, _TIME)
        table.add_column(name, justify="right" if right else "left", no_wrap=name in whole, overflow="fold")
    for status, row in zip(found, rows, strict=True):
        # As Text, because brackets in a name are not markup.
        cells = {name: Text(text) for name, text in row.items()}
        cells[_STATE].stylize(_COLOURS.get(status.state, ""))
        table.add_row(*(cells[name] for name in shown))
    return table


def distinct_settings(found: Sequence[RunStatus]) -> list[str]:
    """Return what tells each run from the others: `dasc40 learning_rate=0.01`; of a single run, all.

    These are overlays that its name does not contain, the run from which it began, values that were edited in
    its spec, and settings. What all runs share is left out. A key is shortened to its last part where that is
    unambiguous.
    """
    given = [{**_given(status), **edited} for status, edited in zip(found, edits(found), strict=True)]
    times = Counter(item for items in given for item in items.items())
    keys = {key for items in given for key in items}
    short = Counter(_last_part(key) for key in keys)
    texts = []
    for items in given:
        own = {
            key: value for key, value in items.items() if len(found) == 1 or times[key, value] < len(found)
        }
        parts = [
            f"{_last_part(key) if short[_last_part(key)] == 1 else key}={value}" if value else key
            for key, value in own.items()
        ]
        texts.append(" ".join(parts))
    return texts


def _given(status: RunStatus) -> dict[str, str]:
    """Return the overlays, with no value, the origin and the settings; of a key set twice, the last."""
    overlays = {name: "" for name in status.methods if name not in status.folder.name}
    if status.origin is not None:
        overlays["from"] = Path(status.origin.run).name + _networks(status.origin)
    settings = dict(setting.split("=", 1) for setting in status.settings if "=" in setting)
    return {**overlays, **settings}


def _networks(origin: Origin) -> str:
    """Return the numbers of the networks of a run from which training began; empty if these are all."""
    numbers = origin.networks
    if numbers == tuple(range(len(numbers))):
        return ""
    chosen = numbers[:1] if len(set(numbers)) == 1 else numbers
    return f"[{shorten(','.join(map(str, chosen)), 16)}]"


def _last_part(key: str) -> str:
    return key.rpartition(".")[2]


def _width(name: str, rows: Sequence[dict[str, str]]) -> int:
    widest = max(len(name), *(len(row[name]) for row in rows))
    return min(widest, _NARROW.get(name, widest)) + _PADDING


def _cells(status: RunStatus, settings: str) -> dict[str, str]:
    cells = dict.fromkeys((_RUN, _SETTINGS, _ITERATION, _PERFORMANCE, _TIME, _STATE), "")
    cells[_RUN] = str(status.folder)
    cells[_STATE] = _describe_state(status)
    if status.state not in ("damaged", "foreign"):
        cells[_SETTINGS] = settings
        cells[_ITERATION] = f"{status.completed:,} of {status.iterations:,}"
        phases = describe_phases(status.phases, status.performance)
        cells[_PERFORMANCE] = score(status.performance) + (f" ({phases})" if phases else "")
        cells[_TIME] = span(status.seconds)
    return cells


def _describe_state(status: RunStatus) -> str:
    """Return the state in words, with the process that trains the run and the number of diverged networks."""
    match status.state:
        case "damaged":
            return status.problem
        case "foreign":
            return "made by another version of rnnspec"
        case "reached":
            text = "reached its criterion"
        case "unseen":
            text = f"unseen: {status.holder}"
        case _:
            text = status.state
    if status.diverged and status.state != "diverged":
        text += f"; {status.diverged} of {status.networks} diverged"
    return text
