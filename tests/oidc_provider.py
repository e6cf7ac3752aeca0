"""A small OpenID Connect provider on loopback, which checks what a client must send and can be told to lie.

Its tokens are signed with PyJWT, not with the library the product checks them with: both must agree.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

CLIENT, CLIENT_SECRET = "handoff-page", "the client's own secret"
Twist = Callable[[dict[str, Any]], None]


@dataclass
class Provider:
    """A running provider. ``claims`` of the person who is signed in there; the others make it lie."""

    claims: dict[str, Any] = field(default_factory=lambda: {"email": "Ana@Seller.example", "email_verified": True})
    metadata: dict[str, Any] = field(default_factory=dict)
    token: Twist = lambda claims: None
    sign: Callable[[dict[str, Any]], str] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    url: str = ""

    def __post_init__(self) -> None:
        self.new_key()

    def new_key(self) -> None:
        """Sign with another key from now on."""
        self.key, self.key_id = ec.generate_private_key(ec.SECP256R1()), secrets.token_hex(4)

    def get(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """What a GET is answered with."""
        if path == "/.well-known/openid-configuration":
            return 200, {}, json.dumps(self.described()).encode()
        if path == "/keys":
            public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
            return (
                200,
                {},
                json.dumps({"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": "ES256"}]}).encode(),
            )
        if path == "/authorize":
            code = secrets.token_hex(8)
            self.codes[code] = query
            back = urlencode({"code": code, "state": query["state"]})
            return 302, {"Location": f"{query['redirect_uri']}?{back}"}, b""
        return 404, {}, b""

    def post(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        """What a POST is answered with: a token for a code, once, and only to the client it was made for."""
        self.asked.append(form)
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        basic = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
        good = (
            path == "/token"
            and asked is not None
            and asked["code_challenge_method"] == "S256"
            and asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
            and asked["redirect_uri"] == form["redirect_uri"]
            and asked["client_id"] == CLIENT
            and authorization == f"Basic {basic}"
        )
        if not good or asked is None:
            return 400, {}, b'{"error": "invalid_grant"}'
        claims = {"iss": self.url, "sub": "ana", "aud": CLIENT, "iat": time.time(), "exp": time.time() + 300}
        claims |= {"nonce": asked["nonce"], **self.claims}
        self.token(claims)
        token = self.sign(claims) if self.sign else self.signed(claims)
        body = {"access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": token}
        return 200, {}, json.dumps(body).encode()

    def signed(self, claims: dict[str, Any]) -> str:
        """A token in good order."""
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": self.key_id})

    def described(self) -> dict[str, Any]:
        """Its discovery document."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            **self.metadata,
        }


@contextmanager
def running() -> Iterator[Provider]:
    """A provider for the length of a block."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self.answer(provider.get(parts.path, _one(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(provider.post(self.path, _one(body), self.headers.get("Authorization", "")))

        def answer(self, made: tuple[int, dict[str, str], bytes]) -> None:
            status, headers, body = made
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


def _one(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
