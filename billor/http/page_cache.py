"""The cache of pages in front of Flask: a page that is still true is answered without it.

A page is kept with its headers, as an HTTP cache does (RFC 9111), under the whole address that was
asked for: its `Link` leads there.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from urllib.parse import parse_qsl, urlencode
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_host

from billor.cache.pages import Lookup, PageCache
from billor.context import current_route
from billor.metrics import page_looked_up

REFUSAL = "billor.refusal"
"""In the environ: the error that ended the look-up, for the app to raise and render."""


class CachedPages:
    """WSGI middleware that answers some paths from their caches, or stores what the app answers.

    Whoever asks is authorised first, by the function that the app uses, too. The app also gets all
    that is not a GET or HEAD of these paths, and renders the refusals.
    """

    def __init__(
        self, app: Flask, caches: Mapping[str, PageCache], authorise: Callable[[str, str], object]
    ):
        """Serve the paths of `caches`.

        `authorise` takes an endpoint and an `Authorization` header, and raises what refuses them.
        """
        self._wsgi_app = app.wsgi_app
        self._authorise = authorise
        routes = app.url_map.bind("")
        self._routes = {path: (routes.match(path)[0], cache) for path, cache in caches.items()}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        route = self._routes.get(environ["PATH_INFO"])
        if route is None or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._wsgi_app(environ, start_response)
        endpoint, cache = route
        current_route.set(environ["PATH_INFO"])
        try:
            self._authorise(endpoint, environ.get("HTTP_AUTHORIZATION", ""))
            lookup = cache.read(_address(environ))
        except Exception as error:
            environ[REFUSAL] = error
            return self._wsgi_app(environ, start_response)
        page_looked_up(lookup.status)
        if lookup.text is None:
            return self._render(environ, cache, lookup)(environ, start_response)
        headers, body = _unpack(lookup.text)
        start_response("200 OK", [*headers, _x_cache(lookup)])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _render(self, environ: WSGIEnvironment, cache: PageCache, lookup: Lookup) -> Response:
        """Have the app answer, and store that if it is a page."""
        whole = {**environ, "REQUEST_METHOD": "GET"}
        response = Response.from_app(self._wsgi_app, whole, buffered=True)
        if response.status_code == 200:
            cache.store(lookup, _pack(response))
            response.headers.add(*_x_cache(lookup))
        return response


def _x_cache(lookup: Lookup) -> tuple[str, str]:
    return "X-Cache", lookup.status.value


def _pack(response: Response) -> str:
    """Return headers and body in the form of an HTTP message."""
    head = "\n".join(f"{name}: {value}" for name, value in response.headers)
    return f"{head}\n\n{response.get_data(as_text=True)}"


def _unpack(text: str) -> tuple[list[tuple[str, str]], bytes]:
    head, _, body = text.partition("\n\n")
    return _fields(head), body.encode()


@lru_cache(maxsize=200)
def _fields(head: str) -> list[tuple[str, str]]:
    fields = (line.partition(": ") for line in head.split("\n"))
    return [(name, value) for name, _, value in fields]


def _address(environ: WSGIEnvironment) -> str:
    origin = f"{environ['wsgi.url_scheme']}://{get_host(environ)}{environ.get('SCRIPT_NAME', '')}"
    return f"{origin}{environ['PATH_INFO']}?{_normalised(environ.get('QUERY_STRING', ''))}"


@lru_cache(maxsize=200)
def _normalised(query: str) -> str:
    """Return a query string, read as Werkzeug does, sorted by name.

    Repeated parameters keep their order.
    """
    parameters = parse_qsl(
        query.encode("latin-1").decode(), keep_blank_values=True, errors="werkzeug.url_quote"
    )
    return urlencode(sorted(parameters, key=itemgetter(0)))
