"""From URL to a socket address before any load: names resolved off the loop, one connection (and TLS handshake) made to see that somebody is there."""

from __future__ import annotations

import dataclasses
import errno
import socket
import ssl
import threading
import time

from senior_backend.console import CommandError, ExitCode
from senior_backend.load.plan.model import Origin, Plan, Target


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    family: int
    sockaddr: tuple


class Unreachable(CommandError):
    """Nobody answers at an origin: its target, and the kind of failure as the report names it."""

    def __init__(self, target: Target, kind: str, reason: str, hint: str):
        super().__init__(f"{target.origin.scheme}://{target.origin.authority} cannot be reached: {reason}", hint, ExitCode.ENVIRONMENT, "UNREACHABLE")
        self.target, self.kind = target, kind


HINTS = {
    "connect refused": "start the server, or correct host and port",
    "dns": "check the host name",
    "tls": "give a certificate that this machine trusts, or --no-verify-ssl for a test server",
}


def tls_context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context() if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def reach_all(plan: Plan) -> dict[Origin, Address]:
    """One working address for each origin of the plan. Raises Unreachable."""
    limit = time.monotonic() + min(plan.timeout_s, plan.duration_s + plan.drain_s)
    found: dict[Origin, Address] = {}
    for target in plan.targets:
        if target.origin not in found:
            found[target.origin] = reach(target, plan.verify_tls, limit)
    return found


def reach(target: Target, verify: bool, limit: float) -> Address:
    origin, failure, during = target.origin, OSError("no address"), "connect"
    for address in resolve(target, limit):
        during = "connect"
        try:
            with socket.socket(address.family) as probe:
                probe.settimeout(max(0.05, limit - time.monotonic()))
                probe.connect(address.sockaddr)
                if origin.scheme == "https":
                    during = "tls"
                    with tls_context(verify).wrap_socket(probe, server_hostname=origin.host):
                        pass
            return address
        except OSError as error:
            failure = error
    kind = error_kind(failure, during)
    raise Unreachable(target, kind, f"{kind} ({failure})", HINTS.get(kind, HINTS.get(kind.split(" ")[0], "check host, port and network"))) from failure


def resolve(target: Target, limit: float) -> list[Address]:
    """Addresses of a host in the resolver's order, asked for in a thread so that a dead resolver cannot hold us up."""
    origin, answers = target.origin, []

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(max(0.05, limit - time.monotonic()))
    answer = answers[0] if answers else TimeoutError("the resolver does not answer")
    if isinstance(answer, Exception):
        raise Unreachable(target, "dns", f"the name {origin.host} does not resolve ({answer})", HINTS["dns"])
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in answer]


CONNECT_ERRORS = {
    errno.ECONNREFUSED: "connect refused",
    errno.ETIMEDOUT: "timeout connect",
    errno.EHOSTUNREACH: "connect unreachable",
    errno.ENETUNREACH: "connect unreachable",
    errno.EADDRNOTAVAIL: "client out of ports",
    errno.EMFILE: "client out of files",
    errno.ENFILE: "client out of files",
    errno.EACCES: "connect forbidden",
    errno.EPERM: "connect forbidden",
}
CERTIFICATE_ERRORS = {10: "tls certificate expired", 9: "tls certificate not yet valid", 62: "tls certificate for another host", 64: "tls certificate for another host"}


def error_kind(error: OSError, during: str) -> str:
    """The name under which a failed system call is reported. during: "connect", "tls" or "answer"."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATE_ERRORS.get(error.verify_code, "tls certificate not trusted")
    if isinstance(error, TimeoutError):
        return f"timeout {'response' if during == 'answer' else during}"
    if during == "answer":
        return "tls broken" if isinstance(error, ssl.SSLError) else "connection reset"
    if during == "tls":
        return "tls handshake"
    return CONNECT_ERRORS.get(error.errno, f"connect {errno.errorcode.get(error.errno or 0, 'failed')}")
