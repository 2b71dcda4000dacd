"""How responses are sent, in as few system calls as possible."""

import socket

import pytest

from billor.server.gunicorn_worker import _HeadWithBody


class RecordingSocket:
    def __init__(self):
        self.calls = []

    def sendall(self, data: bytes) -> None:
        self.calls.append(data)

    def sendfile(self, file, **_) -> None:
        self.calls.append(file)

    def shutdown(self, how: int) -> None:
        self.calls.append(how)


@pytest.fixture
def sent():
    recording = RecordingSocket()
    return _HeadWithBody(recording), recording.calls


def test_head_and_body_are_one_call(sent):
    response, calls = sent
    response.sendall(b"head")
    assert calls == []
    response.sendall(b"body")
    response.sendall(b"more")
    response.flush()
    assert calls == [b"headbody", b"more"]


def test_a_head_without_a_body_is_sent(sent):
    response, calls = sent
    response.sendall(b"head")
    response.flush()
    response.flush()
    assert calls == [b"head"]


def test_a_file_follows_the_head(sent):
    response, calls = sent
    response.sendall(b"head")
    response.sendfile("file", count=1)
    assert calls == [b"head", "file"]


def test_a_response_that_failed_is_not_sent(sent):
    response, calls = sent
    response.sendall(b"head")
    response.shutdown(socket.SHUT_RDWR)
    response.flush()
    assert calls == [socket.SHUT_RDWR]
