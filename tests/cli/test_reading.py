"""The commands that read specs: validate, rule, schema, resolve, compile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from cli.command import ROOT, process, rnnspec
from training.samples import write_tiny

from rnnspec.catalogue import minimal
from rnnspec.check.examine import load
from rnnspec.diagnostics import SpecError

BROKEN = """\
rnnspec: 1
extends: tiny.yaml
name: broken
skips: {edges: {one: {kind: sctt, from: stimulsu.end, to: response.end}}}
"""

ODD = """\
rnnspec: 1
extends: tiny.yaml
name: odd
task: {epochs: {stimulus: {duration: 110 ms}}}
"""


FRAGMENT = "1 of them a fragment without a name"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    return tmp_path


def test_fine(folder: Path) -> None:
    answer = rnnspec("validate", folder)
    assert (answer.code, answer.out, answer.err) == (
        0,
        "",
        f"2 specs are fine, {FRAGMENT}\n",
    )


def test_a_name_that_is_forgotten_shows(folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text()
    (folder / "tiny.yaml").write_text(text.replace("name: tiny\n", ""))
    answer = rnnspec("validate", folder / "tiny.yaml")
    said = "this fragment is fine; it has no name, so it was not checked as a whole spec\n"
    assert (answer.code, answer.out, answer.err) == (0, "", said)


def test_errors(folder: Path) -> None:
    (folder / "broken.yaml").write_text(BROKEN)
    answer = rnnspec("validate", folder / "broken.yaml")
    assert answer.code == 1
    first, *_, last = answer.out.splitlines()
    assert first == f"{folder}/broken.yaml:4:41: error[RS204] 'stimulsu' is not an epoch of this task"
    assert last == "  help: did you mean 'stimulus'?"
    assert answer.err == "1 error in 1 of 1 spec\n"


def test_a_problem_of_a_base_is_reported_once(folder: Path) -> None:
    (folder / "tiny.yaml").write_text((folder / "tiny.yaml").read_text() + "nonsense: 1\n")
    for name in "abc":
        (folder / f"{name}.yml").write_text(f"rnnspec: 1\nextends: tiny.yaml\nname: {name}\n")
    answer = rnnspec("validate", folder, folder / "a.yml")
    assert answer.out.count("RS010") == 1
    assert answer.err == "1 error in 4 of 5 specs\n"


def test_warnings(folder: Path) -> None:
    (folder / "odd.yaml").write_text(ODD)
    answer = rnnspec("validate", folder)
    assert (answer.code, answer.err) == (
        0,
        f"3 specs are fine, {FRAGMENT}, with 1 warning\n",
    )
    assert "warning[RS216]" in answer.out
    answer = rnnspec("validate", folder, "--strict")
    assert (answer.code, answer.err) == (1, "1 error in 1 of 3 specs\n")
    assert "error[RS216]" in answer.out


def test_json(folder: Path) -> None:
    (folder / "broken.yaml").write_text(BROKEN)
    answer = rnnspec("validate", folder / "broken.yaml", "--format", "json")
    (row,) = json.loads(answer.out)
    assert (row["code"], row["line"], row["column"], row["end_column"]) == ("RS204", 4, 41, 49)
    assert json.loads(rnnspec("validate", folder / "tiny.yaml", "--format", "json").out) == []


def test_github(folder: Path) -> None:
    (folder / "broken.yaml").write_text(BROKEN)
    answer = rnnspec("validate", folder / "broken.yaml", "--format", "github")
    assert answer.out.startswith(f"::error file={folder}/broken.yaml,line=4,col=41,")


def test_what_is_searched(folder: Path) -> None:
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.yaml").write_text("nonsense")
    (folder / "notes.txt").write_text("nonsense")
    assert rnnspec("validate", folder).err == f"2 specs are fine, {FRAGMENT}\n"
    for name in ("run", "build"):
        (folder / name / "inner").mkdir(parents=True)
        for file in ("spec.yaml", "manifest.json", "inner/x.yaml"):
            (folder / name / file).write_text("rnnspec: nonsense")
    (folder / "config.yaml").write_text("# rnnspec: no\ndata: {rnnspecs: 1}\n")
    said = "1 YAML file without the key 'rnnspec' left out\n"
    assert rnnspec("validate", folder).err == f"2 specs are fine, {FRAGMENT}\n{said}"
    # A file that is given is checked, whatever it says and wherever it is.
    answer = rnnspec("validate", folder, folder / "config.yaml", folder / "run" / "spec.yaml")
    assert answer.err == "2 errors in 2 of 4 specs\n"
    (folder / "empty").mkdir()
    answer = rnnspec("validate", folder / "empty")
    assert answer.code == 2
    assert "There are no specs in" in answer.err


@pytest.mark.parametrize(
    "text",
    [
        b"name: x\r\nrnnspec: 2\r\n",
        b"{name: x, 'rnnspec': 2}",
        b"--- {rnnspec: 2}",
        b'# a comment\n\n"rnnspec": 2\n',
        "\ufeffrnnspec: 2".encode(),
        "rnnspec: 2".encode("utf-16"),
    ],
)
def test_what_says_that_it_is_a_spec(folder: Path, text: bytes) -> None:
    (folder / "other.yaml").write_bytes(text)
    answer = rnnspec("validate", folder)
    assert "other.yaml" in answer.out
    assert "left out" not in answer.err


def test_a_file_that_is_not_there(folder: Path) -> None:
    answer = rnnspec("validate", folder / "tiny.yml")
    assert answer.code == 2
    assert "error[RS001]" in answer.out
    answer = rnnspec("resolve", folder / "tiny.yml")
    assert (answer.code, answer.out) == (2, "")
    assert "error[RS001]" in answer.err


def test_a_wrong_spec_counts_before_a_missing_one(folder: Path) -> None:
    """Exit code 1, not 2: the path that cannot be read is in the list of problems all the same."""
    (folder / "broken.yaml").write_text(BROKEN)
    for paths in (("missing.yaml", "broken.yaml"), ("broken.yaml", "missing.yaml")):
        answer = rnnspec("validate", *(folder / path for path in paths))
        assert answer.code == 1
        assert "error[RS001]" in answer.out
        assert "error[RS204]" in answer.out
        assert answer.err == "2 errors in 2 of 2 specs\n"


def test_wrong_usage(folder: Path) -> None:
    answer = rnnspec("validate", folder, "--format", "xml")
    assert answer.code == 2
    assert "'xml' is not one of: text, json, github, sarif, junit." in answer.err
    assert rnnspec("validate").code == 2
    assert rnnspec("vaildate", folder).code == 2


def test_validate_starts_without_torch(folder: Path) -> None:
    script = (
        "import sys; sys.argv = ['rnnspec', 'validate', sys.argv[1]]\n"
        "from rnnspec.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(*sorted({'torch', 'numpy', 'rich', 'jinja2'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_methods_and_settings_over_one_spec(folder: Path) -> None:
    spec = folder / "tiny.yaml"
    assert rnnspec("validate", spec, "--with", "fast", "--set", "training.networks=7").code == 0
    answer = rnnspec("validate", spec, "--set", "training.networks=0")
    assert answer.code == 1
    assert answer.out.startswith("--set:1:19: error[RS013] 'networks' is 0\n")
    for paths in ((folder,), (spec, spec)):
        answer = rnnspec("validate", *paths, "--with", "fast")
        assert (answer.code, answer.out) == (2, "")
        assert (
            answer.err
            == "rnnspec: --with and --set change one document.\n  Give the path of a single file.\n"
        )


def test_how_many_problems_are_not_shown(folder: Path) -> None:
    many = folder / "many.yaml"
    keys = "".join(f"nonsense_{i}: 1\n" for i in range(157))
    many.write_text(f"rnnspec: 1\nextends: tiny.yaml\nname: many\n{keys}")
    answer = rnnspec("validate", many)
    assert answer.out.count("error[RS010]") == 100
    said = "and 57 problems more, not shown: 100 of a spec are enough at once"
    assert answer.err == f"100 errors in 1 of 1 spec\n{said}\n"
    answer = rnnspec("compile", many)
    assert answer.err.endswith(
        "100 errors, and 57 more that are not shown; 'rnnspec rule CODE' explains each.\n"
    )
    with pytest.raises(SpecError) as error:
        load(many)
    assert str(error.value).endswith("\n\n... and 57 more")


def test_a_file_whose_name_begins_with_a_dash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    shutil.copy("tiny.yaml", "-dash.yaml")
    for name in ("-dash.yaml", "--absent.yml"):
        answer = rnnspec("validate", name)
        assert answer.code == 2
        assert f"{name} is no option. If it is a file, write ./{name}.\n" in answer.err
    assert rnnspec("validate", "./-dash.yaml").code == 0
    assert rnnspec("validate", "--", "-dash.yaml").code == 0
    assert "No such option: --strct" in rnnspec("validate", "tiny.yaml", "--strct").err


# --- rule, schema, resolve ---------------------------------------------------------------------------


def test_rule() -> None:
    answer = rnnspec("rule", "rs204")
    assert answer.code == 0
    assert answer.out.startswith("RS204 (error): ")
    assert "Wrong:\n" in answer.out
    assert "Right:\n" in answer.out


def test_all_rules() -> None:
    lines = rnnspec("rule").out.splitlines()
    assert [line[:5] for line in lines] == sorted(line[:5] for line in lines)
    assert len(lines) > 40


def test_an_unknown_rule() -> None:
    answer = rnnspec("rule", "RS2004")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("rnnspec: There is no rule 'RS2004'.\n  Did you mean 'RS2")


def test_schema() -> None:
    assert json.loads(rnnspec("schema").out)["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_resolve(folder: Path) -> None:
    words = ("resolve", folder / "tiny.yaml", "--with", "fast", "--set", "training.networks=7")
    value = yaml.safe_load(rnnspec(*words).out)
    assert value["training"]["networks"] == 7
    assert value["skips"]["edges"]["regular"] == {"kind": "dasc", "every": "2 steps"}
    assert "seed" not in value["training"]
    assert yaml.safe_load(rnnspec(*words, "--defaults").out)["training"]["seed"] == 0


def test_resolving_what_has_errors(folder: Path) -> None:
    answer = rnnspec("resolve", folder / "tiny.yaml", "--set", "training")
    assert (answer.code, answer.out) == (1, "")
    assert "--set:1:1: error[RS018]" in answer.err
    assert answer.err.endswith("1 error; 'rnnspec rule CODE' explains each.\n")


def test_a_fragment_has_no_defaults_to_write_out(folder: Path) -> None:
    answer = rnnspec("resolve", folder / "methods" / "fast.yaml", "--defaults")
    assert answer.code == 2
    assert "is a fragment" in answer.err


@pytest.mark.parametrize("name", ["rule_reversal", "delayed_match_to_category"])
def test_defaults_mean_the_same(tmp_path: Path, name: str) -> None:
    spec = ROOT / "specs" / f"{name}.yaml"
    full = tmp_path / "full.yaml"
    full.write_text(rnnspec("resolve", spec, "--with", "dasc40", "--defaults").out)
    program = rnnspec("compile", spec, "--with", "dasc40", "--emit", "program")
    assert rnnspec("compile", full, "--emit", "program").out == program.out
    # Nothing is left to write out.
    assert rnnspec("resolve", full, "--defaults").out == full.read_text()


# --- compile -----------------------------------------------------------------------------------------


def test_a_skip_bridges_an_epoch_without_gradient(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    first = "  epochs:\n    early: {duration: 100 ms}\n    pause: {duration: 60 ms, gradient: false}\n"
    spec.write_text(minimal().replace("  epochs:\n", first, 1))
    assert "gradient   cut by an epoch without gradient" in rnnspec("compile", spec).out
    bridge = "skips: {edges: {one: {kind: sctt, from: early.end, to: fixation.end}}}\n"
    spec.write_text(spec.read_text() + bridge)
    text = " ".join(rnnspec("compile", spec).out.split())
    # 5 steps of `early`, the skip, and the 40 steps after `fixation`.
    assert "cut by an epoch without gradient: later epochs cannot learn from earlier ones" in text
    assert "; at least 46 steps and skips in the first stage" in text


def test_compile_shows_the_command_of_the_compiler(folder: Path) -> None:
    answer = rnnspec("compile", folder / "tiny.yaml", "-v")
    assert answer.code == 0
    # The report is broken into lines, also within words.
    shown = "".join(answer.out.split())
    assert "".join(("-march=native", *os.environ["RNNSPEC_CXXFLAGS"].split())) in shown
    assert "cachedin" + os.environ["RNNSPEC_CACHE"] in shown


def test_compile(folder: Path) -> None:
    answer = rnnspec("compile", folder / "tiny.yaml", "--with", "fast", "-o", folder / "build")
    assert answer.code == 0
    lines = dict(line.split(maxsplit=1) for line in answer.out.splitlines() if line[0] != " ")
    assert lines["units"] == "6: input 3, output 3; dt 20 ms"
    assert lines["trial"] == "stimulus 100 ms +-40 ms | response 80 ms"
    assert lines["steps"] == "9 per sequence, all with gradient"
    # Skips of two steps restart with each epoch: 1 + 2 for 5 steps, 2 for 4.
    path = "at least 9 steps from the end back to the start; at least 5 steps and skips in the"
    assert f" gradient {path}" in " ".join(answer.out.split())
    assert lines["target"].startswith("cpu, the default: ")
    names = ["graph.py", "kernel.cpp", "kernel.cu", "manifest.json", "program.txt", "spec.yaml"]
    assert sorted(path.name for path in (folder / "build").iterdir()) == names
    manifest = json.loads((folder / "build" / "manifest.json").read_text())
    for name, digest in manifest["sha256"].items():
        assert sha256((folder / "build" / name).read_bytes()).hexdigest() == digest


def test_the_same_spec_gives_the_same_bytes(folder: Path) -> None:
    rnnspec("compile", folder / "tiny.yaml", "-o", folder / "a")
    (folder / "elsewhere").mkdir()
    shutil.move(folder / "tiny.yaml", folder / "elsewhere" / "tiny.yaml")
    process("compile", folder / "elsewhere" / "tiny.yaml", "-o", folder / "b", PYTHONHASHSEED="7")
    for path in (folder / "a").iterdir():
        assert path.read_bytes() == (folder / "b" / path.name).read_bytes()


def test_emit(folder: Path) -> None:
    assert rnnspec("compile", folder / "tiny.yaml", "--emit", "program").out.startswith("program tiny\n")
    compile(rnnspec("compile", folder / "tiny.yaml", "--emit", "graph").out, "graph.py", "exec")
    assert "rnnspec_simulate" in rnnspec("compile", folder / "tiny.yaml", "--emit", "kernel").out
    assert rnnspec("compile", folder / "tiny.yaml", "--emit", "picture").code == 2


def test_an_unknown_target(folder: Path) -> None:
    answer = rnnspec("compile", folder / "tiny.yaml", "--target", "abacus")
    assert answer.code == 2
    assert "'abacus' is not one of: gpu, cpu, compiled, torch, torchscript, reference." in answer.err
