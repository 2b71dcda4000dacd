"""The examples of docs/api.md succeed repeatedly, and are answered as shown."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from billor.api.fields import wire_name
from billor.events.event import EventType
from scripts.launcher.launcher import PROJECT
from scripts.payloads import PAYLOADS
from tests.support.system import Api

RUN_SECONDS = 120
MARK = "--- next example ---"
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ASKS_THE_API = re.compile(r"(?<!/)\b(curl|billor) ")
VARYING = re.compile(r'[^\s",/]*[\d…][^\s",/]*')
"""Ids, times and ETags: words with a digit, and ellipses."""


@dataclass
class Answer:
    """An answer as `curl -i` prints it."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Example:
    """A block of commands; the shown answers are those of its last requests."""

    commands: str
    shown: list[Answer] = field(default_factory=list)


def read_examples(page: Path) -> list[Example]:
    """The examples that call the API, in the order of the page."""
    examples: list[Example] = []
    for language, text in FENCED.findall(page.read_text()):
        if language == "sh" and ASKS_THE_API.search(text):
            examples.append(Example(text))
        elif language == "http":
            examples[-1].shown += read_answers(text)
    return examples


def read_answers(text: str) -> list[Answer]:
    answers = []
    for part in re.split(r"^(?=HTTP/1\.1 )", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n\n")
        first, *lines = head.splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        answers.append(Answer(int(first.split()[1]), headers, body.strip()))
    return answers


PAGE = PROJECT / "docs" / "api.md"


@pytest.fixture
def api(seeded_system) -> Api:
    seeded_system.start_worker()
    return seeded_system.start_api(workers=1)


def test_every_example_succeeds_repeatedly_and_is_answered_as_shown(api, tmp_path):
    examples = read_examples(PAGE)
    assert len(examples) > 20
    for _ in range(2):
        for example, output in zip(examples, run(examples, api, tmp_path), strict=True):
            assert_answered_as_shown(example, read_answers(output))


def run(examples: list[Example], api: Api, folder: Path) -> list[str]:
    """Run a page's commands in one shell; return the output of each example."""
    commands = "".join(f"echo '{MARK}'\n{example.commands}" for example in examples)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace(":8000", f":{api.client.port}")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.split(f"{MARK}\n")[1:]


def assert_answered_as_shown(example: Example, answers: list[Answer]) -> None:
    """Check the answers; one that is not shown must be a success."""
    shown = [None] * (len(answers) - len(example.shown)) + example.shown
    for answer, expected in zip(answers, shown, strict=True):
        if expected is None:
            assert answer.status < 400, (example.commands, answer)
            continue
        assert answer.status == expected.status, (example.commands, answer)
        assert is_like(answer.headers, expected.headers | {"…": "…"}), (expected, answer)
        actual, wanted = contents(answer), contents(expected)
        if expected.headers.get("Content-Type") == "text/event-stream":
            actual = actual[: len(wanted)]  # a change may follow at once
        assert is_like(actual, wanted), (expected, answer)


def contents(answer: Answer) -> Any:
    """The decoded JSON of the body, or its lines."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body.splitlines()


def is_like(actual: Any, shown: Any) -> bool:
    """Whether a value is as shown, except for ids and varying parts of texts."""
    if shown == "…":
        return True
    if type(actual) is not type(shown):
        return False
    match shown:
        case dict():
            return has_fields_like(actual, shown)
        case list():
            return len(actual) == len(shown) and all(map(is_like, actual, shown))
        case str():
            return VARYING.sub("…", actual) == VARYING.sub("…", shown)
        case _:
            return actual == shown


def has_fields_like(actual: dict[str, Any], shown: dict[str, Any]) -> bool:
    """An ellipsis as a name stands for fields that are not shown."""
    names = shown.keys() - {"…"}
    if not (names < actual.keys() if "…" in shown else names == actual.keys()):
        return False
    return all(
        type(actual[name]) is type(shown[name])
        if name.lower().endswith("id")
        else is_like(actual[name], shown[name])
        for name in names
    )


def test_every_type_of_event_is_documented():
    table = "".join(
        f"| `{type_}` | `{type_.name}` | {', '.join(map(wire_name, PAYLOADS[type_]))} |\n"
        for type_ in EventType
    )
    assert table in PAGE.read_text()
