"""The README is true: its commands are run, its tables compared with the code."""

import json
import re
from collections.abc import Iterator

import click
import pytest
from flask.cli import FlaskGroup, ScriptInfo

from billor.config import SETTINGS
from billor.embedded.launcher import PROJECT
from tests.support.stranger import Stranger

README = (PROJECT / "README.md").read_text()
PAGES = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]
SHELL_BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
# Read before the settings themselves are.
ALSO_SETTINGS = {"JWT_SECRET_KEY_FILE"}


def table_cells(heading: str, column: int) -> list[str]:
    """A column of the table under a heading, without its title."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line[:1] == "|"]
    return [row[column].strip() for row in rows[2:]]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """A copy of the project in which the README's first command was run."""
    stranger = Stranger(tmp_path_factory.mktemp("readme"))
    assert SHELL_BLOCKS[0] == "make run\n"
    running = stranger.make_run()
    for line in re.search(r"```\n(  Billor is running.*?)```", README, re.DOTALL)[1].splitlines():
        assert line.replace("8000", str(stranger.port)) in running.output
    yield stranger
    running.press_ctrl_c()
    stranger.kill_all()


def test_every_example_succeeds_in_the_order_of_the_readme(stranger: Stranger):
    (preparation,) = [block for block in SHELL_BLOCKS if "TOKEN=" in block]
    examples = [
        cell.strip("`") for cell in table_cells("Use it", 1) if re.match("`(billor|curl) ", cell)
    ]
    assert len(examples) > 10
    # The audit trail is eventually consistent: wait for the worker.
    examples = [
        f"until {example} | grep _id; do sleep 0.1; done" if "/audit" in example else example
        for example in examples
    ]
    script = "\n".join(["set -e", preparation, *(f"echo; {example}" for example in examples)])
    status, output = stranger.run("bash", "-c", script.replace("8000", str(stranger.port)))
    assert status == 0, output
    (audit,) = [line for line in output.splitlines() if '"_id"' in line]
    assert '"type": "ASSIGNED"' in audit


def test_flasks_commands_work_from_a_second_terminal(stranger: Stranger):
    (block,) = [block for block in SHELL_BLOCKS if "flask seed" in block]
    status, output = stranger.run("bash", "-ec", block)
    assert status == 0, output
    assert re.search(r"0 users, 1\d drivers, 49\d loads created\.", output)
    assert re.search(r"^[\w-]+\.[\w-]+\.[\w-]+$", output, re.MULTILINE), "no token"
    assert "assignments.assign_load" in output


def test_every_flask_command_in_the_readme_exists(app):
    named = re.findall(r"\bflask ([a-z-]+)(?: ([a-z]+)\b)?", README)
    assert len(named) > 6
    flask = FlaskGroup()
    with click.Context(flask, obj=ScriptInfo(create_app=lambda: app)) as context:
        for name, subcommand in named:
            command = flask.get_command(context, name)
            assert command, name
            if isinstance(command, click.Group):
                assert command.get_command(context, subcommand), subcommand


def test_every_operation_is_in_the_readmes_table():
    paths = json.loads((PROJECT / "openapi.json").read_text())["paths"]
    operations = {
        f"{method.upper()} {re.sub('{[a-z_]+}', '{id}', path)}"
        for path, methods in paths.items()
        for method in methods
        if method in ("get", "post", "patch", "delete")
    }
    listed = re.findall("`(.+?)`", "".join(table_cells("Use it", 0)))
    assert set(listed) == operations | {"GET /docs", "GET /openapi.json"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_linked_file_exists(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_every_test_that_a_guarantee_names_exists():
    page = PROJECT / "docs" / "guarantees.md"
    rows = re.findall(r"^\| .* \| \[.*\]\((.*)\) `(.*)` \|$", page.read_text(), re.MULTILINE)
    assert len(rows) > 40
    for file, test in rows:
        assert f"\ndef {test}(" in (page.parent / file).read_text(), test


def test_every_make_target_in_the_readme_exists():
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", README)) <= targets


def test_every_setting_is_documented():
    names = [cell.strip("`") for cell in table_cells("Settings", 0)]
    assert sorted(names) == sorted({*SETTINGS, *ALSO_SETTINGS})


def test_every_setting_of_the_example_file_and_of_compose_exists():
    known = set(SETTINGS) | ALSO_SETTINGS
    containers = {"POSTGRES_PASSWORD", "COUCHDB_PASSWORD"}
    example = (PROJECT / ".env.example").read_text()
    assert not re.findall(r"^[A-Z]", example, re.MULTILINE), "as it stands it changes nothing"
    assert set(re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE)) <= known | containers
    compose = (PROJECT / "docker-compose.yml").read_text()
    settings = compose.split("&settings\n", 1)[1].split("  volumes:", 1)[0]
    assert set(re.findall(r"^    ([A-Z_]+):", settings, re.MULTILINE)) <= known
    assert set(re.findall(r"\$\{([A-Z_]+)", compose)) <= known | containers
