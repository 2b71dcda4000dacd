"""Checks of answers: problem documents, and the pages of lists."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.test import TestResponse

from tests.support.client import ApiClient

WHAT_TO_DO = re.compile(
    r"\b(add|ask|cancel|check|choose|close|complete|get|leave|log in|make|put|report|save|see|send"
    r"|split|tell|try|use|wait)\b",
    re.IGNORECASE,
)
INSIDES = re.compile(
    r"hidden|select |psycopg|sqlalchemy|postgres|traceback|werkzeug|flask|sqlite|\.py|127\.0\.0",
    re.IGNORECASE,
)
TITLES = {413: "Content Too Large", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""Titles of RFC 9110; Python before 3.13 has older ones."""


def assert_problem(answer: TestResponse, status: int, code: str) -> dict:
    """Check that an answer is a problem document that says what to do; return it."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    problem = answer.json
    # Other members, like `errors`, are optional.
    common = {name: problem[name] for name in ("type", "title", "status", "detail", "code")}
    assert common == {
        "type": f"/docs/problems/{code}",
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": problem["detail"],
        "code": code,
    }
    assert WHAT_TO_DO.search(problem["detail"]), problem["detail"]
    assert not INSIDES.search(answer.text)
    assert ("errors" in problem) == (code == "validation_failed")
    for messages in problem.get("errors", {}).values():
        assert messages
        assert all(isinstance(message, str) for message in messages)
    return problem


def assert_invalid(answer: TestResponse, *fields: str) -> None:
    """Check that an answer is a 422 that names just these fields."""
    problem = assert_problem(answer, 422, "validation_failed")
    assert set(problem["errors"]) == set(fields), problem


def next_page(answer: TestResponse) -> str | None:
    """The address in the `Link` header, if there is one."""
    if "Link" not in answer.headers:
        return None
    return re.fullmatch(r'<(http://localhost/[^>]+)>; rel="next"', answer.headers["Link"])[1]


def pages(client: ApiClient, address: str | None) -> Iterator[list[dict]]:
    """The page at this address and all after it, requested lazily."""
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        yield answer.json
        address = next_page(answer)


def in_events(driver: Mapping[str, Any]) -> dict[str, Any]:
    """A driver as events of loads have it."""
    papers = {"licenseExpiresOn", "medicalExpiresOn"}
    private = papers | {"email", "notes", "notifyBy", "language"}
    return {name: value for name, value in driver.items() if name not in private}


def in_lists(load: Mapping[str, Any]) -> dict[str, Any]:
    """What lists show of a load: no notes, contacts and phone numbers."""
    return {name: load[name] for name in load if not re.search("Contact|Phone|notes", name)}
