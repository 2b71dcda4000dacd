"""The board's dictionaries: all that is said is in each of them, and nothing else."""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest

import billor
from billor.errors import CODES
from billor.events.event import EventType

BILLOR = Path(billor.__file__).parent
DICTIONARIES = sorted((BILLOR / "board/words").glob("*.json"))
COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
JS = BILLOR / "board/js"
SCRIPTS = {
    path.relative_to(JS).as_posix(): COMMENT.sub("", path.read_text()) for path in JS.rglob("*.js")
}
SAID = re.compile(r'\bt\(\s*"([^"]*)"')
OTHERWISE = re.compile(r'\bt\((?!\s*")\w*|toLocaleString\(\)')
LITERAL = re.compile(r'"[^"\n]*"|`[^`\n]*`')
LOOKS_SAID = re.compile(r'["`]\W*[A-Z][a-z]|… [a-z]{4}')
COLUMN = re.compile(r"(?:^ +|\{ )[A-Z][a-z]+: (?:\(|\w+\().*", re.MULTILINE)
NOT_SAID = re.compile(
    r"[\"`]\W*(Authorization|Bearer|Content-Type|Date|Idempotency-Key|If-Match|Last-Event-ID|Link"
    r"|Shown|Arrow(Up|Down)|Enter|Escape|Tab|Billor|English|Español|Português|Undo)\b"
)
"""Headers, keys, names, and the reason of an undo, which the API keeps."""
PART = re.compile(r"\{\w+\}|\$\d")
OF_PROGRAMS = re.compile(
    r"(malformed|untrusted|token|method|idempotency|uri|expectation|headers|streams|api_key|event"
    "|range|webhook|delivery|push)_|not_found|not_implemented|too_many_(requests|webhooks)"
)
"""Codes that nobody meets who uses the board, by their beginnings."""


def said() -> set[str]:
    return {sentence for script in SCRIPTS.values() for sentence in SAID.findall(script)}


def literals() -> list[str]:
    """What looks like a text beside what is said, also as the name of a column."""
    found = []
    for path, script in SCRIPTS.items():
        rest = SAID.sub("", script)
        texts = [re.sub(r"\$\{[^}]*\}", "…", text) for text in LITERAL.findall(rest)]
        texts = [text for text in texts if LOOKS_SAID.search(text) and not NOT_SAID.match(text)]
        found += [f"{path}: {text}" for text in (*texts, *COLUMN.findall(rest))]
    return found


def messages_of_the_api() -> set[str]:
    nodes = (
        node for path in BILLOR.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))
    )
    return {node.value for node in nodes if isinstance(node, ast.Constant)}


@pytest.mark.parametrize("path", DICTIONARIES, ids=lambda path: path.stem)
def test_a_dictionary_has_all_that_is_said_with_the_same_parts(path):
    words = json.loads(path.read_text())
    assert said() - words.keys() == set()
    assert words.keys() - said() - messages_of_the_api() == set()
    different = {
        sentence: other
        for sentence, other in words.items()
        if Counter(PART.findall(sentence)) != Counter(PART.findall(other)) or not other.strip()
    }
    assert different == {}
    in_words = set(re.findall(r"^  (\w+): t\(", SCRIPTS["api/words.js"], re.MULTILINE))
    details = {code: detail for code, (_, detail) in CODES.items() if not OF_PROGRAMS.match(code)}
    assert {code for code in details if details[code] not in words} - in_words == set()


def test_what_happened_is_said_of_each_type_of_event():
    names = re.findall(r"^  ([A-Z_]+): t\(", SCRIPTS["views/what_happened.js"], re.MULTILINE)
    assert {each.name for each in EventType} - set(names) == set()


def test_all_that_is_said_is_in_dictionaries_and_in_the_users_format():
    assert literals() == []
    said_otherwise = {
        path: found for path, script in SCRIPTS.items() if (found := OTHERWISE.findall(script))
    }
    assert said_otherwise == {
        "api/words.js": ["t(message"],
        "ui/words.js": ["t(sentence"],
        "views/papers.js": ["t(isOver"],
        "views/what_happened.js": ["t(sentence"],
    }
