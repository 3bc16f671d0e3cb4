"""What a sweep trains: its document, and the units that follow from it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from rnnspec.check.examine import Specification, is_fragment
from rnnspec.check.ignore import silence
from rnnspec.check.variants import Variants
from rnnspec.diagnostics import Diagnostic, Problems, Span, SpecError, nearest, one_of, shorten
from rnnspec.errors import RequestError
from rnnspec.files import sha256
from rnnspec.spec.sweep import MAX_UNITS, PLAIN, Grid, Method, SweepDocument, Table, validate_sweep
from rnnspec.sweeps.rules import fixed_values_count, table_has_values, units_differ
from rnnspec.syntax.compose import Document, find_method, is_sweep, methods_of, refuse_sweep
from rnnspec.syntax.dump import flow
from rnnspec.syntax.setting import Setting, read_keys, read_setting
from rnnspec.syntax.source import neighbour, read_file
from rnnspec.syntax.tree import Mapping as MappingNode
from rnnspec.syntax.tree import Node, Scalar, Sequence, plain_value

#: What a resolved spec says for people only: to correct it makes no other unit.
_PROSE = re.compile(r"^(?:summary|label):.*\n", re.MULTILINE)
#: The most characters of a folder's name before its hash.
_WIDTH = 100


@dataclass(frozen=True)
class Unit:
    """One training of a sweep.

    name: of its run folder; it follows from what the unit is.  label: the same without its hash.
    spec: the name of the file of its spec, without suffix.  method: its name in the sweep.
    settings: the values of the grid, by key.
    """

    name: str
    spec: str
    method: str
    settings: Mapping[str, object]
    specification: Specification = field(repr=False)

    @property
    def label(self) -> str:
        return self.name.rpartition("-")[0]

    def coordinate(self, axis: str) -> object:
        """Return the place of the unit along an axis: 'spec', 'method' or a key; None if it lacks the key."""
        return {"spec": self.spec, "method": self.method}.get(axis, self.settings.get(axis))


@dataclass(frozen=True)
class Sweep:
    """The trainings of a document, without errors.

    units: in the order of specs, methods and values.  keys: of the grid.  warnings: of all specs.
    """

    name: str
    summary: str
    units: tuple[Unit, ...]
    keys: tuple[str, ...]
    table: Table
    warnings: tuple[Diagnostic, ...] = ()


def load_sweep(path: Path | str, settings: Iterable[str] = ()) -> Sweep:
    """Read a sweep and check all its units.

    settings: `key=value`, for all units, after those of the document.  Raises SpecError with all problems,
    each cause once.
    """
    problems = Problems()
    sweep = examine_sweep(path, settings, problems)
    problems.stop_on_error()
    assert sweep is not None
    return replace(sweep, warnings=problems.sorted())


def is_sweep_file(path: Path | str) -> bool:
    """Return whether a file can be read and is a sweep."""
    tree = read_file(path, Problems())
    return tree is not None and is_sweep(tree)


def examine_sweep(
    path: Path | str, settings: Iterable[str], problems: Problems, *, known: Collection[Diagnostic] = ()
) -> Sweep | None:
    """Read a sweep, check all its units, and report the problems.  Returns None if it has errors.

    known: problems of specs that are reported already.
    """
    tree = read_file(path, problems)
    if tree is None:
        return None
    document = Document(tree, str(path))
    if not is_sweep(tree):
        _refuse_spec(document, problems)
        return None
    parsed = validate_sweep(document, problems)
    extra = [read_setting(text, problems) for text in settings]
    units: list[Unit] = []
    if parsed is not None and not problems.failed:
        planner = _Planner(document, parsed, [s for s in extra if s is not None], problems, known)
        units = planner.units()
    silence(document, problems, complete=parsed is not None and not extra)
    if parsed is None or problems.failed:
        return None
    return Sweep(parsed.sweep, parsed.summary, tuple(units), tuple(parsed.settings), parsed.table)


def _refuse_spec(document: Document, problems: Problems) -> None:
    file = shorten(document.name, 200)
    complete = not is_fragment(document)
    problems.error(
        "RS503",
        f"this document is {'a spec' if complete else 'part of a spec'}",
        next((entry.key for entry in document.tree.entries.values()), document.span(())),
        expected="a sweep, with the keys 'sweep' and 'specs'",
        help=f"'rnnspec train {file}' trains it"
        if complete
        else "a sweep may name it as an overlay, in 'methods'",
    )


@dataclass(frozen=True)
class Draft:
    """A unit before its spec is loaded.  place: of its spec in the document."""

    path: str
    place: Span
    spec: str
    method: str
    overlays: tuple[str, ...]
    fixed: tuple[Setting, ...]
    grid: tuple[tuple[str, Setting], ...]

    @property
    def label(self) -> str:
        words = [self.spec, self.method] if self.method != PLAIN else [self.spec]
        words += [
            f"{key.rpartition('.')[2]}_{flow(plain_value(setting.value))}" for key, setting in self.grid
        ]
        return "-".join(re.sub(r"[^A-Za-z0-9_.+]+", "_", word).strip("_") for word in words)[:_WIDTH]


class _Planner:
    """Makes the units of a document, and reports what is wrong with them."""

    def __init__(
        self,
        document: Document,
        parsed: SweepDocument,
        extra: list[Setting],
        problems: Problems,
        known: Collection[Diagnostic],
    ) -> None:
        self.document = document
        self.parsed = parsed
        self.extra = extra
        self.problems = problems
        self.known = known
        self.folder = Path(document.name).parent
        self.stems = [Path(path).stem for path in parsed.specs]
        self.files: dict[str, MappingNode | None] = {}

    def units(self) -> list[Unit]:
        self._check_names()
        drafts = [] if self.problems.failed else self._drafts()
        if self.problems.failed:
            return []
        units = self._loaded(drafts)
        if not self.problems.failed:
            units_differ(units, self.extra, self.document, self.problems)
        if not self.problems.failed:
            fixed_values_count(self.parsed, units, self.document, self.problems)
            table_has_values(self.parsed, units, self.document, self.problems)
        return units

    # --- names ---------------------------------------------------------------------------------------

    def _check_names(self) -> None:
        for method in self.parsed.methods:
            if method in self.stems:
                message = f"'{shorten(method)}' is the name of a spec and of a method"
                place = self.document.span(("methods", method), key=True)
                self.problems.error("RS502", message, place, help="give the method another name")
        for number, stem in enumerate(self.stems):
            if stem in self.stems[:number]:
                message = f"two specs of this sweep are called '{shorten(stem)}'"
                twice = os.path.normpath(self.parsed.specs[number]) in map(
                    os.path.normpath, self.parsed.specs[:number]
                )
                help = "rename one of the files: results are told apart by this name"
                help = "delete one of the two" if twice else help
                self.problems.error("RS502", message, self.document.span(("specs", number)), help=help)
        known = [*self.parsed.methods, *self.stems]
        for key, grid in self.parsed.settings.items():
            if not isinstance(grid, Grid):
                continue
            for number, name in enumerate(grid.only or ()):
                if name not in known:
                    path = ("settings", key, "for")
                    one = self.document.node((*path, number)) is None
                    self._unknown(
                        name, path if one else (*path, number), known, "method or spec of this sweep"
                    )
        axes, table = ["spec", "method", *self.parsed.settings], self.parsed.table
        for key in ("rows", "columns"):
            name = getattr(table, key)
            if name not in axes:
                self._unknown(name, ("table", key), axes, "key of 'settings'")
        if table.rows == table.columns:
            message = f"rows and columns are both '{shorten(table.rows)}'"
            place = self.document.span(("table", "columns"))
            others = one_of([axis for axis in axes if axis != table.rows])
            self.problems.error("RS013", message, place, expected=others)

    def _unknown(self, name: str, path: tuple[str | int, ...], known: list[str], kind: str) -> None:
        self.problems.error(
            "RS501",
            f"'{shorten(name)}' is not a {kind}",
            self.document.span(path),
            expected=one_of(known),
            help=_meant(name, known),
        )

    # --- drafts --------------------------------------------------------------------------------------

    def _drafts(self) -> list[Draft]:
        everywhere = self._settings(("set",))
        grids = {key: self._grid(key) for key in self.parsed.settings}
        own = {name: self._settings(("methods", name, "set")) for name in self.parsed.methods}
        drafts = []
        for number, (path, stem) in enumerate(zip(self.parsed.specs, self.stems, strict=True)):
            place = self.document.span(("specs", number))
            file = self._file(path, place, "specs")
            if file is None:
                continue
            for method, value in self.parsed.methods.items():
                overlays = self._overlays(method, value, Path(file).parent)
                axes = []
                for key, values in grids.items():
                    grid = self.parsed.settings[key]
                    only = grid.only if isinstance(grid, Grid) else None
                    if only is None or self._applies(only, method, stem):
                        axes.append([(key, setting) for setting in values])
                for chosen in product(*axes):
                    fixed = (*everywhere, *own[method])
                    drafts.append(Draft(file, place, stem, method, overlays, fixed, chosen))
                    if len(drafts) > MAX_UNITS:
                        message = f"this sweep has more than {MAX_UNITS:,} units"
                        self.problems.error("RS013", message, self.document.span(("settings",), key=True))
                        return []
        return drafts

    def _applies(self, only: tuple[str, ...], method: str, stem: str) -> bool:
        """Return whether a grid is for a method and a spec: names of either restrict only their own kind."""
        methods = [name for name in only if name in self.parsed.methods]
        specs = [name for name in only if name in self.stems]
        return (not methods or method in methods) and (not specs or stem in specs)

    def _overlays(self, method: str, value: object, folder: Path) -> tuple[str, ...]:
        """Return the paths of the overlays of a method.  folder: of the spec."""
        mapping = isinstance(value, Method)
        names: Iterable[str] = value.overlays if isinstance(value, Method) else value  # type: ignore[assignment]
        found = []
        for number, name in enumerate(names):
            path: tuple[str | int, ...] = ("methods", method, *(("with",) if mapping else ()), number)
            place = self.document.span(path)
            if re.search(r"[/\\]|\.ya?ml$", name):
                file = self._file(name, place, "methods", methods_of(folder))
            else:
                file = find_method(name, folder, self.problems, place)
            found += [] if file is None else [file]
        return tuple(found)

    def _file(self, path: str, place: Span, key: str, methods: Collection[str] = ()) -> str | None:
        """Return the path of a file that the document names; None, and it is reported, if there is none.

        methods: those that need no path.
        """
        file = os.path.normpath(self.folder / path)
        message, help = f"there is no file '{shorten(file, 200)}'", ""
        if os.path.isabs(path):
            message = f"the path in '{key}' must be relative to this file"
            help = f"write '{os.path.relpath(path, self.folder)}'"
        elif os.path.isfile(file):
            tree = self.files[file] if file in self.files else read_file(file, Problems())
            self.files[file] = tree
            if tree is None or not is_sweep(tree):
                return file
            refuse_sweep(
                tree, self.problems, f"'{key}' of {shorten(self.document.name, 100)} names this file"
            )
            return None
        elif os.path.isdir(file):
            message, help = f"'{shorten(file, 200)}' is a folder", "write the path of each file"
        elif re.search(r"[*?[]", path):
            help = "patterns are not expanded: write the path of each file"
        elif os.path.isfile(path):
            help = f"write '{os.path.relpath(path, self.folder)}': paths are relative to this file"
        elif Path(path).stem in methods:
            help = f"write '{Path(path).stem}': it is a method, which needs no path"
        elif os.path.isfile(f"{file}.yaml"):
            help = f"write '{shorten(path, 200)}.yaml'"
        self.problems.error(
            "RS016",
            message,
            place,
            help=help or neighbour(file) or f"a path in '{key}' is relative to the file that it stands in",
        )
        return None

    def _settings(self, path: tuple[str, ...]) -> list[Setting]:
        node = self.document.node(path)
        if not isinstance(node, MappingNode):
            return []
        made = (self._setting(key, entry.key, entry.value) for key, entry in node.entries.items())
        return [setting for setting in made if setting is not None]

    def _grid(self, key: str) -> list[Setting]:
        node = self.document.node(("settings", key, "values")) or self.document.node(("settings", key))
        place = self.document.span(("settings", key), key=True)
        assert isinstance(node, Sequence)
        seen: dict[str, Node] = {}
        for item in node.items:
            text = flow(plain_value(item))
            if seen.setdefault(text, item) is not item:
                message = f"the value {shorten(text)} of '{shorten(key)}' is repeated"
                self.problems.error("RS502", message, item.span, help="delete one of the two")
        made = (self._setting(key, place, value) for value in node.items)
        return [setting for setting in made if setting is not None]

    def _setting(self, key: str, place: Span, value: Node) -> Setting | None:
        if isinstance(value, Scalar) and value.value is None and not value.text:
            help = "write 'null' to remove the key"
            self.problems.error("RS018", f"'{shorten(key)}' has no value", place, help=help)
            return None
        keys = read_keys(key, place, self.problems)
        return None if keys is None else Setting(keys, value, f"{key}={flow(plain_value(value))}")

    # --- units ---------------------------------------------------------------------------------------

    def _loaded(self, drafts: list[Draft]) -> list[Unit]:
        """Load the spec of each unit; report every diagnostic once, with the units that have it."""
        units: list[Unit] = []
        found: dict[Diagnostic, list[Draft]] = {}
        families: dict[tuple[object, ...], Variants] = {}
        for draft in drafts:
            settings = (*(setting for _, setting in draft.grid), *self.extra)
            family = (draft.path, draft.method)
            if family not in families:
                # Only the last one is needed again.
                families = {family: Variants(draft.path, draft.overlays, draft.fixed)}
            try:
                specification = families[family].load(settings)
            except SpecError as error:
                for diagnostic in error.diagnostics:
                    found.setdefault(diagnostic, []).append(draft)
                continue
            for diagnostic in specification.warnings:
                found.setdefault(diagnostic, []).append(draft)
            name = f"{draft.label}-{sha256(_PROSE.sub('', specification.text).encode())[:8]}"
            values = {key: plain_value(setting.value) for key, setting in draft.grid}
            units.append(Unit(name, draft.spec, draft.method, values, specification))
        for diagnostic, having in found.items():
            self._report(diagnostic, having, drafts)
        return units

    def _report(self, diagnostic: Diagnostic, having: list[Draft], drafts: list[Draft]) -> None:
        """Report a diagnostic, with the units that have it if others of their specs do not."""
        if diagnostic in self.known:
            self.problems.add(diagnostic)
            return
        specs = {draft.spec for draft in having}
        where = ""
        if len(having) < sum(draft.spec in specs for draft in drafts):
            such = (
                having[0].label if len(having) == 1 else f"{len(having):,} units, such as {having[0].label}"
            )
            where = f" (in {such})"
        add = self.problems.error if diagnostic.severity == "error" else self.problems.warning
        add(
            diagnostic.code,
            f"{diagnostic.message}{where}",
            diagnostic.span,
            expected=diagnostic.expected,
            help=diagnostic.help,
        )


def _meant(name: str, known: list[str]) -> str:
    """Return the remedy for a name that is unknown."""
    if parts := [part for part in re.split(r"[\s,]+", name) if part in known]:
        return f"write '{flow(parts)}'"
    ends = [other for other in known if other.endswith(f".{name}")]
    synonym = {"task": "spec", "tasks": "spec", "overlay": "method", "model": "spec"}.get(name.lower(), "")
    if len(ends) == 1 or synonym in known:
        return f"did you mean '{ends[0] if ends else synonym}'?"
    return nearest(name, known)


def choose(sweep: Sweep, choices: Iterable[str]) -> Sweep:
    """Return a sweep with some of its units.

    choices: `axis=value,value`; the axis is 'spec', 'method' or a key of the grid, or the end of one.  A unit
    without the key of an axis is kept.  Raises RequestError for an axis or a value that no unit has.
    """
    units = sweep.units
    for choice in choices:
        name, _, text = choice.partition("=")
        axis = _axis(sweep, name.strip())
        wanted = [part.strip() for part in text.split(",")]
        shown = {flow(unit.coordinate(axis)).strip('"'): None for unit in sweep.units if _has(unit, axis)}
        for value in wanted:
            if value not in shown:
                raise RequestError(
                    f"No unit of {sweep.name} has {axis}={value or '...'}.",
                    f"Write --only {axis}=VALUES with {one_of(shown)}; several with commas.",
                )
        units = tuple(
            unit for unit in units if not _has(unit, axis) or flow(unit.coordinate(axis)).strip('"') in wanted
        )
    if not units:
        raise RequestError(f"No unit of {sweep.name} is left.", "Leave out one of the options --only.")
    return replace(sweep, units=units)


def _has(unit: Unit, axis: str) -> bool:
    return axis in ("spec", "method") or axis in unit.settings


def _axis(sweep: Sweep, name: str) -> str:
    known = ("spec", "method", *sweep.keys)
    found = [axis for axis in known if axis == name or (name and axis.endswith(f".{name}"))]
    if len(found) == 1 or name in found:
        return name if name in found else found[0]
    if found:
        raise RequestError(f"'{name}' may be {' or '.join(found)}.", "Write the whole key.")
    help = nearest(name, known) or f"It is {one_of(known)}."
    raise RequestError(f"'{shorten(name)}' is nothing in which the units of {sweep.name} differ.", help)
