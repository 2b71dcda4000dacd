"""The runbook: each alert has an entry, and each entry a test or a drill that exists."""

import re

import pytest

from billor.embedded.launcher import PROJECT

RUNBOOK = PROJECT / "docs" / "runbook.md"
PARTS = re.split(r"^##? (.+)\n", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
ENTRIES = {
    heading.lower().replace(" ", "-"): text
    for heading, text in zip(PARTS[::2], PARTS[1::2], strict=True)
    if heading not in ("Runbook", "Drills")
}
ALERTS = sorted((PROJECT / "deploy" / "prometheus").glob("*.yml"))
LINKED_TEST = re.compile(r"\[\w+\.py\]\((\S+)\)((?:[\s,]|and|`test_\w+`)+)")


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_names_a_rehearsal_that_exists(entry):
    linked = LINKED_TEST.findall(ENTRIES[entry].split("Rehearsed by", 1)[1])
    assert linked
    for file, tests in linked:
        names = re.findall(r"`(\w+)`", tests)
        assert names
        for name in names:
            assert f"\ndef {name}(" in (RUNBOOK.parent / file).read_text(), name


def test_every_alert_has_the_entry_that_it_names():
    for file in ALERTS:
        for anchor in re.findall(r"docs/runbook\.md#([a-z0-9-]+)", file.read_text()):
            assert anchor in ENTRIES, anchor
    named = re.findall(r"`Billor(\w+)`", RUNBOOK.read_text())
    assert len(named) == 12
    for name in named:
        words = re.findall("[A-Z][a-z]+", name)
        assert f"`Billor{name}`" in ENTRIES["-".join(words).lower()], name


def test_every_link_within_the_documentation_leads_to_a_heading():
    anchors = {*ENTRIES, "drills"}
    assert set(re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK.read_text())) <= anchors
    sources = [*(PROJECT / "billor" / "doctor").glob("*.py"), PROJECT / "README.md"]
    told = {
        anchor
        for file in sources
        for anchor in re.findall(r"docs/runbook\.md#([a-z-]+)", file.read_text())
    }
    assert len(told) > 3
    assert told <= anchors


def test_every_command_of_the_runbook_exists(app):
    named = set(re.findall(r"`?flask ([a-z-]+)", RUNBOOK.read_text())) - {"db"}
    assert len(named) > 5
    assert named <= set(app.cli.commands)
