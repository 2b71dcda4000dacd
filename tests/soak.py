"""`make soak`: the whole system under load and random faults, and then a count.

Nothing may be lost or duplicated, no rule broken, and no request answered with 500. 503 is right
while PostgreSQL is away, and no answer when the process of the request was killed: these are only
counted.
"""

import argparse
import http.client
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask_jwt_extended import create_access_token
from redis import Redis
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from billor.changes.events import ORDER
from billor.events.event import WORK_TYPES
from billor.events.outbox import get_event
from billor.models import Document, Driver, LoadEvent, Notification, Role, WebhookDelivery, db
from billor.worker.notices import TO_DRIVERS, recipient_of, text_of
from scripts.launcher import services
from scripts.launcher.processes import Program, accepts_connections, free_port
from tests.support.couchdb_server import Fault
from tests.support.mail import url_of
from tests.support.photos import jpeg
from tests.support.system import LOAD, Dispatcher, Service, System, start_postgresql
from tests.support.users import make_user
from tests.support.worker import wait_until

DISPATCHERS = 4
TRUCKERS = 3
LONGEST_FAULT_SECONDS = 6
LONGEST_PEACE_SECONDS = 3
CONVERGE_SECONDS = 480
"""More than five minutes, after which lost events are published again."""
HURRY = """
UPDATE notifications SET due_at = now() WHERE sent_at IS NULL AND failed_at IS NULL
    AND due_at BETWEEN now() AND now() + interval '30 minutes';
UPDATE webhook_deliveries SET due_at = now() WHERE delivered_at IS NULL AND failed_at IS NULL
    AND due_at > now() + interval '61 seconds' AND attempts < :attempts
"""
"""End waits between tries, but not the leases of an hour and a minute."""
WAITING = """
SELECT (SELECT count(*) FROM load_events WHERE recorded_at IS NULL
        OR notified_at IS NULL AND assignment_id IS NOT NULL AND type = ANY(:types))
    + (SELECT count(*) FROM webhook_deliveries WHERE delivered_at IS NULL AND failed_at IS NULL)
    + (SELECT count(*) FROM notifications WHERE sent_at IS NULL AND failed_at IS NULL
        AND due_at NOT BETWEEN now() + interval '30 minutes' AND now() + interval '59 minutes')
"""


class Trucker(Dispatcher):
    """Gives a driver load after load, with a change and a photo; repeats what was not answered."""

    def __init__(self, system: System, port: int, number: int):
        super().__init__(system.connect(port), number)
        with system.app.app_context():
            email, driver_id = f"{number}@carrier.example", self._driver["id"]
            user = make_user("Alex", email, role=Role.DRIVER, driver_id=driver_id)
            self._token = {"Authorization": f"Bearer {create_access_token(str(user.id))}"}
            db.session.remove()
        self.photos: list[str] = []
        """The SHA-256 of each."""

    def run(self) -> None:
        driver_id, send = self._driver["id"], self._until_answered
        while not self._stop_asked.is_set():
            load_id = send("POST", "/loads", LOAD)["id"]
            assigned = send("POST", "/assignments", {"driverId": driver_id, "loadId": load_id})
            send("PATCH", f"/loads/{load_id}", {"notes": "Gate 4"})
            photo = jpeg(more=f"{driver_id} {load_id}".encode())
            send("POST", "/me/assignment/documents?kind=POD", photo, **self._token)
            self.photos.append(sha256(photo).hexdigest())
            send("PATCH", f"/assignments/{assigned['id']}/status", {"status": "COMPLETED"})

    def _until_answered(self, *request: Any, **headers: str) -> dict[str, Any]:
        headers["Idempotency-Key"] = str(uuid4())
        while True:
            answer = self._send(partial(self._client.request, **headers), *request)
            if answer and answer.get("status") != 503:
                return answer
            time.sleep(0.1)


class Soak:
    """A system under load, and its faults."""

    def __init__(self, folder: Path, chance: random.Random):
        self._chance = chance
        self._stack = ExitStack()
        emulator = services.pubsub_emulator()
        if emulator is None:
            sys.exit("billor: `make soak` needs Google's Pub/Sub emulator.")
        self.postgresql = self._stopped_at_the_end(start_postgresql(folder / "postgresql"))
        self.redis = self._stopped_at_the_end(Service(services.redis(folder / "redis"), folder))
        self.pubsub = self._stopped_at_the_end(Service(emulator, folder))
        self._folder, mail_port, hooks_port = folder, free_port(), free_port()
        self.mail = self._start_outside("mail", mail_port)
        settings = self.postgresql.settings | self.redis.settings | self.pubsub.settings
        settings |= {"NOTIFY_EMAIL_URL": url_of(mail_port), "PRIVATE_WEBHOOKS": "yes"}
        (folder / "system").mkdir()
        self.system = self._stack.enter_context(
            System(settings, folder / "system", folder / "compiled")
        )
        self.api = self.system.start_api()
        client, url = self.api.client, f"http://127.0.0.1:{hooks_port}/"
        secret = client.post("/webhooks", {"url": url}).body["secret"]
        self.hooks = self._start_outside("hooks", hooks_port, secret)
        key = client.post("/api-keys", {"name": "Reader"}).body["key"]
        self.reader = self.system.supervise_reader(client.port, key, folder / "feed")
        self.workers = [self.system.supervise_worker() for _ in range(2)]
        self.injected: Counter[str] = Counter()
        self.stop_statuses: Counter[int] = Counter()
        """Exit statuses of terminated workers; -15 is of one that was still starting."""

    def run(self, seconds: float) -> list[Dispatcher]:
        """Inject one fault after the other while people work; return these."""
        faults = self._faults()
        deadline = time.monotonic() + seconds
        with ExitStack() as stack:
            connect, port = self.system.connect, self.api.client.port
            people = [Dispatcher(connect(port), number) for number in range(DISPATCHERS)]
            people += [Trucker(self.system, port, number) for number in range(100, 100 + TRUCKERS)]
            for person in people:
                stack.enter_context(person)
            while time.monotonic() < deadline:
                name = self._chance.choice(list(faults))
                self.injected[name] += 1
                print(f"{max(0, deadline - time.monotonic()):6.0f} s left: {name}", flush=True)
                faults[name]()
                with suppress(DBAPIError):
                    self.hurry(3)
                time.sleep(self._chance.uniform(0, LONGEST_PEACE_SECONDS))
        return people

    def hurry(self, attempts: int) -> int:
        """End waits between tries; return how much waits."""
        with self.system.app.app_context(), db.engine.begin() as connection:
            connection.execute(text(HURRY), {"attempts": attempts})
            return connection.scalar(text(WAITING), {"types": sorted(TO_DRIVERS)})

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()

    def got(self, name: str) -> list[str]:
        """Return the lines of what came in mails or posts, or was read from the feed."""
        return (self._folder / name).read_text().splitlines()

    def _start_outside(self, name: str, port: int, secret: str = "") -> Service:
        file, is_ready = str(self._folder / name), partial(accepts_connections, port)
        argv = [sys.executable, "-m", "tests.support.outside", name, str(port), file, secret]
        program = Program(name=name, argv=argv, is_ready=is_ready)
        return self._stopped_at_the_end(Service(program, self._folder))

    def _stopped_at_the_end(self, service: Service) -> Service:
        self._stack.callback(service.stop)
        return service

    def _faults(self) -> dict[str, Callable[[], None]]:
        return {
            "API process killed": self._kill_api_process,
            "worker killed": lambda: self._any_worker().kill(),
            "worker terminated": self._stop_worker,
            "PostgreSQL restarted": self.postgresql.restart,
            "PostgreSQL killed": lambda: self._kill(self.postgresql),
            "Redis flushed": self._flush,
            "Redis hung": lambda: self._hang(self.redis),
            "Redis killed": lambda: self._kill(self.redis),
            "mail server hung": lambda: self._hang(self.mail),
            "mail server killed": lambda: self._kill(self.mail),
            "receiver of webhooks hung": lambda: self._hang(self.hooks),
            "receiver of webhooks killed": lambda: self._kill(self.hooks),
            "reader of events killed": lambda: self.reader.kill(),
            "Pub/Sub hung": lambda: self._hang(self.pubsub),
            "Pub/Sub killed, all forgotten": lambda: self._kill(self.pubsub),
            **{
                f"CouchDB: {fault.name.lower().replace('_', ' ')}": lambda fault=fault: (
                    self._break_couchdb(fault)
                )
                for fault in Fault
            },
        }

    def _pause(self) -> None:
        time.sleep(self._chance.uniform(0.2, LONGEST_FAULT_SECONDS))

    def _any_worker(self):
        return self._chance.choice(self.workers)

    def _stop_worker(self) -> None:
        worker = self._any_worker()
        ended = len(worker.statuses)
        worker.terminate()
        wait_until(lambda: len(worker.statuses) > ended)
        self.stop_statuses[worker.statuses[ended]] += 1

    def _kill_api_process(self) -> None:
        if children := self.api.children():
            self._chance.choice(children).kill()

    def _hang(self, service: Service) -> None:
        with service.hung():
            self._pause()

    def _kill(self, service: Service) -> None:
        with service.gone():
            self._pause()

    def _flush(self) -> None:
        with closing(Redis.from_url(self.redis.settings["REDIS_URL"])) as client:
            client.flushall()

    def _break_couchdb(self, fault: Fault) -> None:
        self.system.couch.fail(fault)
        try:
            self._pause()
        finally:
            self.system.couch.mend()


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"Seed {arguments.seed}.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        # Repeatable with its seed; not for secrets.
        soak = Soak(Path(folder), random.Random(arguments.seed))  # noqa: S311
        try:
            dispatchers = soak.run(arguments.minutes * 60)
            return 0 if _report(soak, dispatchers) else 1
        finally:
            soak.close()


def _report(soak: Soak, people: list[Dispatcher]) -> bool:
    """Wait until the system converges, and print the count; return whether it passed."""
    system = soak.system
    with suppress(AssertionError):
        wait_until(lambda: soak.hurry(7) == 0, CONVERGE_SECONDS)
    committed, recorded = system.committed(), system.recorded()
    statuses = Counter(status for each in people for status in each.statuses)
    unanswered = Counter(type(error).__name__ for each in people for error in each.failures)
    truckers = [each for each in people if isinstance(each, Trucker)]
    problems = {
        "waiting": soak.hurry(7),
        "lost": set(committed) - set(recorded),
        "wrong": {id_ for id_, document in recorded.items() if committed.get(id_) != document},
        "dead letters": system.dead_letters(),
        "errors": {status for status in statuses if status >= 500} - {503},
        "refused": [each for one in truckers for each in one.problems if each["status"] != 503],
        "exit statuses": set(soak.stop_statuses) - {0, -15},
        "addresses in logs": system.logs.count("@carrier.example"),
    }
    with system.app.app_context():
        problems |= _mails(soak) | _posts_and_feed(soak)
        problems |= _documents(soak, [photo for each in truckers for photo in each.photos])
        db.session.remove()
    print(f"""
faults injected   {soak.injected.total()}: {dict(soak.injected.most_common())}
requests          {statuses.total() + unanswered.total()}, answered {dict(statuses)}
unanswered        {dict(unanswered)}
events committed  {len(committed)}, documents found {len(recorded)}""")
    found = {name: problem for name, problem in problems.items() if problem}
    if found:
        Path("soak.log").write_text(system.logs)
        print(f"WRONG: {found}. What our processes printed is in soak.log.")
    return not found


def _mails(soak: Soak) -> dict[str, Any]:
    rows = db.session.scalars(select(Notification)).all()
    events = {row.id: get_event(row.event_id) for row in rows}
    drivers = {id_: db.session.get_one(Driver, event.driver_id) for id_, event in events.items()}
    mails = {id_: f"{to.email}\t{text_of(events[id_], to)}" for id_, to in drivers.items()}
    told = LoadEvent.id.in_([row.event_id for row in rows]) | LoadEvent.assignment_id.is_(None)
    untold = select(LoadEvent.id).where(LoadEvent.type.in_(TO_DRIVERS), ~told)
    print(f"mails {len(soak.got('mail'))}, sent {sum(bool(row.sent_at) for row in rows)}")
    return {
        "mailed twice": Counter(soak.got("mail")) - Counter(mails.values()),
        "not mailed": {mails[row.id] for row in rows if row.sent_at} - set(soak.got("mail")),
        "given up": [row.id for row in rows if row.failed_at and recipient_of(events[row.id])],
        "not told": [id_ for id_ in db.session.scalars(untold) if recipient_of(get_event(id_))],
    }


def _posts_and_feed(soak: Soak) -> dict[str, Any]:
    feed = select(LoadEvent.id).where(LoadEvent.type.in_(WORK_TYPES)).order_by(*ORDER)
    events = [str(id_) for id_ in db.session.scalars(feed)]
    with suppress(AssertionError):
        wait_until(lambda: len(soak.got("feed")) >= len(events))
    # Those of drivers have no order.
    query = select(WebhookDelivery).where(WebhookDelivery.load_id.is_not(None))
    due = db.session.scalars(query.order_by(WebhookDelivery.load_id, WebhookDelivery.id)).all()
    load_of = {str(each.event_id): each.load_id for each in due}
    first = filter(load_of.get, dict.fromkeys(soak.got("hooks")))
    print(f"posts {len(soak.got('hooks'))}, feed {len(events)}")
    return {
        "not posted": set(events) - set(soak.got("hooks")),
        "posted out of order": sorted(first, key=load_of.__getitem__) != list(load_of),
        "read otherwise": soak.got("feed") != events,
    }


def _documents(soak: Soak, photos: list[str]) -> dict[str, Any]:
    rows = db.session.scalars(select(Document)).all()
    bodies = {row: soak.api.client.get(f"/documents/{row.id}").body for row in rows}
    files = {row: body for row, body in bodies.items() if isinstance(body, bytes)}
    found = [(row.sha256, sha256(body).hexdigest()) for row, body in files.items()]
    folder, keys = soak.system.folder / "home" / "documents", {row.object_key for row in rows}
    print(f"documents {len(rows)}, files {len(list(folder.iterdir()))}")
    for file in folder.iterdir():
        os.utime(file, (0, 0))
    soak.workers[0].kill()  # one that starts sweeps
    with suppress(AssertionError):
        wait_until(lambda: {file.name for file in folder.iterdir()} == keys, CONVERGE_SECONDS)
    return {
        "photos": Counter(found) != Counter(zip(photos, photos, strict=True)),
        "not swept": {file.name for file in folder.iterdir()} ^ keys,
    }


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (http.client.HTTPException, KeyboardInterrupt) as error:
        sys.exit(f"soak: {type(error).__name__}: {error}")
