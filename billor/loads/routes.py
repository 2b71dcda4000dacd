"""Routes of `/loads`."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from tempfile import SpooledTemporaryFile

from flask import current_app, g, request

from billor.api.blueprint import FILE_HEADERS, PAGE_HEADERS, Blueprint
from billor.api.responses import csv_file, if_match
from billor.database import get_or_not_found
from billor.errors import BillorError
from billor.loads import exporting, files, importing, schemas, service
from billor.loads.lists import list_loads as find_loads
from billor.models import Load

blueprint = Blueprint("loads", __name__, description="Cargo to be moved.")

MAX_IMPORT_BYTES = 16 * 1024 * 1024
IN_MEMORY_BYTES = 1024 * 1024
IMPORT_BODY = {
    "required": True,
    "content": {
        files.CSV: {
            "schema": {"type": "string"},
            "example": 'origin,destination,cargoType\n"Dallas, TX","Reno, NV",Steel\n',
        },
        files.NDJSON: {
            "schema": {"type": "string"},
            "example": '{"origin": "Dallas, TX", "destination": "Reno, NV", "cargoType": "Logs"}\n',
        },
        files.WORKBOOK: {"schema": {"type": "string", "contentMediaType": files.WORKBOOK}},
    },
}


@blueprint.route("/loads", methods=["POST"])
@blueprint.arguments(schemas.LoadSchema)
@blueprint.created(schemas.LoadSchema, shown_by="get_load")
@blueprint.problems("reference_taken")
def create_load(fields):
    """Create a load."""
    return service.create_load(**fields)


@blueprint.route("/loads")
@blueprint.paged(
    schemas.ListedLoadSchema, schemas.LoadQuery, headers=PAGE_HEADERS | {"X-Cache": "X-Cache"}
)
def list_loads(query):
    """List loads, newest first, or by pickup: then the soonest first, and those without one last.

    A page is cached in Redis for a minute, and invalidated as soon as any load or driver changes.
    """
    return find_loads(**query)


@blueprint.route("/loads.csv")
@blueprint.arguments(schemas.ExportQuery, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/csv", headers=FILE_HEADERS)
@blueprint.problems("exports_busy")
def export_loads(wanted):
    """Get all loads that match, in the list's order, as CSV, each with its last driver.

    The response is streamed: if the connection fails, it is incomplete.
    """
    return csv_file(exporting.export_loads(**wanted), "loads.csv")


@contextmanager
def received_body(max_bytes: int) -> Iterator[SpooledTemporaryFile[bytes]]:
    """Receive the body before the block, which waits for no slow client. Raises 413."""
    request.max_content_length = max_bytes
    with SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        shutil.copyfileobj(request.stream, file)
        file.seek(0)
        yield file


def reads_file(view):
    """Pass the view the rows of a file, read before an `Idempotency-Key` takes a connection."""

    @wraps(view)
    def read(query):
        dry_run = query.pop("dry_run", False)
        company = {"time_zone": current_app.config["BILLOR"].time_zone}
        times = files.TimeFormat(**company | query)
        if request.mimetype not in files.MEDIA_TYPES:
            raise BillorError("unsupported_media_type")
        with received_body(MAX_IMPORT_BYTES) as file, importing.import_slot():
            g.body_digest = hashlib.file_digest(file, "sha256").digest()  # a stream is read once
            file.seek(0)
            return view(files.read_file(file, request.mimetype, times), dry_run)

    return read


@blueprint.route("/loads/import", methods=["POST"])
@blueprint.arguments(schemas.ImportQuery, location="query")
@reads_file
@blueprint.response(200, schemas.ImportReportSchema)
@blueprint.problems("import_refused", "imports_busy")
@blueprint.doc(requestBody=IMPORT_BODY)
def import_loads(file, dry_run):
    """Create up to 10,000 loads from a file: CSV, NDJSON, or a workbook (.xlsx, .xls, .ods).

    Invalid rows are reported and skipped, like rows with the reference of an existing load.
    The others are created in one transaction: all of them or, after an error, none.
    """
    return importing.preview(file) if dry_run else importing.import_loads(file)


@blueprint.route("/loads/<id:load_id>")
@blueprint.response(200, schemas.LoadSchema)
def get_load(load_id):
    """Show a load."""
    return get_or_not_found(Load, load_id)


@blueprint.route("/loads/<id:load_id>", methods=["PATCH"])
@blueprint.arguments(schemas.LoadUpdateSchema)
@blueprint.response(200, schemas.LoadSchema)
@blueprint.problems("load_not_editable", "load_already_planned", "reference_taken")
def update_load(changes, load_id):
    """Change, cancel or reopen a load.

    A COMPLETED load cannot be changed, nor the status of an ASSIGNED one. One that is planned
    cannot be cancelled. The driver who has it, or has it next, is notified.
    """
    return service.update_load(load_id, if_match(schemas.LoadSchema()), **changes)


@blueprint.route("/loads/<id:load_id>/timeline")
@blueprint.paged(schemas.TimelineEntrySchema, schemas.TimelineQuery)
def get_load_timeline(query, load_id):
    """Show what happened to a load, and who did it, oldest first."""
    return service.load_timeline(load_id, **query)


@blueprint.route("/loads/<id:load_id>/comments", methods=["POST"])
@blueprint.arguments(schemas.NewCommentSchema)
@blueprint.response(201, schemas.TimelineEntrySchema)
def comment_on_load(comment, load_id):
    """Add a comment to a load's timeline, for the driver to see or not. The load stays as it is."""
    return service.comment(load_id, **comment)
