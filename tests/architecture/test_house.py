"""The house's rules that no tool checks by itself."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config.requirements import Requirement, Result, read_table, report
from tests.bed.requirement_marks import refuse_unknown

ROOT = Path(settings.ROOT)
APPS = ("automations", "backoffice", "config", "finance", "inventory", "orders", "support")
LONGEST_MODULE = 400
LONGEST_FUNCTION = 40
BANNED_FOLDERS = {"common", "core", "helpers", "lib", "misc", "shared", "util", "utils"}
INDEX = re.compile(r"https?://[^\s\"'>)]*(?:pypi|pythonhosted|npmjs|/simple\b)", re.IGNORECASE)
# `{% include "orders/_lines.html" %}`, `extends`, `render(request, "orders/_lines.html")`.
# An f-string's `{kind}` stands for any word.
TEMPLATE_NAME = re.compile(r"[\"']([\w/{}.-]+\.html)(?:#[\w-]+)?[\"']")
# Django asks for these by name.
KNOWN_BY_NAME = ("registration/*", "admin/*", "400.html", "403.html", "403_csrf.html", "404.html")


def own_files() -> list[Path]:
    """Every file that is committed or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.decode().strip("\0").split("\0")
        return [path for name in names if (path := ROOT / name).is_file()]
    # An exported tree, or one that git won't read because another user owns it.
    ours = (path for path in ROOT.rglob("*") if path.is_file())
    left_out = {".git", ".venv", "var", "__pycache__"}
    return [path for path in ours if not left_out & set(path.relative_to(ROOT).parts)]


def python_files() -> list[Path]:
    return [path for path in own_files() if path.suffix == ".py" and "migrations" not in path.parts]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    long = {
        name(path): lines
        for path in python_files()
        if (lines := len(path.read_text().splitlines())) > LONGEST_MODULE
    }
    assert not long


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its signature and its docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1


def test_no_function_is_longer_than_forty_lines() -> None:
    long = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in python_files()
        if path.relative_to(ROOT).parts[0] != "tests"
        for node in functions(path)
        if body_length(node) > LONGEST_FUNCTION
    ]
    assert not long


def test_no_folder_or_module_is_a_drawer_for_everything() -> None:
    drawers = {
        name(path)
        for path in python_files()
        if {*path.relative_to(ROOT).parts[:-1], path.stem} & BANNED_FOLDERS
    }
    assert not drawers


def test_every_template_is_used() -> None:
    templates = ROOT / "templates"
    used = {*KNOWN_BY_NAME, "500.html"}
    for path in own_files():
        if path.suffix in {".html", ".py"} and "tests" not in path.relative_to(ROOT).parts:
            named = TEMPLATE_NAME.findall(path.read_text())
            used |= {re.sub(r"\{[^}]*\}", "*", each) for each in named}
    found = {str(path.relative_to(templates)) for path in templates.rglob("*.html")}
    assert not {each for each in found if not any(fnmatch(each, pattern) for pattern in used)}


def test_no_committed_file_names_a_package_index() -> None:
    naming = []
    for path in own_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        naming += [f"{name(path)}: {found}" for found in INDEX.findall(text)]
    assert not naming


def test_every_module_of_an_app_stands_on_a_floor() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layered = [each for each in tool["contracts"] if each["type"] == "layers"]
    floors = [each for each in layered if "containers" not in each]
    assert {app for each in floors for app in each["layers"]} == set(APPS)
    inside = [each for each in layered if "containers" in each]
    assert all(each["exhaustive"] for each in inside)
    covered = {app for each in inside for app in each["containers"]}
    assert covered == set(APPS) - {"backoffice", "config"}
    assert not [module for each in inside for module in without_a_floor(each)]


def without_a_floor(contract: dict[str, Any]) -> list[str]:
    """Top-level modules of a contract's apps that none of its layers names."""
    known = set(re.findall(r"\w+", " ".join(contract["layers"])))
    known |= {"__init__", *contract["exhaustive_ignores"]}
    found = []
    for app in contract["containers"]:
        modules = [path for path in (ROOT / app).iterdir() if path.suffix in {".py", ""}]
        named = [path for path in modules if path.stem.isidentifier()]
        found += [
            f"{app}.{path.stem}" for path in named if path.stem not in known | {"__pycache__"}
        ]
    return found


def test_a_mark_that_names_no_requirement_is_refused() -> None:
    known = set(read_table())
    assert len(known) == 160
    refuse_unknown("a test", ("R1", "R160"), known)
    with pytest.raises(pytest.UsageError, match="R161"):
        refuse_unknown("a test", ("R161",), known)
    with pytest.raises(pytest.UsageError, match="nothing"):
        refuse_unknown("a test", (), known)


def test_a_requirement_is_proven_by_passing_tests_alone() -> None:
    table = {
        key: Requirement(key, "Rules", "automations", "", "core") for key in ("R1", "R2", "R3")
    }
    results = [
        Result("tests/a.py::one", ("R1", "R2"), "passed"),
        Result("tests/a.py::two", ("R2",), "failed"),
    ]
    lines = report(table, results)
    assert [line[:12] for line in lines if line.startswith("R")] == [
        "R1    proven",
        "R2    BROKEN",
        "R3    -     ",
    ]
    assert lines[-1].strip() == "1 of 3 rows proven (3 of them core)."
