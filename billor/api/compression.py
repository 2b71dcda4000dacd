"""Compression of responses with gzip, which makes a page of loads ten times smaller."""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response, request
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

MIN_BYTES = 1024
LEVEL = 6
TEXT = re.compile(r"text/.+|application/(problem\+)?json|image/svg\+xml")


def with_one_coding(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Reduce `Accept-Encoding` to `gzip` or nothing, for the app and for the keys of its cache."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _prefers_gzip(environ.pop("HTTP_ACCEPT_ENCODING", "")):
            environ["HTTP_ACCEPT_ENCODING"] = "gzip"
        return wsgi_app(environ, start_response)

    return run


@lru_cache
def _prefers_gzip(accepted: str) -> bool:
    return parse_accept_header(accepted, Accept).best_match(["gzip", "identity"]) == "gzip"


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
