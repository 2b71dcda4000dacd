"""Requests to URLs that people entered: what they never reach, and never wait for."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import anyio
import pytest

from billor.worker import outgoing
from billor.worker.outgoing import MAX_ANSWER_BYTES, NotSent
from tests.support.receiver import post, receiving, status

PUBLIC = "93.184.215.14"


@pytest.fixture
def resolver(monkeypatch):
    """Names and their addresses, one list for each time that they are resolved."""
    names, real = {}, socket.getaddrinfo

    def resolve(host, *others, **options):
        found = next(names[host]) if host in names else [host]
        return [each for address in found for each in real(address, *others, **options)]

    monkeypatch.setattr(outgoing.socket, "getaddrinfo", resolve)
    return names


@pytest.fixture
def reached(monkeypatch) -> list[str]:
    """The addresses that connections are tried to; none accepts."""
    addresses = []

    async def refuse(remote_host, **_):
        addresses.append(remote_host)
        raise ConnectionRefusedError

    monkeypatch.setattr(anyio, "connect_tcp", refuse)
    return addresses


INTERNAL = """
127.0.0.1 0x7f.1 2130706433 localhost localhost. 0.0.0.0 10.0.0.1 172.16.0.1 192.168.0.1
169.254.169.254 100.64.0.1 224.0.0.1 240.0.0.1 255.255.255.255 [::1] [::] [fe80::1%25lo]
[fc00::1] [fec0::1] [ff02::1] [::ffff:127.0.0.1] [::127.0.0.1] [64:ff9b::7f00:1]
[64:ff9b:1::7f00:1] [2002:7f00:1::] [2001::7f00:1] [2001:db8::1]
"""


@pytest.mark.parametrize("host", [*INTERNAL.split(), "a..b.example", "x" * 64 + ".example"])
def test_no_internal_address_is_reached(reached, host):
    with pytest.raises(NotSent, match=r"public address|does not resolve"):
        post(f"https://{host}/", {}, b"")
    assert reached == []


ODD = """
http://1.1.1.1/ ftp://1.1.1.1/ file:///etc/passwd //1.1.1.1/ 1.1.1.1 https:// https://user@1.1.1.1/
https://1.1.1.1\\@127.0.0.1/ https://1.1.1.1:0/ https://1.1.1.1:65536/ https://1.1.1.1:x/
https://[1.1.1.1/ https://bücher.de/ https://①.1.1.1/
"""


@pytest.mark.parametrize(
    "url", [*ODD.split(), "", "https://1.1.1.1/\r\nX: y", "https://1.1.1.1/a b"]
)
def test_odd_urls_are_refused(reached, url):
    with pytest.raises(NotSent, match=r"^(The URL must be https|Must be a URL)"):
        post(url, {}, b"")
    assert reached == []


def test_a_name_is_resolved_once_and_all_its_addresses_are_checked(resolver, reached):
    resolver["rebinds.example"] = iter([[PUBLIC], ["127.0.0.1"]])
    with pytest.raises(NotSent, match="ConnectError"):
        post("https://rebinds.example/", {}, b"")
    resolver["both.example"] = cycle([[PUBLIC, "127.0.0.1"]])
    with pytest.raises(NotSent, match="public address"):
        post("https://both.example/", {}, b"")
    resolver["two.example"] = cycle([[PUBLIC, "2606:4700::1111"]])
    with pytest.raises(NotSent, match="ConnectError"):
        post("https://two.example/", {}, b"")
    assert reached == [PUBLIC, PUBLIC, "2606:4700::1111"]


def test_the_receiver_gets_its_name_and_neither_proxy_nor_redirect_is_used(resolver, monkeypatch):
    resolver["hooks.example"] = cycle([["127.0.0.1"]])
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with receiving(status(204)) as other, receiving(status(307, Location=other.url)) as receiver:
        port = receiver.server_address[1]
        answer = post(f"http://hooks.example:{port}/a?b=c", {"X": "y"}, b"body", allow_private=True)
        assert answer == (307, b"")
        headers, body = receiver.posted.get_nowait()
        assert (headers["host"], headers["x"], body) == (f"hooks.example:{port}", "y", b"body")
        assert receiver.posted.empty()
        assert other.posted.empty()
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as threads:
        hello = threads.submit(first_bytes, server)
        with pytest.raises(NotSent):
            post(f"https://hooks.example:{server.getsockname()[1]}/", {}, b"", allow_private=True)
        assert b"hooks.example" in hello.result()  # SNI


def first_bytes(server: socket.socket) -> bytes:
    with server.accept()[0] as connection:
        return connection.recv(4096)


def drip(part: bytes, seconds: float):
    """Answer with the same bytes again and again, until the sender has closed."""

    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(part)
            time.sleep(seconds)

    return answer


@pytest.mark.parametrize("part", [b"X: y\r\n", b"\r\n"])
def test_a_dripping_answer_has_a_deadline(monkeypatch, part):
    monkeypatch.setattr(outgoing, "SECONDS", 1.0)
    with receiving(drip(part, 0.1)) as receiver, pytest.raises(NotSent, match="no complete answer"):
        post(receiver.url, {}, b"", allow_private=True)


def test_only_the_beginning_of_an_answer_is_read():
    with receiving(drip(b"\r\n" + b"x" * 5000, 0)) as receiver:
        code, answer = post(receiver.url, {}, b"", allow_private=True)
    assert (code, len(answer)) == (200, MAX_ANSWER_BYTES)
