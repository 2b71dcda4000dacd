"""Routes of `/changes`."""

from functools import partial

from flask import Response, current_app, request

from billor.api.blocking import call_on_disconnect
from billor.api.blueprint import PAGE_HEADERS, Blueprint
from billor.api.pagination import link_to_next
from billor.changes.events import EventQuery, EventSchema, read_events
from billor.observe.context import signed_in_user

blueprint = Blueprint("changes", __name__, description="What changes, as it is committed.")

CONTENT_TYPE = "text/event-stream"
# Keeps proxies from caching or buffering it; the latter is nginx's.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@blueprint.route("/changes")
@blueprint.response(200, {"type": "string"}, content_type=CONTENT_TYPE)
@blueprint.problems("streams_busy")
@blueprint.doc(parameters=["Last-Event-ID"])
def stream_changes():
    """Follow what happens to loads and drivers, as Server-Sent Events.

    `ready` comes first: fetch your lists after it, and no change is missed, unless its data says
    `resumed`. Then `change` for each change, at least once, soon after its commit. `many` means
    that more than 200 have changed, or that your Last-Event-ID is unknown or older than ten
    minutes: fetch your lists again. A comment comes every 5 seconds, unless PostgreSQL does not
    answer: then comes `stale`, and `live` when it does again. After four minutes the stream ends:
    send the last `id` as Last-Event-ID to go on. `end` has a `code` that says why your token ended.
    """
    return _stream(request.headers.get("Last-Event-ID"))


@blueprint.route("/events")
@blueprint.arguments(EventQuery, location="query")
@blueprint.response(200, EventSchema(many=True), headers=PAGE_HEADERS)
@blueprint.problems("event_not_found")
def list_events(query):
    """List all that happened to loads and drivers, oldest first, to be read on for ever.

    Every page has a `Link` to the next one, which shows what comes later, if you have all. None is
    missed or repeated, and none comes before what it follows from. A write that takes long delays
    later events until it ends. A page of some types may have fewer than `limit`, though more
    follow: you have all when the `Link` stays the same.
    """
    events, last = read_events(query.pop("type", ()), **query)
    return events, link_to_next("after", last)


@blueprint.route("/me/changes")
@blueprint.response(200, {"type": "string"}, content_type=CONTENT_TYPE)
@blueprint.problems("streams_busy")
def stream_my_changes():
    """Hear when your assignments, their loads or comments change, as Server-Sent Events.

    Fetch them after `ready`, and again after each `many`, which is all that a change sends. The
    rest is as in `/changes`, but a stream cannot be resumed.
    """
    return _stream(None)


def _stream(last_event_id: str | None) -> Response:
    if request.method == "HEAD":
        return Response(headers=HEADERS, content_type=CONTENT_TYPE)
    feed = current_app.extensions["changes"]
    stream, messages = feed.open(signed_in_user(), last_event_id)
    answer = Response(messages, headers=HEADERS, content_type=CONTENT_TYPE)
    end = partial(feed.end, stream)
    answer.call_on_close(end)
    call_on_disconnect(answer, end)
    return answer
