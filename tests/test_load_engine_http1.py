"""Answers read exactly: where each ends, in whatever pieces it comes, and what is no answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from senior_backend.load.engine.http1 import AnswerReader, HeadCache, Malformed

BODY = b'{"a": 1}'
GET, HEAD = HeadCache(False), HeadCache(True)
# bytes -> (status, bytes after the end, connection usable)
ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, True),
    b"HTTP/1.1 200 OK\r\nContent-Length: 8, 8\r\ncontent-length:8\r\n\r\n" + BODY: (200, 0, True),
    b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n": (200, 0, True),
    b"HTTP/1.1 200 OK\nContent-Length: 8\n\n" + BODY: (200, 0, True),
    b"HTTP/1.1 200 OK\nContent-Length: 8\n\nab\r\n\r\ncd": (200, 0, True),
    b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY + b"EXTRA": (200, 5, True),
    b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, False),
    b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, False),
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, True),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n" + BODY: (201, 0, True),
    b"HTTP/1.1 204 No Content\r\n\r\n": (204, 0, True),
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 150\r\n\r\n": (304, 0, True),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;n=v\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n": (200, 0, True),
    b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n": (200, 0, True),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n": (200, 0, False),
    b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 6_000 + b"\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, True),
    b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 8\r\n\r\n" + BODY: (200, 0, True),
}
MALFORMED = {
    b"\0\1\2": "not HTTP",
    b"EXTRAHTTP/1.1 200 OK\r\n\r\n": "not HTTP",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n": "not HTTP",
    b"HTTP/1.1 abc OK\r\n\r\n": "status line",
    b"HTTP/2.0 200 OK\r\n\r\n": "not HTTP",
    b"HTTP/1.1 0200 OK\r\n\r\n": "status line",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n": "header line",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n": "content length",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n": "content length",
    b"HTTP/1.1 200 OK\r\nContent-Length: +8\r\n\r\n": "content length",
    b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\n": "two content lengths",
    b"HTTP/1.1 200 OK\r\nContent-Length: 8, 9\r\n\r\n": "two content lengths",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": "chunk size",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc": "chunk size",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n": "chunk end",
    b"HTTP/1.1 101 Switching\r\n\r\n": "unasked 101 upgrade",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000: "head over 64 kB",
}


def read(pieces: list[bytes], cache: HeadCache = GET) -> AnswerReader | None:
    """The reader after a whole answer, None when it wants more. What comes after the end belongs to the surplus."""
    reader = AnswerReader(cache)
    for number, piece in enumerate(pieces):
        if reader.feed(piece):
            reader.surplus += sum(map(len, pieces[number + 1 :]))
            return reader
    return None


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer[:40])
@pytest.mark.parametrize("pieces", [lambda data: [data], lambda data: [data[place : place + 1] for place in range(len(data))]], ids=["whole", "byte by byte"])
def test_answers_end_where_they_end(answer, pieces):
    for _ in range(2):  # the second time its head is known
        reader = read(pieces(answer))
        assert reader and (reader.head.status, reader.surplus, reader.head.keep_alive) == ANSWERS[answer]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(ANSWERS)), st.lists(st.integers(1, 400), max_size=12))
def test_pieces_do_not_matter(answer, lengths):
    edges = [min(len(answer), sum(lengths[:number])) for number in range(len(lengths) + 1)]
    reader = read([answer[begin:end] for begin, end in zip(edges, [*edges[1:], len(answer)]) if begin < end])
    assert reader and (reader.head.status, reader.surplus, reader.head.keep_alive) == ANSWERS[answer]


@pytest.mark.parametrize("answer", [answer for answer, (_, surplus, _) in ANSWERS.items() if not surplus], ids=lambda answer: answer[:40])
def test_no_answer_is_complete_before_its_end(answer):
    for length in range(len(answer)):
        assert read([answer[:length]]) is None


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: data[:40])
def test_malformed(data):
    with pytest.raises(Malformed, match=f"^{MALFORMED[data]}$"):
        read([data])
    with pytest.raises(Malformed):
        read([data[place : place + 1] for place in range(min(len(data), 66_000))] if len(data) < 1000 else [data[:40_000], data[40_000:]])


def test_no_body_after_head_requests():
    assert read([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"], HEAD).surplus == 0
    assert read([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], HEAD).surplus == 0


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"", "connection closed before answer"),
        (b"HTTP/1.1 20", "truncated head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc", "truncated body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabc", "truncated body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "truncated body"),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", None),
    ],
)
def test_the_end_of_the_connection(data, kind):
    reader = AnswerReader(GET)
    assert not (data and reader.feed(data))
    assert reader.end() == kind
