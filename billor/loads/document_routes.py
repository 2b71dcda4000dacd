"""Routes of documents: photos and PDFs of loads."""

from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import IO
from urllib.parse import quote

from flask import Response, current_app, g, request

from billor.api.blueprint import FILE_HEADERS, Blueprint
from billor.api.fields import QueryFlag, WireSchema
from billor.api.responses import if_match
from billor.errors import BillorError, Invalid
from billor.loads import documents
from billor.loads.routes import received_body
from billor.loads.schemas import DocumentSchema, LoadSchema, NewDocumentQuery
from billor.models import Document

blueprint = Blueprint("documents", __name__, description="Photos and PDFs of loads.")

MAX_BYTES = 10 * 1024 * 1024
PART_BYTES = 1024 * 1024
INLINE = ("image/jpeg", "image/png", "image/webp")
BYTES = {"type": "string", "format": "binary"}
PART = {"type": "object", "required": ["file"], "properties": {"file": BYTES}}
NEW_FILE = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": BYTES},
        "multipart/form-data": {"schema": PART},
    },
}
FILE = {
    "description": "The file, or a range of it.",
    "content": {media_type: {"schema": BYTES} for media_type in documents.TYPES},
    "headers": FILE_HEADERS | {"ETag": "ETag"},
}
NEW_FILE_PROBLEMS = ("too_many_documents", "document_refused", "documents_unavailable")


class InlineQuery(WireSchema):
    inline = QueryFlag("Show a JPEG, PNG or WebP in the browser instead of saving it.")


def _received_file() -> AbstractContextManager[IO[bytes]]:
    """Receive the body, or its part `file`. Raises `Invalid`, and `RequestEntityTooLarge`."""
    if request.mimetype != "multipart/form-data":
        return received_body(MAX_BYTES)
    request.max_content_length = MAX_BYTES
    if [*request.files] != ["file"] or request.form:
        raise Invalid({"file": ["Send one file, as the part `file`, and nothing else."]})
    return request.files["file"].stream


def stores_file(view):
    """Store the request's file before an `Idempotency-Key` takes a connection."""

    @blueprint.doc(requestBody=NEW_FILE)
    @wraps(view)
    def store(fields, **ids):
        documents_store = current_app.extensions["documents"]
        with _received_file() as file:
            fields |= documents_store.add(file)
        extension, _ = documents.TYPES[fields["media_type"]]
        name = fields.get("name", fields["kind"].lower()).removesuffix(extension)
        fields["name"] = name[:190] + extension  # by which a computer opens it
        g.body_digest = bytes.fromhex(fields["sha256"])
        discard = partial(documents_store.discard, fields["object_key"])
        try:
            response = view(fields, **ids)
        except BillorError as refusal:
            if refusal.status < 500:  # else it may have been committed
                discard()  # or anybody could fill the disk
            raise
        if "Idempotency-Replayed" in response.headers:
            discard()
        return response

    return store


def sends_file(view):
    """Send the document that the view returns."""

    @blueprint.arguments(InlineQuery, location="query")
    @blueprint.doc(responses={200: FILE, 206: FILE, 304: "NotModified"})
    @blueprint.problems("precondition_failed", "range_not_satisfiable", "documents_unavailable")
    @wraps(view)
    def send(query, **ids):
        return _send(view(**ids), **query)

    return send


def _send(document: Document, inline: bool = False) -> Response:
    """Respond with a document or a range of it, in parts: no slow client holds a thread."""
    read = current_app.extensions["documents"].read
    key, size = document.object_key, document.size
    parts = (
        read(key, start, min(PART_BYTES, size - start)) for start in range(0, size, PART_BYTES)
    )
    response = Response(parts, mimetype=document.media_type, direct_passthrough=True)
    response.content_length = size
    response.set_etag(document.sha256)
    is_shown = inline and document.media_type in INLINE
    place = "inline" if is_shown else "attachment"
    name = quote(document.name, safe="")  # a header has no letters beyond Latin-1
    response.headers["Content-Disposition"] = f"{place}; filename*=UTF-8''{name}"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.add("Authorization")
    response.make_conditional(request, accept_ranges=True, complete_length=size)
    if response.status_code == 412:  # its body would be the file
        raise BillorError("precondition_failed")
    if response.status_code != 304:
        read(key, 0, 1)  # a failure after the headers could not be told
    return response


@blueprint.route("/loads/<id:load_id>/documents", methods=["POST"])
@blueprint.arguments(NewDocumentQuery, location="query")
@stores_file
@blueprint.created(DocumentSchema, shown_by="get_document")
@blueprint.problems(*NEW_FILE_PROBLEMS)
def add_document(fields, load_id):
    """Add a photo or PDF: JPEG, PNG, WebP, HEIC or PDF by its content, up to 10 MiB."""
    return documents.add_document(load_id, **fields)


@blueprint.route("/loads/<id:load_id>/documents")
@blueprint.paged(DocumentSchema)
def list_documents(query, load_id):
    """List the documents of a load, newest first."""
    return documents.list_documents(load_id, **query)


@blueprint.route("/documents/<id:document_id>")
@sends_file
def get_document(document_id):
    """Get a document, or a range of its bytes."""
    return documents.find_document(document_id)


@blueprint.route("/documents/<id:document_id>", methods=["DELETE"])
@blueprint.response(204)
def delete_document(document_id):
    """Delete a document. `If-Match` has the ETag of its load."""
    documents.delete_document(document_id, if_match(LoadSchema()))
