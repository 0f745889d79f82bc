"""Local servers of both kinds of address, and a request that goes through the proxy."""
import asyncio
import errno
import http.server
import multiprocessing.connection
import socket
import threading
import urllib.error
import urllib.request


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Six(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


def get(address):
    return urllib.request.urlopen(address, timeout=20).read()


for kind, host, name in [
    (http.server.ThreadingHTTPServer, "127.0.0.1", "127.0.0.1"),
    (http.server.ThreadingHTTPServer, "localhost", "localhost"),
    (Six, "::1", "[::1]"),
]:
    server = kind((host, 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert get(f"http://{name}:{server.server_port}/kept.txt") == b"kept\n", name
    server.shutdown()

# A name that is in a file is found, and no other.
found = {entry[4][0] for entry in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)}
assert "127.0.0.1" in found, found
try:
    socket.getaddrinfo("example.com", 80)
    raise AssertionError("a name was resolved")
except socket.gaierror:
    pass

# What asks for datagrams gets an answer of its own.
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    raise AssertionError("a datagram socket was made")
except OSError as error:
    assert error.errno == errno.EPROTONOSUPPORT, error


async def echo():
    async def serve(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "localhost", 0)
    port = server.sockets[0].getsockname()[1]
    address = server.sockets[0].getsockname()[0]
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"line\n")
    assert await reader.readline() == b"line\n"
    writer.close()
    server.close()


asyncio.run(echo())

with multiprocessing.connection.Listener(("127.0.0.1", 0), authkey=b"key") as listener:
    def speak():
        with multiprocessing.connection.Client(listener.address, authkey=b"key") as client:
            client.send({"a": 1})

    threading.Thread(target=speak).start()
    with listener.accept() as connection:
        assert connection.recv() == {"a": 1}

assert get("http://example.com/python") == b"answered outside\n"
try:
    get("https://example.com/")
    raise AssertionError("the proxy refuses tunnels")
except urllib.error.URLError as error:
    assert "403" in str(error), error
assert get("http://example.com/last") == b"answered outside\n"
print("ok")
