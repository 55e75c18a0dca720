"""What opens http(s) addresses: no others, and nothing unencrypted where an encrypted address was asked for."""

from __future__ import annotations

import urllib.request
from http.client import HTTPMessage
from typing import IO

from rebind.types import UserError


class EncryptedStays(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but not from https to http, where anybody on the way could give another file."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The request of the new address.

        Raises:
            UserError: when it is not encrypted and the old one is.
        """
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise UserError(f"{req.full_url} leads to {newurl}, which is not encrypted, so it is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> urllib.request.OpenerDirector:
    """What opens http and https, through the proxies of the environment, and no file or FTP, wherever it is led."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        EncryptedStays,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
    ):
        director.add_handler(handler())
    return director
