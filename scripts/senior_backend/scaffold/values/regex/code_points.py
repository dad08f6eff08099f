r"""Sets of code points as sorted tuples of inclusive ranges, and those that \p{...} may name in an ECMAScript regular expression with the flag u: Unicode 15.0, as Node 20 and later."""
from __future__ import annotations

import functools
import unicodedata
from typing import Callable, Iterable, Iterator

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
