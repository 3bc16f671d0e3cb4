"""The one direction of the imports, and what each room may need."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rnnspec"
PICTURE = Path(__file__).parents[1] / "docs" / "architecture.svg"

#: A room may import from rooms before it.  The public API stands behind all but the command line.
ROOMS = (
    "diagnostics",
    "errors",
    "files",
    "catalogue",
    "syntax",
    "spec",
    "program",
    "check",
    "codegen",
    "runtime",
    "runs",
    "analysis",
    "training",
    "sweeps",
    "__init__",
    "cli",
    "__main__",
)


def room(module: str) -> str:
    """Return the room of `rnnspec.x.y`, which is x."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and module of every import of the package in a file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name.split(".")[0] == "rnnspec")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rnnspec":
            module = node.module or ""
            if module == "rnnspec":
                # `from rnnspec import x` means the module x where there is one, else the API.
                for alias in node.names:
                    yield node.lineno, f"rnnspec.{alias.name}" if alias.name in ROOMS else module
            else:
                yield node.lineno, module


def own_room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


FILES = sorted(PACKAGE.rglob("*.py"))


def test_there_are_files() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_left(path: Path) -> None:
    mine = ROOMS.index(own_room(path))
    against = [
        f"{path.name}:{line}: {module}" for line, module in imports(path) if ROOMS.index(room(module)) > mine
    ]
    assert not against


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_hold_one_idea(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


#: Where a word that is also the name of a target means something else.
OTHERWISE = {
    ("codegen/render.py", "torch"): "a folder of templates",
    ("codegen/torch/language.py", "torch"): "a name in the generated module",
    ("errors.py", "torch"): "a package",
    ("runs/circumstances.py", "torch"): "the version of the package",
    ("runtime/compiled/toolchain.py", "cpu"): "a fact about the processor",
    ("runtime/cpu/kernel.py", "cpu"): "a device",
    ("runtime/device.py", "cpu"): "a device",
}


def words_of_a_device(node: ast.AST) -> list[ast.expr | None]:
    """Return the constants that name a device: arguments `device` and their defaults, and compared types."""
    match node:
        case ast.keyword(arg="device", value=value):
            return [value]
        case ast.arguments():
            plain = [*node.posonlyargs, *node.args]
            defaults = [*zip(reversed(plain), reversed(node.defaults), strict=False)]
            defaults += [
                (a, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None
            ]
            return [default for argument, default in defaults if argument.arg == "device"]
        case ast.Compare(left=ast.Attribute(attr="type"), comparators=[value]):
            return [value]
    return []


def test_targets_are_known_by_their_records() -> None:
    """Their names stand in their records and in the registry; everything else asks these."""
    from rnnspec.runtime.targets import RECORDS, TARGETS

    assert tuple(RECORDS) == TARGETS
    found = set()
    for path in FILES:
        name = path.relative_to(PACKAGE).as_posix()
        if name == "runtime/targets.py" or (name.startswith("runtime/") and path.name == "target.py"):
            continue
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        devices = [word for node in nodes for word in words_of_a_device(node)]
        found |= {
            (name, node.value)
            for node in nodes
            if isinstance(node, ast.Constant) and node.value in TARGETS and node not in devices
        }
    assert found == OTHERWISE.keys()


def test_no_relative_imports() -> None:
    """Absolute imports are what the other tests here can read."""
    relative = [
        f"{path.name}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


@pytest.mark.parametrize(
    "module",
    [
        "rnnspec",
        "rnnspec.check.examine",
        "rnnspec.codegen.torch.graph",
        "rnnspec.sweeps.left",
        "rnnspec.cli.display.sweep_cost",
        "rnnspec.cli.display.sweep_table",
    ],
)
def test_torch_is_not_needed(module: str) -> None:
    """Everything up to check and codegen works without torch and numpy."""
    script = f"import sys, {module}; print(*sorted({{'torch', 'numpy'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["validate", "specs/go.yaml"], 0),
        (["compile", "specs/go.yaml"], 0),
        (["evaluate", "specs/no_run"], 2),
        (["resume", "specs/no_run"], 2),
    ],
)
def test_commands_that_do_not_wait_for_torch(words: list[str], code: int) -> None:
    """It takes longer to import than all that these do."""
    script = (
        "import sys; from rnnspec.cli.main import main\n"
        f"sys.argv = {['rnnspec', *words]}\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=PACKAGE.parent
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, "False")


def test_the_package_itself_needs_nothing() -> None:
    """`import rnnspec` takes no time because it imports nothing: names are found when they are used."""
    heavy = "{'torch', 'numpy', 'pydantic', 'yaml', 'typer', 'rich', 'jinja2', 'safetensors'}"
    script = f"import sys, rnnspec; print(*sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_name_of_the_api_is_there() -> None:
    import rnnspec

    for name in rnnspec.__all__:
        assert getattr(rnnspec, name) is not None


def rooms_of_the_picture() -> dict[str, list[str]]:
    """Return the files that docs/architecture.svg names in each of its rooms, in the order of the rooms."""
    pattern = r'<text [^>]*y="(\d+)" font-size="(\d+)"[^>]*>([^<]+)</text>'
    texts = [(int(y), size, text) for y, size, text in re.findall(pattern, PICTURE.read_text("utf-8"))]
    files = [(y, text) for y, _, text in texts if text.endswith(".py")]
    # The name of a file is level with that of its room.
    return {
        room: [file for y, file in files if abs(y - at) <= 10] for at, size, room in texts if size == "14"
    }


def test_the_picture_shows_all_rooms_in_order_and_files_that_exist() -> None:
    shown = rooms_of_the_picture()
    assert list(shown) == [name for name in ROOMS if name in shown]
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} <= set(shown)
    named = [f"{name}/{file}" for name, files in shown.items() for file in files]
    assert len(named) > 15
    assert [name for name in named if not (PACKAGE / name).exists()] == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_pages_for_maintainers_name_files_that_exist(page: str) -> None:
    """A bare name may stand for a file in the room that the text is about."""
    root = PACKAGE.parent
    paths = re.findall(r"`([\w./-]+(?:\.(?:py|j2|toml|txt|md)|/))`", (root / page).read_text("utf-8"))
    assert len(paths) > 3
    generated = "graph.py"
    found = [
        path == generated
        or (root / path).exists()
        or (PACKAGE / path).exists()
        or ("/" not in path and any(PACKAGE.rglob(path)))
        for path in paths
    ]
    assert [path for path, there in zip(paths, found, strict=True) if not there] == []
