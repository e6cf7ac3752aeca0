"""[web], [[sources]] and [[queries]]: who may see the page and act on it, and where product events come from.

Not here: the sign-in itself (``connector.web.signin``) and the rest of config.toml (``load``).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from connector.settings.desk import Desk
from connector.settings.file import OidcSpec, QuerySpec, SourceSpec, WebSpec, is_loopback
from connector.settings.model import OidcSettings, QuerySettings, SourceSettings, WebSettings
from connector.settings.rights import why_not_secret
from connector.settings.spans import KeyPath

SHORTEST_TOKEN = 32
"""Characters: as hex that is 128 random bits, which nobody guesses."""

READS = frozenset({"select", "with"})
"""How a statement begins that only reads."""

HOW_TO_MAKE = "make one with: openssl rand -hex 32"
WAYS = "token_file, trusted_proxies with proxy_user_header, or [web.oidc]"


def web(desk: Desk, spec: WebSpec) -> WebSettings:
    """The page's settings; mistakes go to the desk."""
    at: KeyPath = ("web",)
    token = _token(desk, spec, at)
    _judge_proxies(desk, spec, at)
    _judge_reach(desk, spec, at)
    plain = spec.model_dump(exclude={"token_file", "oidc", "public_url", "proxy_user_header"})
    return WebSettings(
        **plain,
        token=token,
        public_url=spec.public_url or "",
        proxy_user_header=(spec.proxy_user_header or "").lower(),
        oidc=_oidc(desk, spec, spec.oidc, (*at, "oidc")) if spec.oidc else None,
    )


def sources(desk: Desk, specs: Sequence[SourceSpec]) -> tuple[SourceSettings, ...]:
    """Who brings product events; mistakes go to the desk."""
    names = [each.name for each in specs]
    for index, name in enumerate(names):
        if name in names[:index]:
            desk.complain(("sources", index, "name"), f"there are two sources {name!r}; rename one")
    found = (_source(desk, each, ("sources", index)) for index, each in enumerate(specs))
    return tuple(each for each in found if each is not None)


def queries(desk: Desk, specs: Sequence[QuerySpec], *, beside: Sequence[SourceSpec]) -> tuple[QuerySettings, ...]:
    """Which databases are asked for product events; mistakes go to the desk."""
    taken = [each.name for each in beside]
    for index, spec in enumerate(specs):
        if spec.name in taken:
            desk.complain(("queries", index, "name"), f"there are two sources of events {spec.name!r}; rename one")
        taken.append(spec.name)
    found = (_query(desk, each, ("queries", index)) for index, each in enumerate(specs))
    return tuple(each for each in found if each is not None)


def _query(desk: Desk, spec: QuerySpec, at: KeyPath) -> QuerySettings | None:
    if bool(spec.event) == bool(spec.event_column):
        message = "must name either event, one for all rows, or event_column, the column it stands in"
        desk.complain(at, message, of_key=True)
    if not spec.user_id_column and not spec.group_id_column and not spec.properties:
        desk.complain(at, "must say whose an event is: add group_id_column, user_id_column or properties", of_key=True)
    statement = spec.sql.strip().rstrip(";")
    if statement.split(None, 1)[:1] and statement.split(None, 1)[0].casefold() not in READS:
        desk.complain((*at, "sql"), "must begin with SELECT or WITH: the database is only read")
    elif ";" in statement:
        desk.complain((*at, "sql"), "must be one statement; take the semicolon out")
    url = desk.needed("url", spec, at, suggested=f"{spec.name.upper().replace('-', '_')}_URL")
    if url is None:
        return None
    return QuerySettings(**spec.model_dump(exclude={"url_env", "url_file"}), url=url)


def _source(desk: Desk, spec: SourceSpec, at: KeyPath) -> SourceSettings | None:
    suggested = f"{spec.name.upper().replace('-', '_')}_SIGNING_SECRET"
    secret = desk.needed("signing_secret", spec, at, suggested=suggested)
    previous = desk.secret("previous_signing_secret", spec, at)
    if secret is None:
        return None
    return SourceSettings(name=spec.name, signing_secret=secret, previous_secret=previous)


def _token(desk: Desk, spec: WebSpec, at: KeyPath) -> SecretStr | None:
    """The token people sign in with. Whoever else has an account on this machine must not be able to read it."""
    if spec.token_file is None:
        return None
    where = (*at, "token_file")
    path = desk.base / spec.token_file
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        desk.complain(where, f"{path} cannot be read: {reason}; {HOW_TO_MAKE}")
        return None
    open_to = why_not_secret(path)
    if open_to:
        desk.complain(where, f"{path} {open_to}")
    if len(token) < SHORTEST_TOKEN:
        desk.complain(
            where, f"{path} holds {len(token)} characters; at least {SHORTEST_TOKEN} are needed; {HOW_TO_MAKE}"
        )
    return SecretStr(token) if token else None


def _judge_proxies(desk: Desk, spec: WebSpec, at: KeyPath) -> None:
    if spec.proxy_user_header is not None and not spec.trusted_proxies:
        message = "anybody could send this header; name the proxies whose word counts in trusted_proxies"
        desk.complain((*at, "proxy_user_header"), message, of_key=True)


def _judge_reach(desk: Desk, spec: WebSpec, at: KeyPath) -> None:
    """A page that others can reach names deals and repeats the CRM's words: it must know who asks."""
    if not spec.enabled or spec.token_file or spec.proxy_user_header or spec.oidc:
        return
    if not is_loopback(spec.host):
        desk.complain(
            (*at, "host"), f"{spec.host!r} lets other machines see the page: say how people sign in, by {WAYS}"
        )
        return
    for index, host in enumerate(spec.allowed_hosts):
        if not is_loopback(host):
            message = f"{host!r} opens the page to other machines: say how people sign in, by {WAYS}"
            desk.complain((*at, "allowed_hosts", index), message)
    if spec.public_url is not None:
        desk.complain((*at, "public_url"), f"opens the page to others: say how people sign in, by {WAYS}")


def _oidc(desk: Desk, spec: WebSpec, oidc: OidcSpec, at: KeyPath) -> OidcSettings | None:
    if spec.public_url is None:
        message = 'is required with [web.oidc]: the page\'s own address, to which people come back, "https://host"'
        desk.complain(("web", "public_url"), message, of_key=True)
    client_id = desk.needed("client_id", oidc, at, suggested="OIDC_CLIENT_ID")
    client_secret = desk.secret("client_secret", oidc, at)
    if client_id is None:
        return None
    return OidcSettings(
        issuer=oidc.issuer, client_id=client_id.get_secret_value(), client_secret=client_secret, people=oidc.people
    )
