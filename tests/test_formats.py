"""The format checkers of generated code, run in Node as generated code runs them."""
import json
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
CASES = {
    "date-time": (["2026-01-31T10:20:30Z", "2026-01-31t10:20:30.5+02:00", "1998-12-31T23:59:60Z"], ["2026-01-31 10:20:30Z", "2026-01-31T10:20:30", "1998-12-31T22:59:60Z", "2026-02-30T10:20:30Z"]),
    "date": (["2024-02-29"], ["2026-02-29", "2026-1-31", "1900-02-29", "2026-01-31\n"]),
    "time": (["10:20:30Z", "00:29:60+00:30"], ["10:20:30", "24:00:00Z", "10:20:30+24:00"]),
    "duration": (["P3DT4H", "P4W", "PT1M"], ["P", "P1Y2W", "PT", "P1H", "4W"]),
    "email": (["ada@example.com", '"a b"@example.com', "a@[127.0.0.1]"], ["ada", "a..b@example.com", "a@b@c", "a@-x.com", "\u00e9@example.com"]),
    "idn-email": (["\u00e9@b\u00fccher.example"], ["a b@example.com"]),
    "hostname": (["example.com", "a", "xn--bcher-kva.example"], ["-a.com", "a_b", "a.", "x" * 64, "xn--X"]),
    "idn-hostname": (["b\u00fccher.example", "\u4f8b\u3002\u6d4b\u8bd5"], ["\u3002", "a\u05d0"]),
    "ipv4": (["127.0.0.1"], ["127.0.0.01", "1.2.3", "1.2.3.4.", "256.1.1.1"]),
    "ipv6": (["::", "::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1::8"], [":::", "1:2:3:4:5:6:7", "1::2::3", "::1.2.3.4:5", "::g", "1:2:3:4:5:6:7::8"]),
    "uri": (["https://a.example/b?c=d#e", "urn:isbn:1", "http://[::1]:80/"], ["/a", "http://a b", "http://a/%G0", "http://[::1"]),
    "uri-reference": (["", "/a?b", "#x", "//a/b"], ["\\a", "a b"]),
    "iri": (["https://\u00e4.example/\u00fc"], ["\u00e4"]),
    "iri-reference": (["\u00e4/\u00fc"], ["<\u00e4>"]),
    "uuid": (["2eb8aa08-aa98-11ea-b4aa-73b441d16380"], ["2eb8aa08aa9811eab4aa73b441d16380"]),
    "uri-template": (["/users/{id}{?page,size*}"], ["/users/{id", "}", "{}"]),
    "json-pointer": (["", "/a~1b/0"], ["a", "/~2"]),
    "relative-json-pointer": (["0", "1/a", "0#"], ["/a", "01"]),
    "regex": (["^a+$", r"\p{L}"], ["(", r"\_"]),
    "byte": (["", "YWI=", "YWJj"], ["YWI", "YW J"]),
    "base64url": (["YWI", "_-8="], ["Y", "+w=="]),
}
JUDGE = """
import fs from 'node:fs';
import * as z from 'zod';
import { format, formats } from './formats.ts';
const task = JSON.parse(fs.readFileSync(0, 'utf8'));
const verdicts = task.map(([name, text]) => z.string().check(format(name)).safeParse(text).success);
const texts = ['a', '1', '%41', '/', ':', '{a}', '=', 'a.', '1.', '\\u00e9', '@', '-', '['].map((piece) => piece.repeat(100_000 / piece.length));
for (const text of texts) for (const check of Object.values(formats)) check(text); // they end, since no checker backtracks
console.log(JSON.stringify({ verdicts, names: Object.keys(formats), issue: z.string().check(format('date')).safeParse('x').error.issues[0] }));
"""


@pytest.fixture(scope="module")
def judge(node, node_modules, tmp_path_factory):
    """judge([(format, text), ...]) -> what the checkers say."""
    folder = tmp_path_factory.mktemp("formats")
    shutil.copy(ROOT / "assets" / "scaffold" / "formats.ts", folder)
    (folder / "node_modules").symlink_to(node_modules, target_is_directory=True)
    (folder / "judge.mjs").write_text(JUDGE, encoding="utf-8")

    def run(task: list) -> dict:
        return json.loads(subprocess.run([str(node), "judge.mjs"], cwd=folder, input=json.dumps(task), capture_output=True, text=True, check=True).stdout)
    return run


def test_every_format_takes_what_it_names_and_nothing_else(judge):
    task = [(name, text, valid) for name, (good, bad) in CASES.items() for valid, texts in ((True, good), (False, bad)) for text in texts]
    answer = judge([case[:2] for case in task])
    assert [case for case, verdict in zip(task, answer["verdicts"]) if verdict != case[2]] == []
    assert set(answer["names"]) == {*CASES, "base64"}
    assert answer["issue"] == {"code": "invalid_format", "format": "date", "message": "must be a date such as 2026-01-31", "path": []}


def test_the_source_is_clean_under_strict_compilers(compile_ts, tmp_path):
    shutil.copy(ROOT / "assets" / "scaffold" / "formats.ts", tmp_path)
    assert compile_ts(tmp_path, "5.9") == [] and compile_ts(tmp_path, "7") == []
