"""README and docs are true: names are compared with the code; test_launcher runs the commands."""

import re

import click
import pytest
from flask.cli import FlaskGroup, ScriptInfo

from billor.config import SETTINGS
from scripts.launcher.launcher import PROJECT

README = (PROJECT / "README.md").read_text()
OPERATIONS = (PROJECT / "docs" / "operations.md").read_text()
GUARANTEES = PROJECT / "docs" / "guarantees.md"
PAGES = [*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md"), PROJECT / "tests/README.md"]
# Read before the settings themselves are.
ALSO_SETTINGS = {"JWT_SECRET_KEY_FILE", "PUSH_PRIVATE_KEY_FILE"}


def test_every_flask_command_in_the_docs_exists(app):
    named = re.findall(r"\bflask ([a-z-]+)(?: ([a-z-]+)\b)?", README + OPERATIONS)
    assert len(named) > 10
    flask = FlaskGroup()
    with click.Context(flask, obj=ScriptInfo(create_app=lambda: app)) as context:
        for name, subcommand in named:
            command = flask.get_command(context, name)
            assert command, name
            if isinstance(command, click.Group):
                assert command.get_command(context, subcommand), subcommand


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_file_and_make_target_exists(page):
    text = page.read_text().replace("trucks", "drivers")  # the example of a new resource
    for path in re.findall(r"`((?:billor|tests|docs|deploy|scripts)/[\w./]+)`", text):
        assert (PROJECT / path).exists(), path
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in target or (page.parent / target).exists(), target
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= targets


def test_every_promise_names_a_test_that_exists():
    rows = re.findall(
        r"^\| (\d+) \| .* \| \[.*\]\((.*)\) `(.*)` \|$", GUARANTEES.read_text(), re.MULTILINE
    )
    assert [int(number) for number, *_ in rows] == list(range(1, len(rows) + 1))
    for _, file, test in rows:
        assert f"\ndef {test}(" in (GUARANTEES.parent / file).read_text(), test


def test_every_setting_is_documented():
    section = OPERATIONS.split("## Settings\n", 1)[1].split("\n## ", 1)[0]
    names = re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE)
    assert sorted(names) == sorted({*SETTINGS, *ALSO_SETTINGS})


def test_every_setting_of_the_readme_the_example_file_and_compose_exists():
    known = set(SETTINGS) | ALSO_SETTINGS
    containers = {"POSTGRES_PASSWORD", "COUCHDB_PASSWORD"}
    assert set(re.findall(r"^- `([A-Z_]+)`:", README, re.MULTILINE)) <= known
    example = (PROJECT / ".env.example").read_text()
    assert not re.findall(r"^[A-Z]", example, re.MULTILINE), "as it stands it changes nothing"
    assert set(re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE)) <= known | containers
    compose = (PROJECT / "docker-compose.yml").read_text()
    settings = compose.split("&settings\n", 1)[1].split("  volumes:", 1)[0]
    of_others = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}  # read by obstore
    assert set(re.findall(r"^    ([A-Z_]+):", settings, re.MULTILINE)) <= known | of_others
    assert set(re.findall(r"\$\{([A-Z_]+)", compose)) <= known | containers
