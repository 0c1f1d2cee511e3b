"""The frame splitter: it finds where frames end and agrees with wsproto on what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.utilities import RemoteProtocolError

from ezdms.edge.frames import Frames
from tests.support.served import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

LARGEST = 1000


def masked(content: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A text frame with a nonzero mask."""
    plain = frame(TEXT, content)
    head = len(plain) - len(content) - 4
    return plain[:head] + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(content))


def meaning(pieces: Iterable[str | bytes]) -> list[object]:
    """The messages, pings and closes that a server sees, with wsproto reading what is left to it."""
    connection, seen, message = Connection(ConnectionType.SERVER), list[object](), list[str | bytes]()
    for piece in pieces:
        if isinstance(piece, str):
            seen.append(piece)
            continue
        try:
            connection.receive_data(piece)
            events = list(connection.events())
        except RemoteProtocolError:
            return [*seen, "against the rules"]
        for event in events:
            if isinstance(event, Message):
                message.append(event.data)
                if event.message_finished:
                    seen.append(type(event.data)().join(message))
                    message.clear()
            elif isinstance(event, Ping):
                seen.append(("ping", bytes(event.payload)))
            elif isinstance(event, CloseConnection):
                return [*seen, ("close", event.code)]
    return seen


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """The bytes cut into chunks at these places."""
    edges = [0, *sorted(place % (len(octets) + 1) for place in places), len(octets)]
    return [octets[start:end] for start, end in pairwise(edges)]


FRAMES = st.one_of(
    st.binary(max_size=300).map(lambda content: frame(TEXT, content)),
    st.text(max_size=200).map(lambda text: masked(text.encode())),
    st.text(max_size=20).map(lambda text: frame(TEXT, text.encode(), fin=False)),
    st.text(max_size=20).map(lambda text: frame(CONTINUATION, text.encode())),
    st.binary(max_size=20).map(lambda content: frame(BINARY, content)),
    st.binary(max_size=20).map(lambda content: frame(PING, content)),
    st.binary(max_size=20).map(lambda content: frame(PONG, content)),
    st.just(frame(CLOSE, b"\x03\xe8")),
    st.text(max_size=20).map(lambda text: frame(TEXT, text.encode(), mask=False)),
    st.text(max_size=20).map(lambda text: frame(TEXT, text.encode(), rsv=0x40)),
    st.just(frame(TEXT, b"x" * (LARGEST + 1))),
    st.binary(max_size=12),
)


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 5000), max_size=8))
def test_any_input_in_any_chunks_is_read_as_wsproto_alone_reads_it(sent: list[bytes], places: list[int]) -> None:
    octets, frames = b"".join(sent), Frames(LARGEST)
    split = meaning(piece for part in cut(octets, places) for piece in frames.take(part))
    alone = meaning([octets])
    # Oversized frames go to wsproto unbuffered, so that it sees their size before they are complete.
    assert split == alone or (alone[: len(split)] == split and octets.endswith(frames._rest) and frames._rest)


def test_unfragmented_text_frames_are_read_directly_and_wsproto_gets_the_rest() -> None:
    frames = Frames(LARGEST)
    came = masked(b"one") + frame(PONG, b"") + masked("zwölf".encode()) + frame(PING, b"x") + masked(b"x" * 900)
    assert list(frames.take(came)) == ["one", "zwölf", frame(PING, b"x"), "x" * 900]


def test_a_text_frame_within_a_fragmented_message_goes_to_wsproto() -> None:
    frames = Frames(LARGEST)
    sent = [frame(TEXT, b"a", fin=False), frame(PING, b""), frame(TEXT, b"b"), frame(CONTINUATION, b"c")]
    assert list(frames.take(b"".join(sent))) == sent


@pytest.mark.parametrize("size", [0, 1, 125, 126, LARGEST])
def test_a_text_frame_sent_byte_by_byte_is_one_text(size: int) -> None:
    frames, text = Frames(LARGEST), ("abcdefg" * size)[:size]
    assert [piece for byte in masked(text.encode()) for piece in frames.take(bytes([byte]))] == [text]


def test_an_oversized_frame_is_not_buffered() -> None:
    frames = Frames(LARGEST)
    head = frame(TEXT, b"x" * (LARGEST + 1))[:20]
    assert list(frames.take(head)) == [head]
    assert list(frames.take(b"more")) == [b"more"]
    assert frames._rest == b""


def test_an_incomplete_frame_buffers_at_most_the_size_limit() -> None:
    frames = Frames(LARGEST)
    assert list(frames.take(frame(TEXT, b"x" * LARGEST)[:-1])) == []
    assert len(frames._rest) == LARGEST + 8 - 1


def test_wsproto_reads_the_same_text_messages() -> None:
    connection = Connection(ConnectionType.SERVER)
    connection.receive_data(masked(b"one"))
    assert [event.data for event in connection.events() if isinstance(event, TextMessage | BytesMessage)] == ["one"]
