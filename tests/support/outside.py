"""A mail server and a receiver of webhooks as programs that faults can kill.

The arguments are `mail` or `hooks`, a port, a file, and the secret that verifies signatures. What
they got is a line of the file before they answer. Sometimes they fail by themselves.
"""

import asyncio
import random
import signal
import sys
import time
from typing import Any

from standardwebhooks import Webhook

from tests.support.mail import Mailbox
from tests.support.receiver import receiving, status

SLOW_MAIL_SECONDS, SLOW_HOOK_SECONDS = 40, 12  # longer than Billor waits
NAME, PORT, FILE, SECRET = sys.argv[1:]


def fails(chance: float) -> bool:
    return random.random() < chance  # noqa: S311 - not for secrets


def keep(line: str) -> None:
    with open(FILE, "a") as file:
        file.write(f"{line}\n")


class KeepingMailbox(Mailbox):
    async def handle_DATA(self, *arguments: Any) -> str:  # noqa: N802
        self.is_dropping = fails(0.02)
        answer = await super().handle_DATA(*arguments)
        keep("\t".join(self.mails.pop()[:2]))
        if fails(0.01):
            await asyncio.sleep(SLOW_MAIL_SECONDS)
        return answer


def receive(handler: Any) -> None:
    if fails(0.01):
        time.sleep(SLOW_HOOK_SECONDS)
    if fails(0.05):
        return status(500)(handler)
    headers, body = handler.got
    keep(Webhook(SECRET).verify(body, headers)["data"]["id"])
    return status(204)(handler)


with KeepingMailbox(int(PORT)) if NAME == "mail" else receiving(receive, int(PORT)):
    signal.pause()
