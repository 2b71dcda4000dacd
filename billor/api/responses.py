"""What responses get (RFC 9110): ETags, 304, 412 against lost updates, and compression.

What compresses responses changes their ETags: nginx makes them weak, Apache and others append the
encoding, and so do we. Both forms match here. With the strong comparison of the RFC, every
`If-Match` would fail behind such a proxy.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response, json, jsonify, request
from marshmallow import Schema
from werkzeug.datastructures import Accept, ETags, MIMEAccept
from werkzeug.http import parse_accept_header, parse_etags

from billor.database import Check, unchecked
from billor.errors import BillorError

# Appended by us, Apache's mod_deflate and mod_brotli, Jetty and others.
ENCODING_SUFFIX = re.compile(r"(--?|;)(gzip|br|deflate|zstd)\Z")
MIN_BYTES = 1024
LEVEL = 6
ENVELOPE = "application/json;envelope=1"
TEXT = re.compile(r"text/.+|application/(problem\+)?json|image/svg\+xml")


def tag(response: Response) -> Response:
    """Add a strong ETag to a JSON response."""
    is_tagged = (
        response.status_code == 200
        and request.method in ("GET", "HEAD", "PATCH")
        and response.mimetype == "application/json"
        and not response.cache_control.no_store
    )
    if is_tagged:
        headers = response.headers
        response.set_etag(etag_of(response.get_data(), headers.get("Link", "")))
        if request.method != "PATCH":
            headers.setdefault("Cache-Control", "private, no-cache")  # revalidate before use
            response.vary.add("Authorization")
    return response


def etag_of(body: bytes, next_page: str = "") -> str:
    """Hash a body and its link to the next page, which may appear while the body stays the same."""
    return hashlib.blake2b(body + next_page.encode(), digest_size=16).hexdigest()


def csv_file(chunks: Iterable[str], name: str) -> Response:
    """Return a streamed file to save by this name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(chunks, headers=headers, content_type="text/csv; charset=utf-8")


def if_match(schema: Schema) -> Check:
    """Return a function that checks a row, rendered by `schema`, against `If-Match`, if sent."""
    if "If-Match" not in request.headers:
        return unchecked
    wanted = request.if_match

    def check(row: Any) -> None:
        if not _contains(wanted, etag_of(jsonify(schema.dump(row)).get_data())):
            raise BillorError("precondition_failed")

    return check


def answer_not_modified(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Respond 304 to a GET whose ETag still matches, also for pages from the cache."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if_none_match = environ.get("HTTP_IF_NONE_MATCH")
        if if_none_match is None or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return wsgi_app(environ, start_response)
        response = Response.from_app(wsgi_app, environ)
        etag, _ = response.get_etag()
        if response.status_code == 200 and etag and _contains(parse_etags(if_none_match), etag):
            response.status_code = 304  # sent without a body
        return response(environ, start_response)

    return run


def _contains(etags: ETags, etag: str) -> bool:
    """Return whether `etags` contains our ETag, as we sent it or as a proxy changed it."""
    etag = ENCODING_SUFFIX.sub("", etag)
    return bool(etags.star_tag) or any(
        ENCODING_SUFFIX.sub("", tag or "") == etag  # Werkzeug has None for an empty tag
        for tag in etags.as_set(include_weak=True)
    )


def with_one_form(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Reduce `Accept-Encoding` and `Accept` to `gzip` and `ENVELOPE`: the cache has few keys."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _best(environ.pop("HTTP_ACCEPT_ENCODING", ""), Accept, "gzip", "identity") == "gzip":
            environ["HTTP_ACCEPT_ENCODING"] = "gzip"
        accepted = environ.pop("HTTP_ACCEPT", "")
        if _best(accepted, MIMEAccept, "application/json", ENVELOPE) == ENVELOPE:
            environ["HTTP_ACCEPT"] = ENVELOPE
        return wsgi_app(environ, start_response)

    return run


@lru_cache
def _best(accepted: str, header: type[Accept], *forms: str) -> str | None:
    return parse_accept_header(accepted, header).best_match(forms)


def enclose(response: Response) -> Response:
    """Make a list an object with the next page's URL, for clients that ask for an `ENVELOPE`."""
    is_list = response.mimetype == "application/json" and response.data.startswith(b"[")
    if is_list and request.method in ("GET", "HEAD"):
        response.vary.add("Accept")
        if request.headers.get("Accept") == ENVELOPE:
            link = response.headers.get("Link", "")
            following = json.dumps(link[1 : link.index(">")] if link else None).encode()
            items = response.data.rstrip()
            response.data = b'{"items": %b, "next": %b}\n' % (items, following)
    return response


def compress(response: Response) -> Response:
    """Compress a response, and mark its ETag as Apache does. It must be the last `after_request`.

    What may not be stored has a token or is a stream of changes: neither is compressed.
    """
    is_text = TEXT.fullmatch(response.mimetype or "")
    if not is_text or response.cache_control.no_store or response.status_code in (206, 304):
        return response
    response.vary.add("Accept-Encoding")
    is_small = not response.is_streamed and len(response.get_data()) < MIN_BYTES
    if is_small or "Accept-Encoding" not in request.headers:
        return response
    if response.is_streamed:
        response.call_on_close(response.response.close)  # type: ignore[union-attr]
        response.direct_passthrough = False
        response.response = _compressed(response.iter_encoded())
        del response.headers["Content-Length"]
    else:
        response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
    response.content_encoding = "gzip"
    etag, is_weak = response.get_etag()
    if etag is not None:
        response.set_etag(f"{etag}-gzip", bool(is_weak))
    return response


def _compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(LEVEL, wbits=zlib.MAX_WBITS | 16)  # 16: as gzip
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()
