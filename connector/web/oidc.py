"""Signing in with the company's own accounts: OpenID Connect, authorization code with PKCE, state and nonce.

Not here: sessions and cookies (``signin``) and whether there is such a sign-in (config's ``[web.oidc]``). Needs the
extra ``oidc``: authlib speaks the protocol, joserfc checks the signature. Whoever comes back is known by an address
that the issuer says it verified, and only if config lists it or its domain.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from connector.errors import Problem, UserError
from connector.settings import OidcSettings
from connector.settings.file import is_loopback
from connector.web.signin import NAME

BACK = "/signin/oidc/back"
DISCOVERY = "/.well-known/openid-configuration"
SCOPE = "openid email"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that only the issuer has. Never HS256: its key would be our own secret. Never none."""

AWAY_SECONDS = 600
MOST_USED = 1000
"""Sign-ins that came back and may not come back again, the newest; each code is good once at the issuer besides."""

KEPT_SECONDS = 3600.0
"""For which the issuer's addresses and keys are kept. A key that is not among them makes us ask sooner."""

TIMEOUT = (5.0, 10.0)
MOST_BYTES = 512 * 1024
LEEWAY = 60
"""Seconds by which the issuer's clock may differ."""

SECRET_BYTES = 32
LONGEST_NUMBER = 20


@dataclass(frozen=True, slots=True)
class _Away:
    """What belongs to the code of a browser that left. Made from the state and a key of this process, so nothing is
    kept of those who leave, and nobody can make us forget others by leaving a thousand times."""

    verifier: str
    nonce: str


class Oidc:
    """One issuer. Fits `connector.web.app.Foreign`. Thread-safe. ``public_url``: where people reach the page."""

    def __init__(
        self, settings: OidcSettings, *, public_url: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._back = public_url + BACK
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(SECRET_BYTES)
        self._used: OrderedDict[str, None] = OrderedDict()
        self._fetched: dict[str, tuple[dict[str, Any], float]] = {}

    def leave(self) -> tuple[str, str]:
        """The address to send a browser to, and the secret it keeps meanwhile. Raises `UserError`."""
        metadata = self._metadata()
        browser = secrets.token_urlsafe(SECRET_BYTES)
        begun = f"{int(self._monotonic()) + AWAY_SECONDS}.{secrets.token_urlsafe(SECRET_BYTES)}"
        state = f"{begun}.{self._made('state', begun, browser)}"
        away = self._away(state)
        with self._session() as session:
            address, _ = session.create_authorization_url(
                _endpoint(metadata, "authorization_endpoint"),
                state=state,
                code_verifier=away.verifier,
                nonce=away.nonce,
            )
        return str(address), browser

    def come_back(self, query: Mapping[str, str], brought: str) -> str:
        """The verified address of whoever comes back. Raises `UserError` in words that repeat nothing of the query."""
        away = self._claim(query.get("state", ""), brought)
        if "error" in query or not query.get("code"):
            raise _refused("the sign-in service did not let you in")
        metadata = self._metadata()
        issuer = str(metadata["issuer"])
        if query.get("iss", issuer) != issuer:
            raise _refused("the answer came from another sign-in service")
        try:
            claims = self._claims(self._token(metadata, query["code"], away), metadata, nonce=away.nonce)
        except (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError) as error:
            raise _refused(f"what the sign-in service said cannot be trusted ({type(error).__name__})") from error
        except requests.RequestException as error:
            raise _unreachable(error) from error
        return self._known(claims)

    def _claim(self, state: str, brought: str) -> _Away:
        """What belongs to a state; good once, in time, and for the browser that left with it."""
        begun, _, proof = state.rpartition(".")
        until = begun.partition(".")[0]
        if not (state.isascii() and until.isdecimal() and len(until) < LONGEST_NUMBER):
            raise _refused("this sign-in was never begun; begin again")
        if not hmac.compare_digest(proof, self._made("state", begun, brought)):
            raise _refused("this sign-in was begun in another browser, or before a restart; begin again")
        with self._lock:
            if state in self._used or self._monotonic() > int(until):
                raise _refused("this sign-in is over; begin again")
            self._used[state] = None
            if len(self._used) > MOST_USED:
                self._used.popitem(last=False)
        return self._away(state)

    def _away(self, state: str) -> _Away:
        return _Away(verifier=self._made("verifier", state), nonce=self._made("nonce", state))

    def _made(self, *words: str) -> str:
        """A text that only this process can make, as good as a random one to everybody else."""
        mac = hmac.new(self._key, "\n".join(words).encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")

    def _session(self) -> OAuth2Session:
        secret = self._settings.client_secret
        session = OAuth2Session(
            client_id=self._settings.client_id,
            client_secret=secret.get_secret_value() if secret else None,
            # A public client has no secret; PKCE alone ties the code to us.
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=SCOPE,
            redirect_uri=self._back,
            code_challenge_method="S256",
        )
        session.max_redirects = 0
        return session

    def _token(self, metadata: Mapping[str, Any], code: str, away: _Away) -> Mapping[str, Any]:
        with self._session() as session:
            token = session.fetch_token(
                _endpoint(metadata, "token_endpoint"),
                grant_type="authorization_code",
                code=code,
                code_verifier=away.verifier,
                timeout=TIMEOUT,
            )
        return dict(token)

    def _claims(self, token: Mapping[str, Any], metadata: Mapping[str, Any], *, nonce: str) -> Mapping[str, Any]:
        """The checked claims of the identity token. Raises what authlib and joserfc raise, and ValueError."""
        text = token.get("id_token")
        if not isinstance(text, str):
            raise ValueError("no identity token")
        try:
            decoded = self._decoded(text, metadata)
        except (JoseError, ValueError):  # its keys may be new
            decoded = self._decoded(text, metadata, anew=True)
        wanted = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self._settings.client_id},
        }
        given = {"nonce": nonce, "client_id": self._settings.client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(decoded.claims, decoded.header, wanted, given)
        claims.validate(leeway=LEEWAY)
        return dict(claims)

    def _decoded(self, text: str, metadata: Mapping[str, Any], *, anew: bool = False) -> jwt.Token:
        """The token, if a key of the issuer's signed it."""
        keys = self._fetch(_endpoint(metadata, "jwks_uri"), anew=anew)
        if not isinstance(keys.get("keys"), list):
            raise ValueError("no keys")
        return jwt.decode(text, KeySet.import_key_set({"keys": keys["keys"]}), algorithms=list(ALGORITHMS))

    def _known(self, claims: Mapping[str, Any]) -> str:
        email = str(claims.get("email") or "").lower()
        # ASCII alone: lower() makes an ordinary k of the Kelvin sign, and another's domain one of ours.
        plain = str(claims.get("email") or "").isascii() and NAME.match(email)
        if claims.get("email_verified") is not True or not plain or "@" not in email:
            raise _refused("the sign-in service names no address of yours that it verified")
        if not {email, "@" + email.rpartition("@")[2]} & set(self._settings.people):
            raise _refused("you are not among the people of [web.oidc]")
        return email

    def _metadata(self) -> Mapping[str, Any]:
        try:
            found = self._fetch(self._settings.issuer + DISCOVERY)
        except requests.RequestException as error:
            raise _unreachable(error) from error
        except ValueError as error:
            raise _refused("the sign-in service does not describe itself") from error
        if str(found.get("issuer", "")).rstrip("/") != self._settings.issuer:
            raise _refused("the sign-in service goes by another name than config's issuer")
        return found

    def _fetch(self, address: str, *, anew: bool = False) -> dict[str, Any]:
        """A JSON object from the issuer, kept for a while. Raises `requests.RequestException` or ValueError."""
        kept, until = self._fetched.get(address, ({}, 0.0))
        if kept and not anew and self._monotonic() < until:
            return kept
        with requests.get(address, timeout=TIMEOUT, stream=True, allow_redirects=False) as answer:
            answer.raise_for_status()
            body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
        if answer.status_code != requests.codes.ok or len(body) > MOST_BYTES:
            raise ValueError("no such document")
        found = json.loads(body)
        if not isinstance(found, dict):
            raise ValueError("no object")
        self._fetched[address] = (found, self._monotonic() + KEPT_SECONDS)
        return found


def _endpoint(metadata: Mapping[str, Any], name: str) -> str:
    """An address of the issuer's. Raises `UserError` for none, and for one without TLS."""
    address = metadata.get(name)
    parts = urlsplit(address if isinstance(address, str) else "")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise _refused(f"the sign-in service has no safe {name}")
    return parts.geturl()


def _refused(words: str) -> UserError:
    return UserError([Problem("", "", words)])


def _unreachable(error: Exception) -> UserError:
    return _refused(f"the sign-in service cannot be reached ({type(error).__name__})")
