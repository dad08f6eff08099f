"""Text search parsers, templates, dictionaries and configurations."""
from __future__ import annotations

import re
from typing import Any

from senior_backend.migrate.kinds.simple import by_name, options, simple
from senior_backend.migrate.steps import Context, Kind, Step
from senior_backend.postgres.model import Fact
from senior_backend.postgres.quote import ident

# name = 'value' as pg_ts_dict.dictinitoption writes it
OPTION = re.compile(r"""("(?:[^"]|"")+"|\w+) = (E?'(?:[^'\\]|''|\\.)*'|[^',]+)""")


def with_functions(noun: str):
    """Parsers and templates: attributes are functions and nothing else."""
    return lambda fact, context: f"{noun} {by_name(fact.id)} ({options({name.upper(): function for name, function in fact.attributes.items()})})"


def dictionary(fact: Fact, context: Context) -> str:
    given = fact.attributes.get("options")
    return f"TEXT SEARCH DICTIONARY {by_name(fact.id)} (TEMPLATE = {fact.attributes['template']}{', ' + given if given else ''})"


def change_dictionary(before: dict[str, Any], after: dict[str, Any]) -> list[str] | None:
    """New values, and the names alone of the options that go."""
    if before["template"] != after["template"]:
        return None
    old, new = (dict(OPTION.findall(attributes.get("options", ""))) for attributes in (before, after))
    words = [name for name in old if name not in new] + [f"{name} = {value}" for name, value in new.items() if old.get(name) != value]
    return [f"({', '.join(words)})"]


def mapping(action: str, token: str, dictionaries: list[str]) -> str:
    return f"{action} MAPPING FOR {ident(token)} WITH {', '.join(dictionaries)}"


def change_configuration(before: dict[str, Any], after: dict[str, Any]) -> list[str] | None:
    if before["parser"] != after["parser"]:
        return None
    old, new = before["mappings"], after["mappings"]
    gone = [f"DROP MAPPING FOR {ident(token)}" for token in sorted(old) if token not in new]
    return gone + [mapping("ALTER" if token in old else "ADD", token, new[token]) for token in sorted(new) if old.get(token) != new[token]]


def create_configuration(fact: Fact, context: Context) -> list[Step]:
    mappings = fact.attributes["mappings"]
    return CONFIG_BASE.create(fact, context) + [
        Step(f"ALTER TEXT SEARCH CONFIGURATION {by_name(fact.id)} {mapping('ADD', token, mappings[token])}") for token in sorted(mappings)]


CONFIG_BASE = simple("TEXT SEARCH CONFIGURATION", lambda fact, context: f"TEXT SEARCH CONFIGURATION {by_name(fact.id)} (PARSER = {fact.attributes['parser']})", change_configuration)

PARSER = simple("TEXT SEARCH PARSER", with_functions("TEXT SEARCH PARSER"))
TEMPLATE = simple("TEXT SEARCH TEMPLATE", with_functions("TEXT SEARCH TEMPLATE"))
DICTIONARY = simple("TEXT SEARCH DICTIONARY", dictionary, change_dictionary)
CONFIG = Kind(create_configuration, CONFIG_BASE.drop, CONFIG_BASE.alter)
