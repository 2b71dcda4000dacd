"""The headers of every answer, errors included."""

import uuid

import pytest

from tests.support.apps import another_app
from tests.support.contract import operations


@pytest.mark.parametrize("path", ["/loads", "/nowhere", "/healthz", "/docs", "/docs/page.js"])
def test_every_answer_has_the_security_headers_and_a_request_id(client, path):
    with client.get(path, headers={"X-Request-ID": "mine"}) as answer:
        assert answer.status_code == (404 if path == "/nowhere" else 200)
        for name, value in {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "X-Request-ID": "mine",
        }.items():
            assert answer.headers.getlist(name) == [value]
        (policy,) = answer.headers.getlist("Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


def test_a_valid_request_id_is_echoed_and_any_other_replaced(anonymous):
    for given in ("1", "a" * 128, "a.b_c:d/e+f=g-h"):
        answer = anonymous.get("/healthz", headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] == given
    made = set()
    for given in ("", "a" * 129, "a b", "<script>", 'a"b', "a%0d%0ab", "\xe9"):
        answer = anonymous.get("/healthz", headers={"X-Request-ID": given})
        made.add(uuid.UUID(answer.headers["X-Request-ID"]))
    assert len(made) == 7


def test_scripts_of_other_origins_may_read_every_documented_header(settings):
    origin = "https://dispatch.example"
    documented = {header for operation in operations() for header in operation.response_headers}
    with another_app(settings, CORS_ORIGINS=origin) as app:
        client = app.test_client()
        answer = client.get("/healthz", headers={"Origin": origin})
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert {"Content-Disposition", "Link", "Location", "Retry-After"} <= documented
    assert documented | {"X-Request-ID"} <= exposed
