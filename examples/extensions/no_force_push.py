#!/usr/bin/env python3
"""A policy extension: no forced push, and a second pair of eyes on every other push.

Palisade starts it in a sandbox of its own and asks over descriptor 3: four bytes of length, most
significant first, then JSON. Each question has a number; its answer repeats it. What fails denies.
"""

import json
import socket
import struct


def decide(call):
    words = call["args"].get("argv", [])
    if words[:1] != ["git"] or "push" not in words:
        return "pass", None
    if any(word in ("-f", "--force") or word.startswith("--force-with-lease") for word in words):
        return "deny", "a forced push rewrites what others have"
    return "require_review", "a push leaves this machine"


def read(peer, length):
    data = b""
    while len(data) < length:
        piece = peer.recv(length - len(data))
        if not piece:
            raise SystemExit
        data += piece
    return data


peer = socket.socket(fileno=3)
while True:
    (length,) = struct.unpack(">I", read(peer, 4))
    question = json.loads(read(peer, length))
    decision, reason = decide(question["call"])
    answer = {"version": 1, "number": question["number"], "decision": decision, "reason": reason}
    message = json.dumps(answer).encode()
    peer.sendall(struct.pack(">I", len(message)) + message)
