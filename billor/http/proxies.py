"""What proxies tell of a client's request: believed here only, and of `TRUSTED_PROXIES` only.

gunicorn itself believes none of it (see `gunicorn.conf.py`).
"""

import logging
from collections.abc import Iterable
from functools import cache
from urllib.parse import unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.middleware.proxy_fix import ProxyFix

logger = logging.getLogger(__name__)

SCHEMES = ("http", "https")


def believe_proxies(wsgi_app: WSGIApplication, proxies: int) -> WSGIApplication:
    """Take address, scheme, host, port and prefix from the headers of so many proxies.

    These are `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix`. Of a header with several
    values the one that the outermost of the `proxies` has added counts. Without proxies, none does.
    """
    if not proxies:
        return _noticing_proxies(wsgi_app)
    return ProxyFix(
        _with_sane_base(wsgi_app),
        x_for=proxies,
        x_proto=proxies,
        x_host=proxies,
        x_port=proxies,
        x_prefix=proxies,
    )


def _with_sane_base(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Make addresses that start with the scheme or the prefix lead to this API and nowhere else.

    A proxy may pass on what a client has put into a header that it does not know.
    """

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        scheme = environ["wsgi.url_scheme"].lower()
        original = environ["werkzeug.proxy_fix.orig"]["wsgi.url_scheme"]
        environ["wsgi.url_scheme"] = scheme if scheme in SCHEMES else original
        prefix = unquote(environ.get("SCRIPT_NAME", ""), "latin-1").strip("/")
        environ["SCRIPT_NAME"] = prefix and f"/{prefix}"
        return wsgi_app(environ, start_response)

    return run


def _noticing_proxies(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Log, once, that a proxy is in front that is not believed."""
    warn = cache(_warn_of_proxies)

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ:
            warn()
        return wsgi_app(environ, start_response)

    return run


def _warn_of_proxies() -> None:
    logger.warning(
        "Forwarded addresses are not believed: all clients behind a proxy count as one. "
        "Set TRUSTED_PROXIES to the number of proxies."
    )
