"""Promise 13 with a mail server: nobody misses a mail, or gets one twice within an hour."""

from collections import Counter

import pytest

from tests.support.databases import run_sql
from tests.support.holds import Hold
from tests.support.mail import Mailbox
from tests.support.system import CONVERGE_SECONDS
from tests.support.worker import wait_until

pytestmark = pytest.mark.slow

SENT = "SET sent_at=clock_timestamp()"
DRIVERS = 30


def test_sigkill_between_sending_and_marking_loses_no_mail_and_doubles_none_in_an_hour(system):
    unsent = "SELECT 1 FROM notifications WHERE sent_at IS NULL"
    api = system.start_api()
    system.start_worker("relay")
    with Mailbox() as mailbox:
        hold = Hold(system.folder, "holding", SENT)
        holding = system.start_worker("consumer", module=hold.module, NOTIFY_EMAIL_URL=mailbox.url)
        system.start_worker("consumer", NOTIFY_EMAIL_URL=mailbox.url)
        for number in range(DRIVERS):
            email = f"driver-{number}@carrier.example"
            driver = api.client.make_driver(f"TX-{number}", email=email)
            assert api.client.assign(driver, api.client.make_load()).status == 201
        hold.wait()
        wait_until(lambda: len(mailbox.mails) == DRIVERS, CONVERGE_SECONDS)
        wait_until(lambda: len(run_sql(system.app, unsent)) == 1, CONVERGE_SECONDS)
        holding.kill()
        assert set(Counter(to for to, _, _ in mailbox.mails).values()) == {1}

        hour = "UPDATE notifications SET due_at = due_at - interval '1 hour'"
        run_sql(system.app, hour)
        wait_until(lambda: not run_sql(system.app, unsent), CONVERGE_SECONDS)
        assert len(mailbox.mails) == DRIVERS + 1, "the one whose outcome was unknown"
    events = system.assert_converges().values()
    assert [each["type"] for each in events].count("NOTIFICATION_SENT") == DRIVERS
    assert "@carrier.example" not in system.logs
