"""The Metadata API over SOAP: the envelope, the session in its header, faults, and which call is which.

Not what a call does (`soap_calls.py`). Booleans are taken in any case and prefixes of elements are not looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from connector.sandbox.salesforce import auth, describe
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.metadata import tree
from connector.sandbox.salesforce.metadata.requests import settle
from connector.sandbox.salesforce.metadata.rest import may_deploy
from connector.sandbox.salesforce.metadata.soap_calls import CALLS, Call

if TYPE_CHECKING:
    from connector.sandbox.state import World
    from connector.sandbox.wire import Trace

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
FAULTS = "http://soap.sforce.com/2006/04/metadata"
CONTENT_TYPE = "text/xml; charset=utf-8"
LOOKING = frozenset({"checkDeployStatus", "cancelDeploy"})
WRITING = frozenset({"deploy", "cancelDeploy"})
ILLEGAL = "Invalid Session ID found in SessionHeader: Illegal Session"
_VERSION = re.compile(r"(\d+)\.0")


def serve(world: World, path: tuple[str, ...], body: bytes, trace: Trace) -> tuple[int, bytes]:
    """Answer a POST to /services/Soap/m/<version>[/...]; returns the HTTP status and the envelope."""
    try:
        return 200, _envelope(_answer(world, path, body, trace))
    except ApiError as error:
        message = ILLEGAL if error.code == "INVALID_SESSION_ID" else error.message
        return 500, _fault(f"sf:{error.code}", f"{error.code}: {message}")
    except tree.BadXml as error:
        return 500, _fault("soapenv:Client", f"{error} at line {error.line}")


def _answer(world: World, path: tuple[str, ...], body: bytes, trace: Trace) -> str:
    version = _VERSION.fullmatch(path[0]) if path else None
    if version is None or not describe.OLDEST <= int(version[1]) <= describe.NEWEST:
        raise ApiError("UNSUPPORTED_API_VERSION", f"Invalid Api version specified on URL: {'/'.join(path[:1])}")
    envelope = tree.parse(body)
    header, content = envelope.first("Header"), envelope.first("Body")
    operation = content.children[0] if content and content.children else tree.Node("")
    trace.kind = f"soap.{operation.tag or 'empty'}"
    session = next(header.deep("sessionId"), None) if header else None
    user = auth.caller(world, f"Bearer {session.text.strip() if session else ''}")
    trace.caller = str(user.values["Username"])
    describe.use_one(world)
    total, used = describe.usage(world)
    if used > total:
        raise ApiError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    call = CALLS.get(operation.tag)
    if call is None:
        raise ApiError("INVALID_OPERATION", f"No operation available for request {operation.tag}")
    may_deploy(world, user.id)
    if operation.tag not in LOOKING:
        settle(world)
    inner = call(Call(world, user, path[0], operation))
    trace.rows += 1
    trace.write = operation.tag in WRITING
    results = "".join(tree.render(each) if isinstance(each, tree.Node) else each for each in inner)
    return f'<{operation.tag}Response xmlns="{FAULTS}">{results}</{operation.tag}Response>'


def _envelope(inner: str) -> bytes:
    namespaces = f'xmlns:soapenv="{ENVELOPE}" xmlns:xsi="{XSI}"'
    body = f"<soapenv:Body>{inner}</soapenv:Body>"
    return f"{tree.DECLARATION}<soapenv:Envelope {namespaces}>{body}</soapenv:Envelope>".encode()


def _fault(code: str, text: str) -> bytes:
    inner = f"<faultcode>{escape(code)}</faultcode><faultstring>{escape(text)}</faultstring>"
    namespaces = f'xmlns:soapenv="{ENVELOPE}" xmlns:sf="{FAULTS}"'
    body = f"<soapenv:Body><soapenv:Fault>{inner}</soapenv:Fault></soapenv:Body>"
    return f"{tree.DECLARATION}<soapenv:Envelope {namespaces}>{body}</soapenv:Envelope>".encode()
