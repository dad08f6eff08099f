"""A request through the handlers of a route: what they read, and how they answer."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.routes.exchange import Exchange, Input, Reply
from senior_backend.routes.frameworks import Endpoint, Guard, parameters_of
from senior_backend.routes.interpreter import STEPS, Exhausted, Thrown
from senior_backend.routes.statements import distinct
from senior_backend.routes.values import UNDEFINED, Fn, Native, Obj, Unknown, options

AUTHENTICATION = re.compile(r"(?i)auth|jwt|token|session|logged|signedin|protect|guard|permission|role|admin")
SECRET = re.compile(r"(?i)key|token|secret|auth|session|jwt")
MOST_ERRORS = 16


def answered(it: Any, endpoint: Endpoint) -> Exchange:
    """The exchange after all handlers have run."""
    exchange = Exchange(endpoint.framework)
    exchange.it = it
    kept = it.exchange, it.depth, it.steps, it.calls, it.catchers, it.module
    it.exchange, it.depth, it.steps, it.calls, it.catchers = exchange, 1, STEPS, [], [exchange.thrown]
    try:
        for type_ in endpoint.layer.types[:1] if endpoint.framework == "fastify" else ():
            note_generics(it, exchange, endpoint)
        if endpoint.framework == "express" and endpoint.layer.types:
            note_generics(it, exchange, endpoint)
        run_koa(it, exchange, endpoint.handlers) if endpoint.framework == "koa" else run_in_turn(it, exchange, endpoint)
        it.catchers = [[]]
        failures(it, exchange, endpoint)
    except Thrown:
        pass
    except (Exhausted, RecursionError):
        it.tell("too much to follow: what this route reads and answers may be incomplete", endpoint.layer.place)
    finally:
        it.exchange, it.depth, it.steps, it.calls, it.catchers, it.module = kept
    return exchange


def note_generics(it: Any, exchange: Exchange, endpoint: Endpoint) -> None:
    """router.get<Params, Reply, Body, Query>(...), app.get<{ Params, Body, ... }>(...)."""
    from senior_backend.routes.exchange import record_types
    given = endpoint.layer.types
    pairs = record_types(it.types, given[0]) if endpoint.framework == "fastify" else list(zip(("path", "reply", "body", "query"), given))
    for location, type_ in pairs:
        if location == "reply":
            exchange.reply_type = type_
        elif it.types.schema(type_) not in ({}, {"type": "object"}):
            exchange.use((location, ())).type = type_


def run_in_turn(it: Any, exchange: Exchange, endpoint: Endpoint) -> None:
    for index, (handler, own) in enumerate(endpoint.handlers):
        exchange.own, exchange.handling = own, index == len(endpoint.handlers) - 1
        exchange.state = (Reply(),)
        answers = len(exchange.answers)
        if not step(it, exchange, handler, endpoint):
            break
    else:
        exchange.passed_on = bool(endpoint.handlers) and endpoint.framework == "express" and type(endpoint.handlers[-1][0]) is Fn and len(exchange.answers) == answers


def step(it: Any, exchange: Exchange, handler: Any, endpoint: Endpoint) -> bool:
    """One handler; whether the next one is reached."""
    if hasattr(handler, "handle"):
        return handler.handle(it, exchange)
    if type(handler) is not Fn:
        return unknown_step(it, exchange, handler)
    exchange.annotate(it, handler.type)
    passed: list = []
    exchange.reads, answers, refusals = set(), len(exchange.answers), exchange.refusals
    arguments = [exchange.request, exchange.reply, next_of(it, exchange, passed)]
    it.entering = True
    handled(it, exchange, handler, arguments)
    reached = bool(passed) or endpoint.framework == "fastify" and not exchange.handling or parameters_of(handler) < 3 and not exchange.handling and endpoint.framework == "express" and not exchange.answers[answers:]
    note_credentials(exchange, handler, bool(passed) or endpoint.framework == "fastify" and not exchange.handling, answers, refusals)
    return reached


def unknown_step(it: Any, exchange: Exchange, handler: Any) -> bool:
    if isinstance(handler, Native):
        it.call(handler, UNDEFINED, [exchange.request, exchange.reply, Unknown()], None)
    for option in options(handler):
        name = getattr(option, "why", "")
        if isinstance(option, Unknown) and name and AUTHENTICATION.search(name):
            exchange.assumed.append(name)
    return True


def handled(it: Any, exchange: Exchange, handler: Any, arguments: list) -> None:
    try:
        it.call(handler, UNDEFINED, arguments, None)
    except Thrown as thrown:
        exchange.throw(thrown.value)
    finally:
        it.entering = False


def next_of(it: Any, exchange: Exchange, passed: list) -> Native:
    def work(it: Any, this: Any, arguments: list, node: Any) -> Any:
        it.passed_on += 1
        errors = [option for option in (options(arguments[0]) if arguments else ()) if option is not UNDEFINED and option is not None and option not in ("route", "router")]
        for error in errors:
            exchange.throw(error)
        if not errors:
            passed.append(True)
        return UNDEFINED
    return Native(work)


def run_koa(it: Any, exchange: Exchange, handlers: list) -> None:
    def at(index: int) -> None:
        if index == len(handlers):
            return
        handler, own = handlers[index]
        exchange.own, exchange.handling = own, index == len(handlers) - 1
        if hasattr(handler, "handle"):
            handler.handle(it, exchange)
            return at(index + 1)
        if type(handler) is not Fn:
            unknown_step(it, exchange, handler)
            return at(index + 1)
        exchange.annotate(it, handler.type)
        passed: list = []

        def work(it: Any, this: Any, arguments: list, node: Any) -> Any:
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
        answers, refusals = len(exchange.answers), exchange.refusals
        exchange.reads = set()
        it.call(handler, UNDEFINED, [exchange.request, Native(work)], None)
        note_credentials(exchange, handler, bool(passed), answers, refusals)
    try:
        at(0)
    except Thrown as thrown:
        exchange.throw(thrown.value)


def note_credentials(exchange: Exchange, handler: Fn, passes: bool, answers: int, refusals: int) -> None:
    """A handler in front of others that reads a credential and answers 401 or 403 asks for that credential."""
    refused = exchange.refusals > refusals or any(answer.status in (401, 403) for answer in exchange.answers[answers:]) or any(status in (401, 403) for value in exchange.thrown for status in statuses_of(value))
    if not passes:
        return
    names = [(location, path[0]) for location, path in sorted(exchange.reads) if location in ("header", "cookie") and len(path) == 1]
    for location, name in names if refused else ():
        if name == "authorization" and location == "header":
            scheme = next((word for word in ("bearer", "basic") if word in exchange.scheme_words), None)
            if scheme:
                exchange.credentials[f"{scheme}Auth"] = {"type": "http", "scheme": scheme}
                return
        elif SECRET.search(name):
            exchange.credentials[scheme_name(name)] = {"type": "apiKey", "in": location, "name": name}
            exchange.uses.pop((location, (name,)), None)
            return
    if AUTHENTICATION.search(handler.name or "") and (refused or not exchange.credentials):
        exchange.assumed.append(handler.name)


def scheme_name(name: str) -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    return "".join(word if not index else word[:1].upper() + word[1:] for index, word in enumerate(words)) or "apiKey"


# what is thrown
def failures(it: Any, exchange: Exchange, endpoint: Endpoint) -> None:
    exchange.own, exchange.handling = False, False
    thrown = distinct([option for value in exchange.thrown for option in options(value) if not isinstance(option, Unknown)])[:MOST_ERRORS]
    for value in thrown:
        exchange.state = (Reply(),)
        before = len(exchange.answers)
        for handler in endpoint.errors if endpoint.framework != "koa" else ():
            if type(handler) is not Fn:
                continue
            passed: list = []
            arguments = [value, exchange.request, exchange.reply] + ([next_of(it, exchange, passed)] if endpoint.framework == "express" else [])
            exchange.handling = endpoint.framework == "fastify"
            it.entering = True
            handled(it, exchange, handler, arguments)
            if len(exchange.answers) > before or not passed and endpoint.framework == "express":
                break
        if len(exchange.answers) == before:
            for status in statuses_of(value):
                exchange.answer(status, Unknown())


def statuses_of(value: Any) -> list[int]:
    """The statuses that frameworks answer for an error by itself."""
    found = next((value.props[name] for name in ("statusCode", "status") if name in value.props), None) if type(value) is Obj else None
    return [option for option in options(found) if isinstance(option, int) and not isinstance(option, bool) and 400 <= option <= 599]
