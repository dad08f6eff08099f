r"""The names that \p{...} may hold in an ECMAScript regular expression with the flag u: those of Unicode 15.0, which Node 20 and later know.

Each entry is long=short; binary properties without a short name stand alone.
"""
from __future__ import annotations


def both_ways(entries: str) -> dict[str, str]:
    """{long: short, short: short} of "long=short" words."""
    pairs = [(long, short or long) for long, _, short in (word.partition("=") for word in entries.split())]
    return {name: short for long, short in pairs for name in (long, short)}


def to_long(entries: str) -> dict[str, str]:
    """{long: long, short: long} of "long=short" words."""
    pairs = [(long, short or long) for long, _, short in (word.partition("=") for word in entries.split())]
    return {name: long for long, short in pairs for name in (long, short)}


CATEGORY_NAMES = both_ways("""
Other=C Control=Cc cntrl=Cc Format=Cf Unassigned=Cn Private_Use=Co Surrogate=Cs Letter=L Cased_Letter=LC Lowercase_Letter=Ll Modifier_Letter=Lm Other_Letter=Lo Titlecase_Letter=Lt
Uppercase_Letter=Lu Mark=M Combining_Mark=M Spacing_Mark=Mc Enclosing_Mark=Me Nonspacing_Mark=Mn Number=N Decimal_Number=Nd digit=Nd Letter_Number=Nl Other_Number=No Punctuation=P punct=P
Connector_Punctuation=Pc Dash_Punctuation=Pd Close_Punctuation=Pe Final_Punctuation=Pf Initial_Punctuation=Pi Other_Punctuation=Po Open_Punctuation=Ps Symbol=S Currency_Symbol=Sc
Modifier_Symbol=Sk Math_Symbol=Sm Other_Symbol=So Separator=Z Line_Separator=Zl Paragraph_Separator=Zp Space_Separator=Zs
""")
CATEGORIES = frozenset(short for short in CATEGORY_NAMES.values() if len(short) == 2 and short != "LC")
BINARY_PROPERTIES = to_long("""
ASCII ASCII_Hex_Digit=AHex Alphabetic=Alpha Any Assigned Bidi_Control=Bidi_C Bidi_Mirrored=Bidi_M Case_Ignorable=CI Cased Changes_When_Casefolded=CWCF Changes_When_Casemapped=CWCM
Changes_When_Lowercased=CWL Changes_When_NFKC_Casefolded=CWKCF Changes_When_Titlecased=CWT Changes_When_Uppercased=CWU Dash Default_Ignorable_Code_Point=DI Deprecated=Dep Diacritic=Dia
Emoji Emoji_Component=EComp Emoji_Modifier=EMod Emoji_Modifier_Base=EBase Emoji_Presentation=EPres Extended_Pictographic=ExtPict Extender=Ext Grapheme_Base=Gr_Base Grapheme_Extend=Gr_Ext
Hex_Digit=Hex IDS_Binary_Operator=IDSB IDS_Trinary_Operator=IDST ID_Continue=IDC ID_Start=IDS Ideographic=Ideo Join_Control=Join_C Logical_Order_Exception=LOE Lowercase=Lower Math
Noncharacter_Code_Point=NChar Pattern_Syntax=Pat_Syn Pattern_White_Space=Pat_WS Quotation_Mark=QMark Radical Regional_Indicator=RI Sentence_Terminal=STerm Soft_Dotted=SD
Terminal_Punctuation=Term Unified_Ideograph=UIdeo Uppercase=Upper Variation_Selector=VS White_Space=space XID_Continue=XIDC XID_Start=XIDS
""")
SCRIPTS = to_long("""
Adlam=Adlm Ahom=Ahom Anatolian_Hieroglyphs=Hluw Arabic=Arab Armenian=Armn Avestan=Avst Balinese=Bali Bamum=Bamu Bassa_Vah=Bass Batak=Batk Bengali=Beng
Bhaiksuki=Bhks Bopomofo=Bopo Brahmi=Brah Braille=Brai Buginese=Bugi Buhid=Buhd Canadian_Aboriginal=Cans Carian=Cari Caucasian_Albanian=Aghb
Chakma=Cakm Cham=Cham Cherokee=Cher Chorasmian=Chrs Common=Zyyy Coptic=Copt Coptic=Qaac Cuneiform=Xsux Cypriot=Cprt Cypro_Minoan=Cpmn Cyrillic=Cyrl
Deseret=Dsrt Devanagari=Deva Dives_Akuru=Diak Dogra=Dogr Duployan=Dupl Egyptian_Hieroglyphs=Egyp Elbasan=Elba Elymaic=Elym Ethiopic=Ethi Georgian=Geor
Glagolitic=Glag Gothic=Goth Grantha=Gran Greek=Grek Gujarati=Gujr Gunjala_Gondi=Gong Gurmukhi=Guru Han=Hani Hangul=Hang Hanifi_Rohingya=Rohg
Hanunoo=Hano Hatran=Hatr Hebrew=Hebr Hiragana=Hira Imperial_Aramaic=Armi Inherited=Qaai Inherited=Zinh Inscriptional_Pahlavi=Phli
Inscriptional_Parthian=Prti Javanese=Java Kaithi=Kthi Kannada=Knda Katakana=Kana Kawi=Kawi Kayah_Li=Kali Kharoshthi=Khar Khitan_Small_Script=Kits
Khmer=Khmr Khojki=Khoj Khudawadi=Sind Lao=Laoo Latin=Latn Lepcha=Lepc Limbu=Limb Linear_A=Lina Linear_B=Linb Lisu=Lisu Lycian=Lyci Lydian=Lydi
Mahajani=Mahj Makasar=Maka Malayalam=Mlym Mandaic=Mand Manichaean=Mani Marchen=Marc Masaram_Gondi=Gonm Medefaidrin=Medf Meetei_Mayek=Mtei
Mende_Kikakui=Mend Meroitic_Cursive=Merc Meroitic_Hieroglyphs=Mero Miao=Miao Miao=Plrd Modi=Modi Mongolian=Mong Mro=Mroo Multani=Mult Myanmar=Mymr
Nabataean=Nbat Nag_Mundari=Nagm Nandinagari=Nand New_Tai_Lue=Talu Newa=Newa Nko=Nkoo Nushu=Nshu Nyiakeng_Puachue_Hmong=Hmnp Ogham=Ogam Ol_Chiki=Olck
Old_Hungarian=Hung Old_Italic=Ital Old_North_Arabian=Narb Old_Permic=Perm Old_Persian=Xpeo Old_Sogdian=Sogo Old_South_Arabian=Sarb Old_Turkic=Orkh
Old_Uyghur=Ougr Oriya=Orya Osage=Osge Osmanya=Osma Pahawh_Hmong=Hmng Palmyrene=Palm Pau_Cin_Hau=Pauc Phags_Pa=Phag Phoenician=Phnx
Psalter_Pahlavi=Phlp Rejang=Rjng Runic=Runr Samaritan=Samr Sharada=Shrd Shavian=Shaw Siddham=Sidd SignWriting=Sgnw Sinhala=Sinh Sogdian=Sogd
Sora_Sompeng=Sora Soyombo=Soyo Sundanese=Sund Syloti_Nagri=Sylo Syriac=Syrc Tagalog=Tglg Tagbanwa=Tagb Tai_Le=Tale Tai_Tham=Lana Tai_Viet=Tavt
Takri=Takr Tamil=Taml Tangsa=Tnsa Tangut=Tang Telugu=Telu Thaana=Thaa Thai=Thai Tibetan=Tibt Tifinagh=Tfng Tirhuta=Tirh Toto=Toto Ugaritic=Ugar
Unknown=Zzzz Vai=Vaii Vithkuqi=Vith Wancho=Wcho Warang_Citi=Wara Yezidi=Yezi Yi=Yiii Zanabazar_Square=Zanb
""")


def is_property(name: str, value: str) -> bool:
    r"""Whether \p{name=value}, or \p{value} when the name is "", is valid."""
    if name in ("General_Category", "gc"):
        return value in CATEGORY_NAMES
    if name:
        return name in ("Script", "sc", "Script_Extensions", "scx") and value in SCRIPTS
    return value in CATEGORY_NAMES or value in BINARY_PROPERTIES
