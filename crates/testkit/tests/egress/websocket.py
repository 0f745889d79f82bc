"""Opens a WebSocket through the proxy and prints what comes back.

Arguments: `ws` or `wss`, the host, its port. Over TLS it goes through a tunnel, plainly it is a
request to the proxy.
"""

import os
import socket
import ssl
import sys

scheme, host, port = sys.argv[1:4]
stream = socket.create_connection(("127.0.0.1", 3128))


def head():
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        byte = stream.recv(1)
        if not byte:
            sys.exit(f"ended within {got!r}")
        got += byte
    return got.decode()


target = f"http://{host}:{port}/ws"
if scheme == "wss":
    stream.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    if " 200 " not in head():
        sys.exit("no tunnel")
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    stream = context.wrap_socket(stream, server_hostname=host)
    target = "/ws"
stream.sendall(
    f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
)
answer = head()
if " 101 " not in answer or "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" not in answer:
    sys.exit(answer)
text = b"carried by a WebSocket"
mask = b"\x01\x02\x03\x04"
masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
stream.sendall(bytes([0x81, 0x80 | len(text)]) + mask + masked)
frame = stream.recv(2)
back = b""
while len(back) < frame[1]:
    back += stream.recv(frame[1] - len(back))
print(back.decode())
