//! Real programs in a sandbox reach a real host through the real proxy: curl, git, pip, npm,
//! cargo, and WebSockets, over HTTP and over HTTPS.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use egress::{Access, Event, Verdict};
use sandbox::Mount;
use testkit::install::installed;

use crate::way::Way;

const NAME: &str = "repo.test";

/// What the tests run, from Debian's packages where it is missing.
const NEEDED: [(&str, &str); 6] = [
    ("curl", "curl"),
    ("git", "git"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("pip3", "python3-pip"),
    ("python3", "python3"),
];

pub(crate) fn install() {
    for (program, package) in NEEDED {
        let _found: PathBuf = installed(program, &[package]);
    }
}

/// A host with a name, its two ports, and the certificate that vouches for it.
struct Site {
    folder: tempfile::TempDir,
    server: Child,
    ports: [u16; 2],
}

impl Site {
    fn new() -> Self {
        install();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-days", "2", "-subj", "/CN=repo.test"])
            .args(["-addext", "subjectAltName=DNS:repo.test,IP:127.0.0.2"])
            .arg("-keyout")
            .arg(at("key.pem"))
            .arg("-out")
            .arg(at("ca.pem"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::write(at("site.py"), include_str!("site.py")).unwrap();
        let mut server = Command::new("/usr/bin/python3")
            .args([at("site.py"), folder.path().to_owned(), at("ca.pem"), at("key.pem")])
            .arg("127.0.0.2")
            .env("HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        Self { folder, server, ports: [ports[0], ports[1]] }
    }

    /// A way on which this host is granted by its name.
    fn way(&self) -> Way {
        let targets: Vec<String> = self
            .ports
            .iter()
            .flat_map(|port| [format!("{NAME}:{port}"), format!("127.0.0.2:{port}")])
            .collect();
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let mut way = Way::new(&targets);
        std::fs::copy(self.folder.path().join("ca.pem"), way.project.path().join("ca.pem"))
            .unwrap();
        for name in [
            "SSL_CERT_FILE",
            "CURL_CA_BUNDLE",
            "GIT_SSL_CAINFO",
            "PIP_CERT",
            "npm_config_cafile",
            "CARGO_HTTP_CAINFO",
        ] {
            way.env.push((name.into(), "/workspace/ca.pem".into()));
        }
        way
    }

    fn urls(&self, host: &str) -> [String; 2] {
        let [plain, secure] = self.ports;
        [format!("http://{host}:{plain}"), format!("https://{host}:{secure}")]
    }

    /// Runs a script with each of the two URLs as `$URL`; it must print `expect`, and everything
    /// it asked for must have been allowed.
    fn check(&self, way: &mut Way, script: &str, expect: &str) {
        for (at, url) in self.urls(NAME).into_iter().enumerate() {
            way.env.push(("URL".into(), url.clone().into()));
            let (text, events) = way.succeeds(&["bash", "-ec", script]);
            way.env.pop();
            assert!(text.contains(expect), "{url}: {text:?} {events:#?}");
            assert!(!events.is_empty(), "{url}: it did not go through the proxy");
            for event in events {
                let Event::Decision(decision) = event else { continue };
                assert_eq!(decision.verdict, Verdict::Allow, "{url}: {decision:?}");
                assert_eq!(decision.host, NAME);
                assert_eq!(decision.access == Access::Tunnel, at == 1, "{decision:?}");
            }
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn curl_by_name_and_by_address() {
    let site = Site::new();
    let mut way = site.way();
    site.check(&mut way, "curl -fsS $URL/hello.txt", "hello from outside");
    site.check(&mut way, "curl -fsS -d body -H 'Expect: 100-continue' $URL/echo", "body");
    site.check(
        &mut way,
        "head -c 3000000 /dev/zero | curl -fsS -T - -X POST $URL/echo | wc -c",
        "3000000",
    );
    for url in site.urls("127.0.0.2") {
        let (text, events) = way.succeeds(&["curl", "-fsS", &format!("{url}/hello.txt")]);
        assert_eq!(text, "hello from outside\n");
        assert_eq!(events.len(), 2, "{events:?}");
    }
}

#[test]
fn curl_is_told_what_is_refused() {
    let site = Site::new();
    let way = site.way();
    let script = "curl -sS http://other.test/; curl -sS https://other.test/ || true";
    let (text, events) = way.succeeds(&["sh", "-c", script]);
    assert!(text.contains("no rule grants `other.test` on port 80"), "{text}");
    assert!(text.contains("hint: "), "{text}");
    assert_eq!(events.len(), 2, "{events:?}");
}

#[test]
fn git_clones_smartly_and_dumbly() {
    let site = Site::new();
    let mut way = site.way();
    let script = "git clone -q $URL/smart/repo.git a && cat a/file.txt";
    site.check(&mut way, script, "cloned by git");
    let script = "git clone -q $URL/dumb/repo.git a && cat a/file.txt";
    site.check(&mut way, script, "cloned by git");
}

#[test]
fn pip_installs() {
    let site = Site::new();
    let mut way = site.way();
    let script = "/usr/bin/python3 -m pip install -q --no-cache-dir --trusted-host repo.test \
                  --index-url $URL/simple/ --target t tiny-pip 2>&1 && \
                  PYTHONPATH=t /usr/bin/python3 -c 'import tiny_pip; print(tiny_pip.word)'";
    site.check(&mut way, script, "installed by pip");
}

#[test]
fn npm_installs() {
    let site = Site::new();
    let mut way = site.way();
    let script = "npm install --silent --no-audit --no-fund --no-update-notifier --prefix t \
                  --registry $URL/ tiny-npm && cd t && node -p 'require(\"tiny-npm\")'";
    site.check(&mut way, script, "installed by npm");
}

#[test]
fn cargo_fetches() {
    let site = Site::new();
    let mut way = site.way();
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let source = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let source = source.canonicalize().unwrap();
    let access = sandbox::Access::Read;
    way.mounts = vec![Mount { source, target: "/rust".into(), access }];
    let project = way.project.path();
    std::fs::create_dir(project.join("src")).unwrap();
    let main = "fn main() { println!(\"{}\", tiny_crate::WORD) }\n";
    std::fs::write(project.join("src/main.rs"), main).unwrap();
    let manifest = "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                    [dependencies]\ntiny-crate = { version = \"1\", registry = \"site\" }\n";
    std::fs::write(project.join("Cargo.toml"), manifest).unwrap();
    let script = "export PATH=/rust/bin:$PATH CARGO_HOME=/tmp/cargo; \
                  export CARGO_REGISTRIES_SITE_INDEX=sparse+$URL/index/; \
                  cargo fetch -q && cat /tmp/cargo/registry/src/*/tiny-crate-1.0.0/src/lib.rs";
    site.check(&mut way, script, "fetched by cargo");
}

#[test]
fn the_machines_resolver_is_asked_under_the_proxys_profile() {
    install();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfound\n").unwrap();
    });
    let [name, v4, v6] = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}"));
    let mut way = Way::new(&[&name, &v4, &v6]);
    way.names = "system";
    let url = format!("http://{name}/");
    let argv = ["curl", "-fsS", "--noproxy", "", "-x", "http://127.0.0.1:3128", &url];
    let (text, events) = way.succeeds(&argv);
    assert_eq!(text, "found\n", "{events:?}");
    answering.join().unwrap();
}

#[test]
fn websockets_open_plainly_and_over_tls() {
    let site = Site::new();
    let way = site.way();
    std::fs::write(way.project.path().join("websocket.py"), include_str!("websocket.py")).unwrap();
    for (scheme, port) in ["ws", "wss"].into_iter().zip(site.ports) {
        let port = port.to_string();
        let (text, events) =
            way.succeeds(&["/usr/bin/python3", "websocket.py", scheme, NAME, &port]);
        assert_eq!(text, "carried by a WebSocket\n", "{scheme}: {events:?}");
        let Event::Decision(decision) = &events[0] else { panic!("{events:?}") };
        let expect = if scheme == "ws" { Access::Upgrade } else { Access::Tunnel };
        assert_eq!((decision.verdict, decision.access), (Verdict::Allow, expect));
    }
}
