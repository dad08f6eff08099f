"""Patterns of JSON Schema as regular expressions of JavaScript, judged against a real engine."""
import json
import random
import subprocess
import time

import pytest

from senior_backend.scaffold.values.patterns import check_pattern
from senior_backend.scaffold.values.regex.syntax import NotARegex, parse

PIECES = r"""a b - _ ^ $ . * + ? { } {2} {2,} {2,3} {3,2} ( ) (?: (?= (?! (?<= (?<! (?<n> (?<m> [ ] [^ | \ / \d \W \b \B \k<n> \k \1 \2 \0 \c \cA \x4 \x41 \u \u0041 \u{41}
\u{110000} \ud83d\ude00 \ud83d \p{L} \P{Lu} \p{Script=Greek} \p{sc=Grek} \p{Greek} \p{gc=Lu} \p{Alpha} \p \pL \- \_ \/ \é é 😀 && [:alpha:] 0 12 , : = < > ! # \A \Z \h \8 ++ *?""".split() + [" ", "\n", "\u2028", "\ud83d"]
SHAPES = ("{}", "({})", "(?:{})+", "^{}$", "[{}]", "(?=({}))*", "(?<n>{}){{1,2}}", "(a){}", "{}|b")
JUDGE = """
const ok = (pattern, flags) => { try { new RegExp(pattern, flags); return true; } catch { return false; } };
const literal = (text) => { try { return (0, eval)(text) instanceof RegExp; } catch { return false; } };
const answer = JSON.parse(require('fs').readFileSync(0, 'utf8')).map(([source, written]) => [ok(source, 'u'), written === null || literal(written)]);
console.log(JSON.stringify(answer));
"""


def made_up(count: int) -> list[str]:
    chance = random.Random(7)
    return [chance.choice(SHAPES).format("".join(chance.choices(PIECES, k=chance.randint(0, 5)))) for _ in range(count)]


def strict(source: str) -> bool:
    try:
        return parse(source).strict
    except NotARegex:
        return False


def test_the_verdict_is_that_of_a_javascript_engine(node):
    sources = made_up(4000)
    task = json.dumps([[source, check_pattern(source).expression] for source in sources])
    answers = json.loads(subprocess.run([str(node), "-e", JUDGE], input=task, capture_output=True, text=True, check=True).stdout)
    wrong = [source for source, (valid, _) in zip(sources, answers) if strict(source) != valid]
    assert wrong == []
    assert [source for source, (_, literal) in zip(sources, answers) if not literal] == []
    assert 500 < sum(valid for valid, _ in answers) < 3500


@pytest.mark.parametrize("source, expression", [
    (r"^[\w\-\.]+\@x\_y$", r"/^[\w\-\.]+@x_y$/u"),
    ("^a/b$", r"/^a\/b$/u"),
    ("", "/(?:)/u"),
    ("}{]", r"/\}\{\]/u"),
    ("\n\u2028*/", r"/\n\u2028*\//u"),
    ("\ud83d", r"/\u{d83d}/u"),
    (r"\Aabc\Z", "/^abc$/u"),
    (r"(?P<year>[0-9]{4})\k<year>", r"/(?<year>[0-9]{4})\k<year>/u"),
    ("^(?i)yes$", "/^yes$/iu"),
    (r"[\w-.]", r"/[\w\-.]/u"),
    ("/v1/a", r"/\/v1\/a/u"),
])
def test_what_is_not_strict_is_put_in_other_words(source, expression):
    assert check_pattern(source).expression == expression


@pytest.mark.parametrize("source", ["a++", "(?>a)", "(?R)", r"\Ka", r"\R", "a(?i)b", "(", "[", "a{2,1}", r"\1", r"\k<x>", "*", "[z-a]", r"\p{Nonsense}", r"\p{Han}", "(?=a)*", "(?<a>x)|(?<a>y)", "[[:alpha:]]", r"^\d{10, 15}$", "/^a$/", r"^\m$", "[a-z&&[^b]]", "(" * 300 + ")" * 300, "\\"])
def test_what_cannot_be_said_is_explained(source):
    pattern = check_pattern(source)
    assert pattern.expression is None and pattern.problem and pattern.danger == ""


@pytest.mark.parametrize("source", [
    "(a+)+$", "(a|a)*$", r"^(\w+\s?)*$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a*)*b", "^(a?a?)*$", "(.*a){20}$", "([a-z]{1,10})*$", r"^(\d{4}|\d{8})*$", "(?=(a+)+$)b", "(a+){1,50}$",
])
def test_exponential(source):
    assert check_pattern(source).danger == "exponential"


@pytest.mark.parametrize("source", [r"\d+\d+$", ".*.*=", r"^\s*,?\s*$", "^(.+)-(.+)-(.+)$"])
def test_polynomial(source):
    assert check_pattern(source).danger == "polynomial"


@pytest.mark.parametrize("source", [
    "^[a-z0-9]+(-[a-z0-9]+)*$", r"^[^\s@]+@[^\s@]+\.[^\s@]+$", "^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", "(a+)+", r"^\S(.*\S)?$", "[a-z]+$",
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?$", r"^(?=.*[A-Z])(?=.*\d)[A-Za-z\d]{8,}$",
    "^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$", r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?$", r'^"(?:[^"\\]|\\.)*"$', "^" + "a?" * 200,
])
def test_harmless(source):
    assert check_pattern(source).danger == ""


def test_large_patterns_are_judged_in_time():
    sources = ["^(" + "|".join(f"{first}{second}x*" for first in "abcdefghij" for second in "klmnopqrst") + ")*$", "(" * 90 + "a+" + ")+" * 90 + "$", "a" * 100_000 + "[b-c]+"]
    start = time.process_time()
    assert check_pattern(sources[1]).danger == "exponential"
    assert all(check_pattern(source).expression for source in sources)
    assert time.process_time() - start < 2
