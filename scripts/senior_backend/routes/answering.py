"""A request through the handlers of a route: what they read, and how they answer."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.routes.builtins import ERROR
from senior_backend.routes.exchange import Exchange, Reply, positional, record_types, request_types
from senior_backend.routes.frameworks import Endpoint, Parameter, arity
from senior_backend.routes.interpreter import MOST_STEPS, STEPS, Exhausted, Thrown
from senior_backend.routes.statements import distinct
from senior_backend.routes.values import UNDEFINED, Arr, Fn, Native, Obj, Unknown, options

AUTHENTICATION = re.compile(r"(?i)auth|jwt|token|session|logged|signedin|protect|guard|permission|role|admin")
SECRET = re.compile(r"(?i)key|token|secret|auth|session|jwt")
MOST_ERRORS = 16
CHECKED = {"body", "querystring", "query", "params", "headers"}


def answered(it: Any, endpoint: Endpoint) -> Exchange:
    """The exchange after all handlers have run."""
    exchange, generics = Exchange(endpoint.framework, re.findall(r":(\w+)", endpoint.path)), endpoint.layer.types
    kept = it.exchange, it.depth, it.steps, it.calls, it.catchers, it.module
    it.exchange, it.depth, it.steps, it.calls, it.catchers = exchange, 1, STEPS if it.spent < MOST_STEPS else STEPS // 20, [], [exchange.thrown]
    allowed = it.steps
    try:
        if generics and endpoint.framework != "koa":
            exchange.annotate(it, record_types(it.types, generics[0]) if endpoint.framework == "fastify" else positional(generics))
        (run_koa if endpoint.framework == "koa" else run_in_turn)(it, exchange, endpoint)
        it.catchers = [[]]
        failures(it, exchange, endpoint)
    except Thrown:
        pass
    except (Exhausted, RecursionError):
        it.tell("too much to follow: what this route reads and answers may be incomplete", endpoint.layer.place)
    finally:
        it.spent += allowed - it.steps
        it.exchange, it.depth, it.steps, it.calls, it.catchers, it.module = kept
    return exchange


def run_in_turn(it: Any, exchange: Exchange, endpoint: Endpoint) -> None:
    answers, handler = 0, None
    for index, (handler, own) in enumerate(endpoint.handlers):
        exchange.own, exchange.handling, exchange.state, answers = own, index == len(endpoint.handlers) - 1, (Reply(),), len(exchange.answers)
        if not step(it, exchange, handler, endpoint.framework):
            return
    exchange.passed_on = endpoint.framework == "express" and type(handler) is Fn and len(exchange.answers) == answers


def step(it: Any, exchange: Exchange, handler: Any, framework: str) -> bool:
    """One handler; whether the next one is reached."""
    passed: list = []
    if not known_step(it, exchange, handler, [exchange.request, exchange.reply, next_of(exchange, passed)]):
        return True
    hook, before = framework == "fastify" and not exchange.handling, marks(exchange)
    handled(it, exchange, handler, [exchange.request, exchange.reply, next_of(exchange, passed)])
    note_credentials(exchange, handler, bool(passed) or hook, before)
    return bool(passed) or hook or framework == "express" and arity(handler) < 3 and not exchange.handling and len(exchange.answers) == before[0]


def known_step(it: Any, exchange: Exchange, handler: Any, arguments: list) -> bool:
    """Whether a handler is a function of the sources; others are done with here."""
    if hasattr(handler, "handle"):
        handler.handle(it, exchange)
    elif isinstance(handler, Native):
        it.call(handler, UNDEFINED, arguments, None)
    elif type(handler) is Parameter:
        return True
    elif type(handler) is Fn:
        exchange.annotate(it, request_types(it.types, handler.type))
        return True
    for option in options(handler):
        name = getattr(option, "why", "")
        exchange.assumed += [name] if isinstance(option, Unknown) and AUTHENTICATION.search(name) else []
    return False


def handled(it: Any, exchange: Exchange, handler: Any, arguments: list) -> None:
    it.entering = True
    try:
        it.call(handler, UNDEFINED, arguments, None)
    except Thrown as thrown:
        exchange.throw(thrown.value)
    finally:
        it.entering = False


def next_of(exchange: Exchange, passed: list) -> Native:
    def work(it: Any, this: Any, a: list, node: Any) -> Any:
        it.passed_on += 1
        errors = [option for option in (options(a[0]) if a else ()) if option not in (None, "route", "router") and option is not UNDEFINED]
        for error in errors:
            exchange.throw(error)
        passed.extend([] if errors else [True])
        return UNDEFINED
    return Native(work)


def run_koa(it: Any, exchange: Exchange, endpoint: Endpoint) -> None:
    handlers = endpoint.handlers

    def at(index: int) -> None:
        if index == len(handlers):
            return
        handler, own = handlers[index]
        exchange.own, exchange.handling = own, index == len(handlers) - 1
        if not known_step(it, exchange, handler, [exchange.request, Unknown()]):
            return at(index + 1)
        passed: list = []

        def work(it: Any, this: Any, a: list, node: Any) -> Any:
            it.passed_on += 1
            if not passed:
                passed.append(True)
                kept = exchange.state, it.unknown_calls, exchange.own, exchange.handling, exchange.reads
                exchange.state, exchange.reads = (Reply(),), set()
                try:
                    at(index + 1)
                finally:
                    exchange.state, it.unknown_calls, exchange.own, exchange.handling, exchange.reads = kept
            exchange.every(passed=True)
            return UNDEFINED
        before, it.entering = marks(exchange), True
        it.call(handler, UNDEFINED, [exchange.request, Native(work)], None)
        note_credentials(exchange, handler, bool(passed), before)
    try:
        at(0)
    except Thrown as thrown:
        exchange.throw(thrown.value)


# credentials
def marks(exchange: Exchange) -> tuple[int, int]:
    exchange.reads = set()
    return len(exchange.answers), exchange.refusals


def note_credentials(exchange: Exchange, handler: Fn, passes: bool, before: tuple[int, int]) -> None:
    """A handler in front of others that reads a credential and answers 401 or 403 asks for that credential."""
    refused = exchange.refusals > before[1] or any(answer.status in (401, 403) for answer in exchange.answers[before[0]:]) or any(status in (401, 403) for value in exchange.thrown for status in statuses_of(value))
    if not passes:
        return
    for location, name in sorted((location, path[0]) for location, path in exchange.reads if location in ("header", "cookie") and len(path) == 1) if refused else ():
        word = next((word for word in ("bearer", "basic") if word in exchange.scheme_words), None)
        if (location, name) == ("header", "authorization"):
            exchange.credentials.update({f"{word}Auth": {"type": "http", "scheme": word}} if word else {})
        elif SECRET.search(name):
            words = [part for part in re.split(r"[^A-Za-z0-9]+", name) if part]
            exchange.credentials["".join(part if not index else part[:1].upper() + part[1:] for index, part in enumerate(words))] = {"type": "apiKey", "in": location, "name": name}
            exchange.uses.pop((location, (name,)), None)
    if AUTHENTICATION.search(handler.name or "") and (refused or not exchange.credentials):
        exchange.assumed.append(handler.name)


# what is thrown
def failures(it: Any, exchange: Exchange, endpoint: Endpoint) -> None:
    given = endpoint.layer.options.props.get("schema") if type(endpoint.layer.options) is Obj else None
    if type(given) is Obj and CHECKED & given.props.keys() and any(type(handler) is Fn and b"validation" in handler.node.text for handler in endpoint.errors):
        exchange.throw(Obj({"statusCode": 400, "code": "FST_ERR_VALIDATION", "message": "", "validation": Arr([], True), "validationContext": Unknown()}, ERROR))
    exchange.own, exchange.handling = False, endpoint.framework == "fastify"
    for value in distinct([option for value in exchange.thrown for option in options(value) if not isinstance(option, Unknown)])[:MOST_ERRORS]:
        exchange.state, before = (Reply(),), len(exchange.answers)
        for handler in endpoint.errors if endpoint.framework != "koa" else ():
            passed: list = []
            if isinstance(handler, (Fn, Native)):
                handled(it, exchange, handler, [value, exchange.request, exchange.reply, next_of(exchange, passed)][:4 if endpoint.framework == "express" else 3])
            if len(exchange.answers) > before or type(handler) is Fn and not passed and endpoint.framework == "express":
                break
        for status in statuses_of(value) if len(exchange.answers) == before else ():
            exchange.answer(status, Unknown())


def statuses_of(value: Any) -> list[int]:
    """The statuses that frameworks answer for an error by itself."""
    found = next((value.props[name] for name in ("statusCode", "status") if name in value.props), None) if type(value) is Obj else None
    return [option for option in options(found) if isinstance(option, int) and not isinstance(option, bool) and 400 <= option <= 599]
