"""The formats of `rnnspec validate`: what programs and servers read."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cli.command import rnnspec
from jsonschema import Draft202012Validator
from training.samples import write_tiny

from rnnspec.catalogue import rule
from rnnspec.cli.formats import github
from rnnspec.cli.formats.report import CheckedSpec, Report
from rnnspec.diagnostics import Diagnostic, Source, Span

#: The schema of SARIF 2.1.0 (OASIS, 2023) as the SARIF SDK publishes it (MIT license, Microsoft).
SARIF = json.loads((Path(__file__).parent / "published" / "sarif-2.1.0.json").read_text(encoding="utf-8"))

# A letter outside of the basic plane is one character of Python, and two units of UTF-16.
BROKEN = """\
rnnspec: 1
extends: tiny.yaml
name: broken
skips: {edges: {one: {kind: sctt, from: stimulsu.end, to: response.end}}}
training: {seed: "𝒳", networks: 0}
"""
ODD = "rnnspec: 1\nextends: tiny.yaml\nname: odd\ntask: {epochs: {stimulus: {duration: 110 ms}}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs").mkdir()
    write_tiny(tmp_path / "specs")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def broken(folder: Path) -> Path:
    file = folder / "specs" / "broken.yaml"
    file.write_text(BROKEN, encoding="utf-8")
    return file


def log(*words: object) -> Any:
    """Return the run of a valid log in SARIF."""
    found = json.loads(rnnspec("validate", *words, "--format", "sarif").out)
    assert list(Draft202012Validator(SARIF).iter_errors(found)) == []
    (run,) = found["runs"]
    return run


def test_the_published_schema_refuses_what_is_no_log() -> None:
    assert not Draft202012Validator(SARIF).is_valid({"version": "2.1.0", "runs": [{"results": []}]})


def test_sarif(broken: Path) -> None:
    run = log("specs")
    assert run["columnKind"] == "utf16CodeUnits"
    results = run["results"]
    assert [result["ruleId"] for result in results] == ["RS204", "RS012", "RS013"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert all(
        place["artifactLocation"] == {"uri": "specs/broken.yaml", "uriBaseId": "%SRCROOT%"}
        for place in places
    )
    regions = [tuple(place["region"].values()) for place in places]
    text = BROKEN.splitlines()[4]
    networks = text.index("0}") + 1
    assert regions == [(4, 41, 4, 49), (5, 18, 5, 22), (5, networks + 1, 5, networks + 2)]
    assert results[0]["message"]["text"].splitlines()[0] == "'stimulsu' is not an epoch of this task"
    assert results[0]["message"]["text"].splitlines()[-1] == "help: did you mean 'stimulus'?"
    for result in results:
        used = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert (used["id"], result["level"]) == (result["ruleId"], "error")
        assert used["shortDescription"]["text"] == rule(result["ruleId"]).title
    assert f"```yaml\n{rule('RS204').good.strip()}\n```" in used_by(run, "RS204")["help"]["markdown"]


def used_by(run: Any, code: str) -> Any:
    return next(used for used in run["tool"]["driver"]["rules"] if used["id"] == code)


def test_sarif_of_nothing(folder: Path) -> None:
    assert log("specs")["results"] == []


def test_sarif_of_what_is_no_file_of_the_repository(folder: Path, tmp_path_factory: Any) -> None:
    other = tmp_path_factory.mktemp("other folder")
    (other / "x.yaml").write_text("rnnspec: 1\nnonsense: 1\n")
    (result,) = log(other / "x.yaml")["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": (other / "x.yaml").as_uri()}
    (result,) = log("specs/tiny.yaml", "--set", "training.networks=0")["results"]
    assert "locations" not in result
    assert result["message"]["text"].startswith("--set training.networks=0: 'networks' is 0\n")
    (result,) = log("specs/no such 100%.yaml")["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "specs/no%20such%20100%25.yaml"


def test_sarif_of_warnings(folder: Path) -> None:
    (folder / "specs" / "odd.yaml").write_text(ODD)
    assert [result["level"] for result in log("specs")["results"]] == ["warning"]
    assert [result["level"] for result in log("specs", "--strict")["results"]] == ["error"]


def cases(*words: object) -> dict[str, Any]:
    """Return the test cases of a report in JUnit's format, by name."""
    tree = ElementTree.fromstring(rnnspec("validate", *words, "--format", "junit").out)
    (suite,) = tree
    found = {case.attrib["name"]: case for case in suite}
    failures = sum(case.find("failure") is not None for case in found.values())
    for element in (tree, suite):
        assert (element.attrib["tests"], element.attrib["failures"]) == (str(len(found)), str(failures))
    return found


def test_junit(broken: Path, folder: Path) -> None:
    (folder / "specs" / "odd.yaml").write_text(ODD)
    found = cases("specs")
    assert list(found) == [f"specs/{name}.yaml" for name in ("broken", "methods/fast", "odd", "tiny")]
    failure = found["specs/broken.yaml"].find("failure")
    assert failure.attrib == {"message": "3 errors", "type": "RS204"}
    assert failure.text == rnnspec("validate", "specs/broken.yaml").out.rstrip("\n")
    assert len(found["specs/tiny.yaml"]) == 0
    assert "warning[RS216]" in found["specs/odd.yaml"].find("system-out").text
    assert cases("specs", "--strict")["specs/odd.yaml"].find("failure").attrib["message"] == "1 error"


def test_junit_of_any_text(folder: Path) -> None:
    name = 'specs/<&"\n\x1b\udcff>.yaml'
    (found,) = cases(name)
    assert found == name.replace("\x1b", "\ufffd").replace("\udcff", "\ufffd")


# --- GitHub Actions ----------------------------------------------------------------------------------


def test_actions_are_noticed(broken: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = rnnspec("validate", "specs").out
    annotations = rnnspec("validate", "specs", "--format", "github").out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    answer = rnnspec("validate", "specs")
    assert (answer.code, answer.err) == (1, "3 errors in 1 of 3 specs\n")
    stop, token = answer.out.splitlines()[0].split("::")[1:]
    assert stop == "stop-commands"
    assert answer.out == f"::stop-commands::{token}\n{text}::{token}::\n{annotations}"
    assert rnnspec("validate", "specs").out.splitlines()[0] != answer.out.splitlines()[0]
    assert annotations.splitlines()[0] == (
        "::error file=specs/broken.yaml,line=4,col=41,endLine=4,endColumn=49,title=RS204::"
        "'stimulsu' is not an epoch of this task%0Aexpected one of: stimulus, response, trial"
        "%0Ahelp: did you mean 'stimulus'?"
    )
    assert rnnspec("validate", "specs", "--format", "text").out == text
    assert rnnspec("validate", "specs/tiny.yaml").out == ""


def test_annotations_name_files_as_the_repository_does(
    broken: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    monkeypatch.chdir(folder / "specs")
    assert "file=specs/broken.yaml," in rnnspec("validate", "broken.yaml", "--format", "github").out
    assert "file=specs/broken.yaml," in rnnspec("validate", broken, "--format", "github").out
    out = rnnspec("validate", "tiny.yaml", "--set", "training.networks=0", "--format", "github").out
    assert out.startswith("::error title=RS013::--set: 'networks' is 0%0A")


def test_the_job_summary(broken: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = folder / "summary.md"
    summary.write_text("before\n")
    for name, value in {
        "ACTIONS": "true",
        "STEP_SUMMARY": str(summary),
        "WORKSPACE": str(folder),
        "SERVER_URL": "https://github.com",
        "REPOSITORY": "lab/models",
        "SHA": "abc123",
    }.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    rnnspec("validate", "specs")
    written = summary.read_text(encoding="utf-8")
    assert written.startswith("before\n**rnnspec**: 3 errors in 1 of 3 specs\n\n<pre>")
    link = (
        '<a href="https://github.com/lab/models/blob/abc123/specs/broken.yaml#L4">specs/broken.yaml:4:41</a>'
    )
    assert f"<pre>{link}: error[RS204] 'stimulsu' is not" in written
    shown = re.sub("<.*?>", "", written.split("\n\n", 1)[1]).replace("&gt;", ">").strip()
    assert shown == rnnspec("validate", "specs", "--format", "text").out.strip()
    rnnspec("validate", "specs/tiny.yaml")
    assert summary.read_text(encoding="utf-8").endswith("**rnnspec**: 1 spec is fine\n\n")


def test_a_summary_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder))
    answer = rnnspec("validate", "specs/tiny.yaml")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "The job summary could not be written: Is a directory.\n1 spec is fine\n"


def test_text_of_a_spec_is_neither_markup_nor_a_command() -> None:
    source = Source("x.yaml", "<b>::error::")
    span = Span(source, 1, 1, 1, 2)
    problem = Diagnostic("RS010", "error", "<script> 100%\n::debug::", span)
    report = Report((CheckedSpec("x.yaml", (problem,)),))
    assert github.render(report).endswith("::<script> 100%25%0A::debug::")
    assert "&lt;script&gt; 100%" in github.summary(report, "1 < 2")
    assert "<b>" not in github.summary(report, "1 < 2")
    many = [Diagnostic("RS010", "error", f"{i} {'x' * 1000}", span) for i in range(1000)]
    summary = github.summary(Report((CheckedSpec("x.yaml", tuple(many)),)), "")
    assert len(summary) < 1 << 20
    assert summary.endswith(f"and {1000 - summary.count('<pre>')} problems more, in the log\n\n")
