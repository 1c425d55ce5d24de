"""An OpenID issuer on loopback, as the API server is one for its ServiceAccounts: it signs tokens.

Used by integration tests of stores that give credentials for a token. An STS service finds its keys by
the discovery document.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

SUBJECT = "system:serviceaccount:media:default"


class Issuer:
    """Its URL, and tokens of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def configuration_url(self) -> str:
        """Where its discovery document is."""
        return f"{self.url}/.well-known/openid-configuration"

    def sign(
        self,
        audience: str = "sts.amazonaws.com",
        *,
        subject: str = SUBJECT,
        seconds: float = 3600,
    ) -> str:
        """A token for an audience, good for so long."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": subject,
            "aud": [audience],
            "iat": now,
            "exp": now + int(seconds),
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "one"})

    def document(self, path: str) -> dict[str, Any] | None:
        """What it publishes there."""
        if path == "/keys":
            public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
            return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        return None


@contextmanager
def an_issuer() -> Iterator[Issuer]:
    """It answers while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = issuer.document(self.path)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
