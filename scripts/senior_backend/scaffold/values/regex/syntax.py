r"""Regular expressions of ECMAScript as they are with the flag u (ECMA-262, 22.2.1): parsed, and spelled as literals of a source file; and the sets of code
points (sorted tuples of inclusive ranges) that their classes and \p{...} name, by Unicode 15.0 as Node 20 and later have it.

What is valid only without u (needless escapes such as `\_`, a bare `{` or `]`) and what other engines spell otherwise (`\A`, `(?P<n>`, `(?i)` at the start) is
rewritten; `Parsed.strict` tells whether nothing had to be.
"""
from __future__ import annotations

import dataclasses
import functools
import re
import unicodedata
from typing import Callable, Iterable, Iterator

from senior_backend.scaffold.typescript import UNSAFE

Ranges = tuple[tuple[int, int], ...]


def named(entries: str) -> dict[str, str]:
    """{every name: its first name} of "first=other=other" words."""
    return {name: names[0] for names in (word.split("=") for word in entries.split()) for name in names}


CATEGORIES = named("""
C=Other Cc=Control=cntrl Cf=Format Cn=Unassigned Co=Private_Use Cs=Surrogate L=Letter LC=Cased_Letter Ll=Lowercase_Letter Lm=Modifier_Letter Lo=Other_Letter
Lt=Titlecase_Letter Lu=Uppercase_Letter M=Mark=Combining_Mark Mc=Spacing_Mark Me=Enclosing_Mark Mn=Nonspacing_Mark N=Number Nd=Decimal_Number=digit
Nl=Letter_Number No=Other_Number P=Punctuation=punct Pc=Connector_Punctuation Pd=Dash_Punctuation Pe=Close_Punctuation Pf=Final_Punctuation
Pi=Initial_Punctuation Po=Other_Punctuation Ps=Open_Punctuation S=Symbol Sc=Currency_Symbol Sk=Modifier_Symbol Sm=Math_Symbol So=Other_Symbol Z=Separator
Zl=Line_Separator Zp=Paragraph_Separator Zs=Space_Separator
""")
BINARY_PROPERTIES = named("""
ASCII ASCII_Hex_Digit=AHex Alphabetic=Alpha Any Assigned Bidi_Control=Bidi_C Bidi_Mirrored=Bidi_M Case_Ignorable=CI Cased Changes_When_Casefolded=CWCF
Changes_When_Casemapped=CWCM Changes_When_Lowercased=CWL Changes_When_NFKC_Casefolded=CWKCF Changes_When_Titlecased=CWT Changes_When_Uppercased=CWU Dash
Default_Ignorable_Code_Point=DI Deprecated=Dep Diacritic=Dia Emoji Emoji_Component=EComp Emoji_Modifier=EMod Emoji_Modifier_Base=EBase
Emoji_Presentation=EPres Extended_Pictographic=ExtPict Extender=Ext Grapheme_Base=Gr_Base Grapheme_Extend=Gr_Ext Hex_Digit=Hex IDS_Binary_Operator=IDSB
IDS_Trinary_Operator=IDST ID_Continue=IDC ID_Start=IDS Ideographic=Ideo Join_Control=Join_C Logical_Order_Exception=LOE Lowercase=Lower Math
Noncharacter_Code_Point=NChar Pattern_Syntax=Pat_Syn Pattern_White_Space=Pat_WS Quotation_Mark=QMark Radical Regional_Indicator=RI Sentence_Terminal=STerm
Soft_Dotted=SD Terminal_Punctuation=Term Unified_Ideograph=UIdeo Uppercase=Upper Variation_Selector=VS White_Space=space XID_Continue=XIDC XID_Start=XIDS
""")
SCRIPTS = named("""
Adlam=Adlm Ahom Anatolian_Hieroglyphs=Hluw Arabic=Arab Armenian=Armn Avestan=Avst Balinese=Bali Bamum=Bamu Bassa_Vah=Bass Batak=Batk Bengali=Beng
Bhaiksuki=Bhks Bopomofo=Bopo Brahmi=Brah Braille=Brai Buginese=Bugi Buhid=Buhd Canadian_Aboriginal=Cans Carian=Cari Caucasian_Albanian=Aghb Chakma=Cakm Cham
Cherokee=Cher Chorasmian=Chrs Common=Zyyy Coptic=Copt=Qaac Cuneiform=Xsux Cypriot=Cprt Cypro_Minoan=Cpmn Cyrillic=Cyrl Deseret=Dsrt Devanagari=Deva
Dives_Akuru=Diak Dogra=Dogr Duployan=Dupl Egyptian_Hieroglyphs=Egyp Elbasan=Elba Elymaic=Elym Ethiopic=Ethi Georgian=Geor Glagolitic=Glag Gothic=Goth
Grantha=Gran Greek=Grek Gujarati=Gujr Gunjala_Gondi=Gong Gurmukhi=Guru Han=Hani Hangul=Hang Hanifi_Rohingya=Rohg Hanunoo=Hano Hatran=Hatr Hebrew=Hebr
Hiragana=Hira Imperial_Aramaic=Armi Inherited=Qaai=Zinh Inscriptional_Pahlavi=Phli Inscriptional_Parthian=Prti Javanese=Java Kaithi=Kthi Kannada=Knda
Katakana=Kana Kawi Kayah_Li=Kali Kharoshthi=Khar Khitan_Small_Script=Kits Khmer=Khmr Khojki=Khoj Khudawadi=Sind Lao=Laoo Latin=Latn Lepcha=Lepc Limbu=Limb
Linear_A=Lina Linear_B=Linb Lisu Lycian=Lyci Lydian=Lydi Mahajani=Mahj Makasar=Maka Malayalam=Mlym Mandaic=Mand Manichaean=Mani Marchen=Marc
Masaram_Gondi=Gonm Medefaidrin=Medf Meetei_Mayek=Mtei Mende_Kikakui=Mend Meroitic_Cursive=Merc Meroitic_Hieroglyphs=Mero Miao=Plrd Modi Mongolian=Mong
Mro=Mroo Multani=Mult Myanmar=Mymr Nabataean=Nbat Nag_Mundari=Nagm Nandinagari=Nand New_Tai_Lue=Talu Newa Nko=Nkoo Nushu=Nshu Nyiakeng_Puachue_Hmong=Hmnp
Ogham=Ogam Ol_Chiki=Olck Old_Hungarian=Hung Old_Italic=Ital Old_North_Arabian=Narb Old_Permic=Perm Old_Persian=Xpeo Old_Sogdian=Sogo Old_South_Arabian=Sarb
Old_Turkic=Orkh Old_Uyghur=Ougr Oriya=Orya Osage=Osge Osmanya=Osma Pahawh_Hmong=Hmng Palmyrene=Palm Pau_Cin_Hau=Pauc Phags_Pa=Phag Phoenician=Phnx
Psalter_Pahlavi=Phlp Rejang=Rjng Runic=Runr Samaritan=Samr Sharada=Shrd Shavian=Shaw Siddham=Sidd SignWriting=Sgnw Sinhala=Sinh Sogdian=Sogd Sora_Sompeng=Sora
Soyombo=Soyo Sundanese=Sund Syloti_Nagri=Sylo Syriac=Syrc Tagalog=Tglg Tagbanwa=Tagb Tai_Le=Tale Tai_Tham=Lana Tai_Viet=Tavt Takri=Takr Tamil=Taml Tangsa=Tnsa
Tangut=Tang Telugu=Telu Thaana=Thaa Thai Tibetan=Tibt Tifinagh=Tfng Tirhuta=Tirh Toto Ugaritic=Ugar Unknown=Zzzz Vai=Vaii Vithkuqi=Vith Wancho=Wcho
Warang_Citi=Wara Yezidi=Yezi Yi=Yiii Zanabazar_Square=Zanb
""")

LAST = 0x10FFFF
ANY: Ranges = ((0, LAST),)
DIGITS: Ranges = ((0x30, 0x39),)
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE: Ranges = ((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF))
LINE_ENDS: Ranges = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
# Unicode assigns nothing between the last ideographs and the tags, and only private use after them
UNASSIGNED, PRIVATE = (0x323B0, 0xDFFFF), (0xF0000, LAST)


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same code points as sorted ranges that neither overlap nor touch."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    found, start = [], 0
    for low, high in ranges:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    return tuple([*found, (start, LAST)] if start <= LAST else found)


def contains(ranges: Ranges, point: int) -> bool:
    return any(low <= point <= high for low, high in ranges)


def size(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


def both_cases(ranges: Ranges) -> Ranges:
    """The ranges with the other case of their letters; large sets are only folded within ASCII."""
    added = list(ranges)
    for low, high in ranges:
        if high - low > 2000:
            low, high = max(low, 0x41), min(high, 0x7A)
        for point in range(low, high + 1):
            letter = chr(point)
            added.extend((ord(other), ord(other)) for other in (letter.lower(), letter.upper()) if len(other) == 1 and other != letter)
    return union(added)


def where(holds: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    for start, end in ((0, UNASSIGNED[0] - 1), (0xE0000, 0xE01FF)):
        low = None
        for point in range(start, end + 2):
            if point <= end and holds(chr(point)):
                low = point if low is None else low
            elif low is not None:
                yield low, point - 1
                low = None


@functools.cache
def category(code: str) -> Ranges:
    """A general category by its short name: "Lu", or a group of them: "L", "LC"."""
    wanted = ("Lu", "Ll", "Lt") if code == "LC" else (code,)
    edges = ([UNASSIGNED, (0xE0200, 0xEFFFF)] if "Cn".startswith(code) else []) + ([PRIVATE] if "Co".startswith(code) else [])
    return union([*where(lambda letter: unicodedata.category(letter).startswith(wanted)), *edges])


@functools.cache
def script(name: str) -> Ranges:
    """The letters of a script, as far as their Unicode names say it."""
    prefix = {"HAN": "CJK UNIFIED IDEOGRAPH"}.get(name.upper(), name.upper().replace("_", " ")) + ("" if name == "Han" else " ")
    return union(where(lambda letter: unicodedata.name(letter, "").startswith(prefix)))


BINARY: dict[str, Callable[[str], bool]] = {
    "Alphabetic": lambda letter: letter.isalpha() or unicodedata.category(letter) == "Nl",
    "Lowercase": str.islower, "Uppercase": str.isupper, "ASCII": str.isascii,
    "White_Space": lambda letter: ord(letter) in (0x85, *range(9, 14)) or unicodedata.category(letter) in ("Zs", "Zl", "Zp"),
}


def is_property(name: str, value: str) -> bool:
    r"""Whether \p{name=value}, or \p{value} when the name is "", is valid."""
    if name in ("Script", "sc", "Script_Extensions", "scx"):
        return value in SCRIPTS
    return name in ("", "General_Category", "gc") and value in CATEGORIES or not name and value in BINARY_PROPERTIES


@functools.cache
def of_property(name: str, value: str) -> Ranges | None:
    r"""The set that a valid \p{name=value} (or \p{value}, then name is "") names; None when it is not known here."""
    if name in ("", "General_Category", "gc") and value in CATEGORIES:
        return category(CATEGORIES[value])
    if name:
        return script(SCRIPTS[value]) if SCRIPTS[value] not in ("Common", "Inherited", "Unknown") else None
    test = BINARY.get(BINARY_PROPERTIES[value])
    return union(where(test)) if test else None


DEPTH_LIMIT = 100                      # of nested groups
SYNTAX_CHARACTERS = frozenset("^$\\.*+?()[]{}|/")
CONTROLS = {"f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
SETS = {"d": DIGITS, "s": SPACE, "w": WORD}
OPENINGS = ("(?:", "(?=", "(?!", "(?<=", "(?<!")
ELSEWHERE = {"A": "^", "Z": "$", "z": "$"}             # what other engines write for the ends of the text
FLAGS = re.compile(r"(\^?)\(\?([ims]+)\)")
QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(,?)(\d*)\})(\??)", re.ASCII)
SPACED_QUANTIFIER = re.compile(r"\{ *\d+ *(, *\d* *)?\}", re.ASCII)
NAME = re.compile(r"(?:[^>\\]|\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]+\})+(?=>)")
PROPERTY = re.compile(r"\{(?:([A-Za-z_]+)=)?([A-Za-z0-9_]+)\}")
REFERENCE = re.compile(r"[1-9][0-9]*")
SURROGATE_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
CODE_POINT = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\})")
CONTROL = re.compile(r"\\c([A-Za-z])")
NULL = re.compile(r"\\0(?![0-9])")


class NotARegex(ValueError):
    """The source is no regular expression that ECMAScript can hold; the message says why."""


@dataclasses.dataclass(slots=True, eq=False)
class Chars:
    """One code point of a set; ranges is None for a property whose members are not known here."""
    ranges: Ranges | None


@dataclasses.dataclass(slots=True, eq=False)
class Sequence:
    items: list[Node]


@dataclasses.dataclass(slots=True, eq=False)
class Choice:
    items: list[Node]


@dataclasses.dataclass(slots=True, eq=False)
class Repeat:
    item: Node
    low: int
    high: int | None                   # None: without end
    lazy: bool


@dataclasses.dataclass(slots=True, eq=False)
class Group:
    """A capturing group."""
    item: Node
    number: int
    name: str


@dataclasses.dataclass(slots=True, eq=False)
class Look:
    item: Node
    behind: bool
    negative: bool


@dataclasses.dataclass(slots=True, eq=False)
class Anchor:
    kind: str                          # "^", "$", "b" or "B"


@dataclasses.dataclass(slots=True, eq=False)
class Backreference:
    target: int | str                  # number or name of the group


Node = Chars | Sequence | Choice | Repeat | Group | Look | Anchor | Backreference


def walk(tree: Node) -> Iterator[Node]:
    """All nodes, each before what is inside it, in the order of the expression."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.items) if isinstance(node, (Sequence, Choice)) else [node.item] if isinstance(node, (Repeat, Group, Look)) else ())


@dataclasses.dataclass(slots=True)
class Parsed:
    tree: Node
    text: str                          # valid with the flag u; between slashes it is a literal
    flags: str                         # of the start: "i", "s", "m"; u not included
    strict: bool                       # the source itself is valid with the flag u


def parse(source: str) -> Parsed:
    """Raises NotARegex."""
    source = source.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    flags = FLAGS.match(source)
    return Parser(flags[1] + source[flags.end():] if flags else source, flags[2] if flags else "").parse()


class Parser:
    def __init__(self, source: str, flags: str):
        self.source, self.flags, self.at, self.strict = source, "".join(sorted(set(flags))), 0, not flags
        self.edits: list[tuple[int, int, str]] = []        # (start, end, what is written instead)
        self.groups, self.depth = 0, 0
        self.names: set[str] = set()
        self.references: list[Backreference] = []

    def parse(self) -> Parsed:
        tree = self.choice()
        if self.at < len(self.source):
            raise NotARegex(f"the ) at position {self.at + 1} closes no group")
        for reference in self.references:
            if reference.target not in self.names if isinstance(reference.target, str) else reference.target > self.groups:
                raise NotARegex(f"\\{reference.target if isinstance(reference.target, int) else f'k<{reference.target}>'} refers to no group")
        text, end = [], 0
        for start, after, new in sorted(self.edits):
            text += [self.source[end:start], new]
            end = after
        return Parsed(tree, "".join([*text, self.source[end:]]) or "(?:)", self.flags, self.strict)

    def edit(self, start: int, new: str, strict: bool = False) -> None:
        """What was read from start on is written otherwise; strict: it is valid as it is, and only no text for a source file."""
        self.edits.append((start, self.at, new))
        self.strict &= strict

    def eat(self, text: str) -> bool:
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def choice(self) -> Node:
        branches = [self.sequence()]
        while self.eat("|"):
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else Choice(branches)

    def sequence(self) -> Node:
        items: list[Node] = []
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            items.append(self.quantified(self.term()))
        return items[0] if len(items) == 1 else Sequence(items)

    def term(self) -> Node:
        """The next atom or assertion."""
        start, letter = self.at, self.source[self.at]
        if letter in "([\\":
            return self.group() if letter == "(" else self.character_class() if letter == "[" else self.escape()
        if letter in "*+?" or letter == "{" and QUANTIFIER.match(self.source, start):
            raise NotARegex(f"nothing to repeat before the {letter} at position {start + 1}")
        self.at += 1
        if letter in "^$":
            return Anchor(letter)
        if letter == ".":
            return Chars(ANY if "s" in self.flags else complement(LINE_ENDS))
        if letter in "{}]":
            if spaced := SPACED_QUANTIFIER.match(self.source, start):
                raise NotARegex(f"{spaced[0]} is read as text: a quantifier holds no blanks")
            self.edit(start, "\\" + letter)
        elif (text := spelled(letter)) != letter:
            self.edit(start, text, strict=True)
        return self.chars(((ord(letter), ord(letter)),))

    def chars(self, ranges: Ranges | None) -> Chars:
        return Chars(both_cases(ranges) if ranges and "i" in self.flags else ranges)

    def quantified(self, item: Node) -> Node:
        match = QUANTIFIER.match(self.source, self.at)
        if not match:
            return item
        if isinstance(item, (Anchor, Look)) or QUANTIFIER.match(self.source, match.end()):
            raise NotARegex(f"nothing to repeat before the {match[0]} at position {self.at + 1}" if isinstance(item, (Anchor, Look)) else f"JavaScript has no possessive or doubled quantifiers such as {match[0]}+")
        self.at = match.end()
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(match[1]) or (int(match[2][:12]), int(match[4][:12]) if match[4] else None if match[3] else int(match[2][:12]))
        if high is not None and high < low:
            raise NotARegex(f"the numbers of {match[0]} are out of order")
        return Repeat(item, low, high, bool(match[5]))

    def group(self) -> Node:
        start = self.at
        for opening in OPENINGS:
            if self.eat(opening):
                item = self.closed(start)
                return Sequence([item]) if opening == "(?:" else Look(item, "<" in opening, "!" in opening)
        if self.eat("(?P<"):
            self.edit(start, "(?<")
            return self.capturing(start, self.group_name(start))
        if self.eat("(?<"):
            return self.capturing(start, self.group_name(start))
        if self.source.startswith(("(?", "(*"), start):
            raise NotARegex(f"the group at position {start + 1}, {self.source[start:start + 4]}, is not one that JavaScript knows")
        self.at += 1
        return self.capturing(start, "")

    def capturing(self, start: int, name: str) -> Group:
        self.groups += 1
        if name in self.names:
            raise NotARegex(f"two groups are named {name}")
        self.names |= {name} - {""}
        number = self.groups
        return Group(self.closed(start), number, name)

    def closed(self, start: int) -> Node:
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise NotARegex(f"groups are nested deeper than {DEPTH_LIMIT}")
        item = self.choice()
        self.depth -= 1
        if not self.eat(")"):
            raise NotARegex(f"the group at position {start + 1} is not closed")
        return item

    def group_name(self, start: int) -> str:
        match = NAME.match(self.source, self.at)
        name = re.sub(r"\\u\{?([0-9a-fA-F]+)\}?", lambda found: chr(min(int(found[1], 16), LAST)), match[0]) if match else ""
        name = name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        if not match or not is_name(name):
            raise NotARegex(f"the group at position {start + 1} has no valid name")
        self.at = match.end() + 1
        return name

    def escape(self) -> Node:
        """Outside classes: an assertion, a reference, a set or a character."""
        start, letter = self.at, self.source[self.at + 1:self.at + 2]
        if letter and letter in "bBAZz":
            self.at += 2
            if letter in ELSEWHERE:
                self.edit(start, ELSEWHERE[letter])
            return Anchor(ELSEWHERE.get(letter, letter))
        if letter == "k":
            self.at += 2
            if not self.eat("<"):
                raise NotARegex("\\k is not followed by the <name> of a group")
            return self.reference(self.group_name(start))
        if digits := REFERENCE.match(self.source, self.at + 1):
            self.at = digits.end()
            return self.reference(int(digits[0][:9]))
        return self.chars(self.escaped_set(in_class=False))

    def reference(self, target: int | str) -> Backreference:
        self.references.append(Backreference(target))
        return self.references[-1]

    def escaped_set(self, in_class: bool) -> Ranges | None:
        """What a backslash and what follows it stand for; None for a property that is valid but not known here."""
        letter = self.source[self.at + 1:self.at + 2]
        if not letter:
            raise NotARegex("\\ at the end of the pattern")
        if letter.lower() in SETS:
            self.at += 2
            return SETS[letter] if letter.islower() else complement(SETS[letter.lower()])
        if letter in "pP":
            match = PROPERTY.match(self.source, self.at + 2)
            if not match or not is_property(match[1] or "", match[2]):
                raise NotARegex(f"{self.source[self.at:match.end() if match else self.at + 12]} names no Unicode property that JavaScript knows")
            self.at = match.end()
            ranges = of_property(match[1] or "", match[2])
            return complement(ranges) if letter == "P" and ranges is not None else ranges
        point = self.escaped_character(letter, in_class)
        return ((point, point),)

    def escaped_character(self, letter: str, in_class: bool) -> int:
        r"""The code point of \n, \x41, \u{1F600}, \cA, \0, \/ and the like."""
        start = self.at
        point, self.at = self.numeric_escape()
        if point is None:
            self.at = start + 2
            if in_class and letter in "-b" or letter in SYNTAX_CHARACTERS:
                return 8 if letter == "b" else ord(letter)
            if letter.isascii() and letter.isalnum():
                raise NotARegex(f"\\{letter} has no meaning in JavaScript")
            point = ord(letter)
            self.edit(start, spelled(letter))
        return point

    def numeric_escape(self) -> tuple[int | None, int]:
        """(code point, end) of an escape by name or number; (None, 0) when it is none."""
        source, at = self.source, self.at
        if source[at + 1] in CONTROLS:
            return CONTROLS[source[at + 1]], at + 2
        if match := SURROGATE_PAIR.match(source, at):
            return 0x10000 + ((int(match[1], 16) - 0xD800) << 10) + int(match[2], 16) - 0xDC00, match.end()
        if match := CODE_POINT.match(source, at):
            point = int(match[1] or match[2] or match[3], 16)
            if point > LAST:
                raise NotARegex(f"{match[0]} is beyond the last code point")
            return point, match.end()
        if match := CONTROL.match(source, at) or NULL.match(source, at):
            return ord(match[0][-1]) % 32 if match[0] != "\\0" else 0, match.end()
        return None, 0

    def character_class(self) -> Chars:
        start = self.at
        self.at += 1
        negative = self.eat("^")
        ranges: list[tuple[int, int]] | None = []
        while not self.eat("]"):
            if self.at >= len(self.source):
                raise NotARegex(f"the class at position {start + 1} is not closed")
            found = self.class_range(start)
            ranges = None if ranges is None or found is None else [*ranges, *found]
        if "[" in self.source[start + 1:self.at - 1].replace("\\[", "") and self.source.startswith("]", self.at):
            raise NotARegex(f"the class {self.source[start:self.at]} ends at its first ], so that the ] after it would stand for itself")
        members = self.chars(None if ranges is None else union(ranges)).ranges
        return Chars(complement(members) if negative and members is not None else members)

    def class_range(self, start: int) -> Ranges | None:
        """One member or range of a class."""
        low = self.class_member()
        dash, follows = self.at, self.source[self.at:self.at + 2]
        if len(follows) < 2 or follows[0] != "-" or follows[1] == "]":
            return low
        self.at += 1
        high = self.class_member()
        if low is None or high is None or size(low) != 1 or size(high) != 1:
            self.edits.append((dash, dash + 1, "\\-"))
            self.strict = False
            return None if low is None or high is None else (*low, (0x2D, 0x2D), *high)
        if high[0][0] < low[0][0]:
            raise NotARegex(f"the range {self.source[dash - 1:dash + 2]} in the class at position {start + 1} is out of order")
        return ((low[0][0], high[0][0]),)

    def class_member(self) -> Ranges | None:
        start, letter = self.at, self.source[self.at]
        if letter == "\\":
            return self.escaped_set(in_class=True)
        self.at += 1
        if letter == "/" or letter == "-" and not self.strict or UNSAFE.match(letter):
            self.edit(start, spelled(letter) if letter != "-" else "\\-", strict=True)
        return ((ord(letter), ord(letter)),)


def spelled(letter: str) -> str:
    """A character that stands for itself, as a literal of a source file may hold it: escaped when it has a meaning, ends a line or reorders text."""
    if letter in SYNTAX_CHARACTERS:
        return "\\" + letter
    if not UNSAFE.match(letter):
        return letter
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(letter) or (f"\\u{{{ord(letter):x}}}" if "\ud800" <= letter <= "\udfff" else f"\\u{ord(letter):04x}")


def is_name(name: str) -> bool:
    return bool(name) and all(letter == "$" or letter.isidentifier() or index and (letter in "\u200c\u200d" or ("a" + letter).isidentifier()) for index, letter in enumerate(name))
