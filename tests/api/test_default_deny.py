"""Every route requires a token except those listed here."""

import pytest
from werkzeug.routing import Rule

PUBLIC = {
    *("/auth/login", "/auth/refresh", "/auth/password-reset", "/auth/password-reset/confirm"),
    *("/docs", "/docs/<name>", "/docs/problems", "/docs/problems/<code>", "/openapi.json"),
    *("/", "/board", "/board/<version>/<name>", "/board/sw.js", "/healthz", "/readyz"),
}


def address_of(rule: Rule) -> str:
    known = {"name": "page.js", "code": "not_found"}
    values = {name: known.get(name, 1) for name in rule.arguments}
    _, address = rule.build(values)
    return address


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE"])
def test_every_route_but_the_public_ones_requires_a_token(app, anonymous, method):
    rules = [rule for rule in app.url_map.iter_rules() if method in rule.methods]
    answered = set()
    for rule in rules:
        with anonymous.request(method, address_of(rule)) as answer:
            if answer.status_code != 401:
                answered.add(rule.rule)
    assert answered == PUBLIC & {rule.rule for rule in rules}
