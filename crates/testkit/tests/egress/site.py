"""A host of the tests: git, pip, npm, cargo and a WebSocket, over HTTP and over HTTPS.

Arguments: a folder to build in, certificate, key, the address to listen at. Prints the two ports.
It serves made-up packages only and answers nobody but the test that started it.
"""

import base64
import hashlib
import http.server
import io
import json
import os
import ssl
import subprocess
import sys
import tarfile
import threading
import zipfile

ROOT, CERTIFICATE, KEY, ADDRESS = sys.argv[1:5]
FILES = {"/hello.txt": b"hello from outside\n"}


def tarball(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return out.getvalue()


def build_pip():
    out = io.BytesIO()
    info = "tiny_pip-1.0.dist-info/"
    with zipfile.ZipFile(out, "w") as wheel:
        wheel.writestr("tiny_pip.py", "word = 'installed by pip'\n")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: tiny-pip\nVersion: 1.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "")
    name = "tiny_pip-1.0-py3-none-any.whl"
    FILES["/files/" + name] = out.getvalue()
    FILES["/simple/tiny-pip/"] = f'<a href="/files/{name}">{name}</a>'.encode()


def build_npm():
    package = {"name": "tiny-npm", "version": "1.0.0", "main": "index.js"}
    FILES["/tiny-npm/-/tiny-npm-1.0.0.tgz"] = tarball({
        "package/package.json": json.dumps(package).encode(),
        "package/index.js": b"module.exports = 'installed by npm'\n",
    })


def npm_document(base):
    archive = FILES["/tiny-npm/-/tiny-npm-1.0.0.tgz"]
    dist = {
        "tarball": base + "/tiny-npm/-/tiny-npm-1.0.0.tgz",
        "integrity": "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode(),
    }
    version = {"name": "tiny-npm", "version": "1.0.0", "main": "index.js", "dist": dist}
    document = {"name": "tiny-npm", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    return json.dumps(document).encode()


def build_cargo():
    manifest = b'[package]\nname = "tiny-crate"\nversion = "1.0.0"\nedition = "2021"\n'
    crate = tarball({
        "tiny-crate-1.0.0/Cargo.toml": manifest,
        "tiny-crate-1.0.0/src/lib.rs": b'pub const WORD: &str = "fetched by cargo";\n',
    })
    FILES["/dl/tiny-crate/1.0.0/download"] = crate
    line = {
        "name": "tiny-crate", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
        "cksum": hashlib.sha256(crate).hexdigest(),
    }
    FILES["/index/ti/ny/tiny-crate"] = json.dumps(line).encode() + b"\n"


def build_git():
    work, bare = os.path.join(ROOT, "work"), os.path.join(ROOT, "repo.git")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]

    def git(*words):
        subprocess.run(["git", *identity, *words], check=True, stdout=subprocess.DEVNULL)

    git("init", "-q", work)
    with open(os.path.join(work, "file.txt"), "w") as file:
        file.write("cloned by git\n")
    git("-C", work, "add", "file.txt")
    git("-C", work, "commit", "-q", "-m", "one")
    git("clone", "-q", "--bare", work, bare)
    git("-C", bare, "update-server-info")
    for folder, _, names in os.walk(bare):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                FILES["/dumb/" + os.path.relpath(path, ROOT)] = file.read()


class Host(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def base(self):
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        return f"{scheme}://{self.headers['Host']}"

    def answer(self, body, kind="application/octet-stream", status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.websocket()
        elif path == "/tiny-npm":
            self.answer(npm_document(self.base()), "application/json")
        elif path == "/index/config.json":
            base = self.base()
            self.answer(json.dumps({"dl": base + "/dl", "api": base}).encode(), "application/json")
        elif path.startswith("/smart/"):
            self.smart(b"")
        elif path in FILES:
            self.answer(FILES[path], "text/html" if path.startswith("/simple/") else "text/plain")
        else:
            self.answer(b"nothing here\n", status=404)

    def do_POST(self):
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self.chunks()
        if self.path.startswith("/smart/"):
            self.smart(body)
        else:
            self.answer(body)

    def chunks(self):
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def smart(self, body):
        path, _, query = self.path.partition("?")
        environment = dict(
            os.environ, GIT_PROJECT_ROOT=ROOT, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path[len("/smart"):],
            QUERY_STRING=query, REQUEST_METHOD=self.command, CONTENT_LENGTH=str(len(body)),
            CONTENT_TYPE=self.headers.get("Content-Type", ""),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
            GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
        )
        run = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE)
        head, _, content = run.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.answer(content, fields.get("Content-Type", "text/plain"))

    def websocket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        # One short masked frame of text comes, the same text goes back in one without a mask.
        head = self.rfile.read(2)
        mask = self.rfile.read(4)
        text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(head[1] & 127)))
        self.wfile.write(bytes([head[0], len(text)]) + text)
        self.close_connection = True


def serve(secure):
    server = http.server.ThreadingHTTPServer((ADDRESS, 0), Host)
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


for build in (build_pip, build_npm, build_cargo, build_git):
    build()
print(serve(False), serve(True), flush=True)
sys.stdin.read()
