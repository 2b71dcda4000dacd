"""An SMTP server that keeps its mails, and fails as real ones do."""

from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from flask import Flask

from billor.models import Channel
from billor.worker import notify
from scripts.launcher.processes import free_port

NOBODY = "nobody@carrier.example"


def url_of(port: int) -> str:
    """For NOTIFY_EMAIL_URL."""
    return f"mailto://127.0.0.1:{port}/?from=billor@carrier.example&to={{address}}"


def mail_to(url: str, app: Flask, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """Have this app send mails there, and at once."""
    config = replace(app.config["BILLOR"], notify_email_url=url, **settings)
    monkeypatch.setitem(app.config, "BILLOR", config)
    monkeypatch.setattr(notify, "UNDO_SECONDS", 0)
    notify.connect_services(config)


def send_due() -> None:
    """Notify of all that has happened, and send what is due."""
    sent = 1
    while sent:
        notify.notify_drivers()
        sent = sum(map(notify.send_next, Channel))


class Mailbox(Controller):
    """Refuses mails to `NOBODY`; while `is_dropping`, takes mails and never says so."""

    def __init__(self, port: int | None = None):
        self.mails: list[tuple[str, str, str]] = []
        """Of each its recipient, its subject and its text."""
        self.is_dropping = False
        super().__init__(self, hostname="127.0.0.1", port=port or free_port())
        self.url = url_of(self.port)

    def __enter__(self) -> "Mailbox":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        if address == NOBODY:
            return f"550 5.1.1 <{address}>: no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        text = "\n".join(mail.get_body(["plain"]).get_content().splitlines())
        self.mails.append((envelope.rcpt_tos[0], mail["subject"], text))
        if self.is_dropping:
            server.transport.abort()
        return "250 OK"
