"""The YAML language server that editors use, driven over its protocol (LSP 3.17, JSON-RPC on pipes)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

PACKAGE = "yaml-language-server"
VERSION = "1.25.0"
#: Seconds after which the server has failed: far more than any answer takes.
LIMIT = 120
SETTINGS = {
    "yaml": {
        "validate": True,
        "completion": True,
        "hover": True,
        "schemaStore": {"enable": False},
        "format": {"enable": False},
    },
    "http": {},
    "[yaml]": {},
    "editor": {},
    "files": {},
}


def install(cache: Path) -> Path:
    """Return the program of the server, which later sessions find installed; skip without npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    home = cache / f"{PACKAGE}-{VERSION}"
    program = home / "node_modules" / PACKAGE / "bin" / PACKAGE
    if not program.exists():
        # Renamed when complete: another process may install at the same time.
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            new = Path(folder, "new")
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(new)]
            done = subprocess.run(
                [*command, f"{PACKAGE}@{VERSION}"], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr.strip().splitlines()[-1]}")
            if not program.exists():
                shutil.rmtree(home, ignore_errors=True)
                os.rename(new, home)
    return program


class LanguageServer:
    """A running server.  Lines and characters count from 0, as in the protocol."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            ["node", str(program), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.number = self.documents = 0
        self.diagnostics: dict[str, list[Any]] = {}

    def __enter__(self) -> LanguageServer:
        text = {
            "completion": {"completionItem": {"snippetSupport": False, "documentationFormat": ["markdown"]}},
            "hover": {"contentFormat": ["markdown", "plaintext"]},
            "publishDiagnostics": {},
        }
        workspace = {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": False}}
        capabilities = {"textDocument": text, "workspace": workspace}
        self.ask("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities})
        self.tell("initialized", {})
        self.tell("workspace/didChangeConfiguration", {"settings": SETTINGS})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def open(self, folder: Path, text: str) -> tuple[str, list[Any]]:
        """Open a new document with this text in a folder; return its address and its diagnostics."""
        self.documents += 1
        uri = (folder / f"{self.documents}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        while uri not in self.diagnostics:
            self._read()
        return uri, self.diagnostics[uri]

    def hover(self, uri: str, line: int, character: int) -> str:
        found = self.ask("textDocument/hover", _at(uri, line, character))
        return str(found["contents"]["value"]) if found else ""

    def complete(self, uri: str, line: int, character: int) -> dict[str, str]:
        """Return the proposals at a place, each with its description."""
        found = self.ask("textDocument/completion", _at(uri, line, character))
        return {item["label"]: _text(item.get("documentation", "")) for item in found["items"]}

    def ask(self, method: str, parameters: Any) -> Any:
        self.number += 1
        self._write({"id": self.number, "method": method, "params": parameters})
        while True:
            message = self._read()
            if message.get("id") == self.number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def tell(self, method: str, parameters: Any) -> None:
        self._write({"method": method, "params": parameters})

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        """Read one message; keep diagnostics, and answer what the server asks."""
        assert self.process.stdout
        size = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        assert size, "the language server has ended"
        message: dict[str, Any] = json.loads(self.process.stdout.read(size))
        parameters = message.get("params") or {}
        if message.get("method") == "textDocument/publishDiagnostics":
            self.diagnostics[parameters["uri"]] = parameters["diagnostics"]
        elif "method" in message and "id" in message:
            wanted = parameters.get("items", []) if message["method"] == "workspace/configuration" else None
            answer = None if wanted is None else [SETTINGS.get(item["section"], {}) for item in wanted]
            self._write({"id": message["id"], "result": answer})
        return message


def _at(uri: str, line: int, character: int) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}


def _text(documentation: Any) -> str:
    return str(documentation["value"] if isinstance(documentation, dict) else documentation)
