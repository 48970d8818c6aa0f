"""The house keeps its rules: imports run one way, light parts stay light, every command explains itself."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlberg
from sqlberg.ui.cli import app
from sqlberg.ui.exits import MEANINGS
from typer.main import get_command
from typer.testing import CliRunner

ROOT = Path(sqlberg.__file__).parent

# What each folder may import of the others: ui → training → agents → models, tools.
BELOW: dict[str, set[str]] = {
    "tools": set(),
    "models": set(),
    "agents": {"models", "tools"},
    "training": {"agents", "models", "tools"},
    "ui": {"training", "agents", "models", "tools"},
}
SOURCES = [path for folder in BELOW for path in sorted((ROOT / folder).rglob("*.py"))]
HEAVY = (
    "torch",
    "transformers",
    "duckdb",
    "pandas",
    "pyarrow",
    "langgraph",
    "langchain_core",
    "sqlglot",
    "gradio",
)
ADAPTERS = "list activate rollback load unload merge export".split()
COMMANDS = [
    *"ask inspect replay evaluate models synthesize fit improve candidates annotate train select".split(),
    *"rollback train-embedded serve sizing chat mcp".split(),
    *(f"adapters {name}" for name in ADAPTERS),
]


def imported_folders(source: str, package: str) -> Iterator[tuple[int, str]]:
    """(line, folder of sqlberg) of every import in a file of `package`, those inside functions included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            home = importlib.util.resolve_name(origin, package) if node.level else origin
            names = [f"{home}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "sqlberg" and len(parts) > 1 and parts[1] in BELOW:
                yield node.lineno, parts[1]


def upward_imports(source: str, package: str) -> list[str]:
    home = package.split(".")[1]
    allowed = BELOW[home] | {home}
    return [
        f"line {line}: {home} imports {folder}"
        for line, folder in imported_folders(source, package)
        if folder not in allowed
    ]


def test_no_file_imports_upward() -> None:
    found = {
        str(path.relative_to(ROOT)): upward_imports(
            path.read_text(encoding="utf-8"), ".".join(["sqlberg", *path.relative_to(ROOT).parent.parts])
        )
        for path in SOURCES
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from ..agents.answer import Answer",
        "from .. import ui",
        "import sqlberg.training.report",
        "def late():\n    from sqlberg.models.references import load_chat_model",
    ],
)
def test_the_import_check_notices_every_way_to_import_upward(source: str) -> None:
    assert upward_imports(source, "sqlberg.tools")


def test_every_file_opens_by_saying_what_it_does() -> None:
    docstrings = {path: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert [str(path) for path, text in docstrings.items() if len(text or "") < 20] == []


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `code`."""
    script = (
        f"{code}\nimport sys\nprint('\\n' + ' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_sqlberg_loads_nothing_heavy() -> None:
    assert not loaded_by("import sqlberg") & {*HEAVY, "pydantic", "rich", "typer"}


def test_help_loads_nothing_heavy() -> None:
    pages = [["--help"], *([*command.split(), "--help"] for command in COMMANDS)]
    code = (
        f"from sqlberg.ui.cli import app\nfor page in {pages!r}:\n"
        "    try:\n        app(page)\n    except SystemExit:\n        pass"
    )
    assert not loaded_by(code) & set(HEAVY)


def test_the_commands_are_those_promised() -> None:
    assert sorted(get_command(app).commands) == sorted({name.split()[0] for name in COMMANDS})  # type: ignore[attr-defined]
    group = command_of("adapters")
    assert sorted(group.commands) == sorted(name.split()[1] for name in COMMANDS if " " in name)


def command_of(path: str) -> Any:
    """A command, or one of a group of commands."""
    found: Any = get_command(app)
    for name in path.split():
        found = found.commands[name]
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"]).output
    assert f"sqlberg {command}" in shown.partition("Examples:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(command: str) -> None:
    parameters = command_of(command).params
    assert [parameter.name for parameter in parameters if not getattr(parameter, "help", None)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_print_json(command: str) -> None:
    parameters = command_of(command).params
    assert any("--json" in parameter.opts for parameter in parameters)


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(sqlberg, name) for name in sqlberg.__all__)
    assert sorted(sqlberg._HOMES) == sorted(sqlberg.__all__)


def test_every_package_of_the_repository_is_packaged() -> None:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("sqlberg is installed without its repository")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packaged = set(project["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in SOURCES}
    found = {"sqlberg." + ".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert found == packaged - {"sqlberg"}


@pytest.fixture
def readme_tables(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = repository / "benchmarks" / "readme.py"
    monkeypatch.syspath_prepend(path.parent)  # as when it is run
    spec = importlib.util.spec_from_file_location("readme_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_readme_are_those_of_the_results(repository: Path, readme_tables: Any) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert readme_tables.rendered(text) == text, "run: python benchmarks/readme.py"


def test_every_table_has_its_place_in_the_readme(repository: Path, readme_tables: Any) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert [name for name in readme_tables.TABLES if f"<!-- table:{name} -->" not in text] == []


def test_the_readme_begins_with_its_two_commands(repository: Path) -> None:
    commands = (repository / "README.md").read_text(encoding="utf-8").split("```\n")[1::2][:2]
    assert commands[0] == "pip install '.[chat]' && sqlberg chat\n"
    assert commands[1] == "pip install '.[test]' && pytest\n"


def test_the_readme_tells_every_exit_code(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert [code for code in MEANINGS if f"| {code.value} | " not in text] == []


def test_the_readme_names_every_command(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert [command for command in COMMANDS if f"sqlberg {command}" not in text] == []
