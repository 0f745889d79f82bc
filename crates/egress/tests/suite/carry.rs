//! Ordinary use: requests, bodies, tunnels and WebSockets arrive whole and are told truly.
//! What must not arrive is in `attack`; real programs are tested with a real sandbox, in `testkit`.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;

use egress::{Access, Ending, Event, Reason, Verdict};

use crate::support::{
    ELSEWHERE, HONEST, Handler, Server, Stand, Supervisor, World, echo, grant, head, is_tunnel,
    rest, tls,
};

/// A proxy whose granted host is one server of the test.
fn stand(handler: Handler) -> (Server, Stand) {
    let server = Server::new(handler);
    let world = World::new(server.address);
    world.name("good.example", &[&[HONEST]]);
    let stand = Stand::new(&grant(&["good.example"]), world);
    (server, stand)
}

/// Reads a head and says so, with its body when it has a length.
fn mirror(mut stream: TcpStream, heard: &Mutex<Vec<u8>>) {
    let request = head(&mut stream);
    let length = request
        .split_once("Content-Length: ")
        .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    heard.lock().unwrap().extend_from_slice(request.as_bytes());
    let length = request.len() + body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{request}").unwrap();
    stream.write_all(&body).unwrap();
}

fn ask(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    head(stream)
}

fn body(stream: &mut TcpStream, head: &str) -> String {
    let (_, rest) = head.split_once("Content-Length: ").unwrap();
    let mut body = vec![0; rest.split("\r\n").next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

const GET: &str = "GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n";

#[test]
fn requests_follow_each_other_on_one_connection_and_each_is_decided() {
    let (server, stand) = stand(mirror);
    let mut stream = stand.connect();
    for at in 0..5 {
        let text = format!(
            "POST http://good.example/{at} HTTP/1.1\r\nHost: good.example\r\nContent-Length: 2\r\n\r\nhi"
        );
        let answer = ask(&mut stream, &text);
        let body = body(&mut stream, &answer);
        assert!(body.starts_with(&format!("POST /{at} HTTP/1.1\r\n")) && body.ends_with("hi"));
    }
    drop(stream);
    let closed = stand.wait_closed(5);
    assert!(closed.iter().all(|closed| closed.why == Ending::Done), "{closed:?}");
    assert_eq!(server.connections(), 5, "a host's connection serves one request");
    let decisions = stand.decisions();
    assert_eq!(decisions.iter().map(|decision| decision.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let first = &decisions[0];
    assert_eq!((first.access, first.verdict), (Access::Write, Verdict::Allow));
    assert_eq!(first.rule.as_deref(), Some("rule-of-good.example"));
    assert_eq!((first.host.as_str(), first.port), ("good.example", 80));
    assert_eq!((first.address, &first.addresses[..]), (Some(HONEST), &[HONEST][..]));
    assert_eq!(closed[0].address, Some(HONEST));
}

#[test]
fn bytes_are_counted_as_they_cross_the_hosts_side() {
    let (server, stand) = stand(mirror);
    let mut stream = stand.connect();
    let answer = ask(&mut stream, GET);
    body(&mut stream, &answer);
    let closed = stand.wait_closed(1);
    let sent = server.heard().len() as u64;
    assert_eq!(closed[0].sent, sent);
    let prefix = format!("HTTP/1.1 200 OK\r\nContent-Length: {sent}\r\n\r\n").len() as u64;
    assert_eq!(closed[0].received, prefix + sent);
}

#[test]
fn an_expected_continue_is_waited_for_and_passed_on() {
    fn careful(mut stream: TcpStream, _: &Mutex<Vec<u8>>) {
        assert!(head(&mut stream).contains("Expect: 100-continue"));
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        let mut body = [0; 4];
        stream.read_exact(&mut body).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").unwrap();
        stream.write_all(&body).unwrap();
    }
    let (_server, stand) = stand(careful);
    let mut stream = stand.connect();
    let request = "PUT http://good.example/ HTTP/1.1\r\nHost: good.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    assert_eq!(ask(&mut stream, request), "HTTP/1.1 100 Continue\r\n\r\n");
    let answer = ask(&mut stream, "body");
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(body(&mut stream, &answer), "body");
}

#[test]
fn answers_of_every_framing_arrive() {
    fn framed(mut stream: TcpStream, _: &Mutex<Vec<u8>>) {
        let request = head(&mut stream);
        let answer: &[u8] = match request.split(' ').nth(1) {
            Some("/chunks") => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            Some("/close") => b"HTTP/1.0 200 OK\r\n\r\nabcde",
            Some("/empty") => b"HTTP/1.1 204 No Content\r\n\r\n",
            Some("/head") => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            Some("/early") => b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
            _ => b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        };
        stream.write_all(answer).unwrap();
    }
    for (line, expect) in [
        (
            "GET http://good.example/chunks HTTP/1.1",
            "Connection: keep-alive\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ),
        ("GET http://good.example/close HTTP/1.1", "Connection: close\r\n\r\nabcde"),
        (
            "GET http://good.example/empty HTTP/1.1",
            "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
        ),
        (
            "HEAD http://good.example/head HTTP/1.1",
            "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n",
        ),
        (
            "GET http://good.example/early HTTP/1.1",
            "HTTP/1.1 103 Status\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nabcde",
        ),
        (
            "GET http://good.example/early HTTP/1.0",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde",
        ),
        ("GET http://good.example/chunks HTTP/1.0", "Connection: close\r\n\r\nabcde"),
    ] {
        let (_server, stand) = stand(framed);
        let answer = stand.ask(format!("{line}\r\nHost: good.example\r\n\r\n").as_bytes());
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.ends_with(expect), "{line}: {answer:?}");
    }
}

#[test]
fn large_bodies_pass_both_ways_in_bounded_memory() {
    const SIZE: usize = 8 * 1024 * 1024;
    fn back(mut stream: TcpStream, _: &Mutex<Vec<u8>>) {
        let request = head(&mut stream);
        assert!(request.contains("Transfer-Encoding: chunked"), "{request}");
        write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").unwrap();
        let mut reading = stream.try_clone().unwrap();
        std::io::copy(&mut reading, &mut stream).ok();
    }
    let (_server, stand) = stand(back);
    let mut stream = stand.connect();
    let mut writing = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        writing.write_all(b"POST http://good.example/ HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..SIZE / piece.len() {
            write!(writing, "{:x}\r\n", piece.len()).unwrap();
            writing.write_all(&piece).unwrap();
            writing.write_all(b"\r\n").unwrap();
        }
        writing.write_all(b"0\r\n\r\n").unwrap();
    });
    assert!(head(&mut stream).starts_with("HTTP/1.1 200 OK"));
    let mut seen = 0;
    let mut buffer = vec![0; 64 * 1024];
    while seen < SIZE {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "{seen} bytes, then the end");
        seen += buffer[..read].iter().filter(|byte| **byte == b'x').count();
    }
    writer.join().unwrap();
}

#[test]
fn a_tunnel_carries_both_ways_and_ends_half_by_half() {
    const SIZE: usize = 4 * 1024 * 1024;
    let (_server, stand) = stand(echo);
    let mut stream = stand.connect();
    let answer =
        ask(&mut stream, "CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\n\r\n");
    assert_eq!(answer, "HTTP/1.1 200 Connection established\r\n\r\n");
    let mut writing = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        writing.write_all(&tls::to("good.example")).unwrap();
        writing.write_all(&vec![7; SIZE]).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    let everything = rest(&mut stream);
    writer.join().unwrap();
    let size = tls::to("good.example").len() + SIZE;
    assert_eq!(everything.len(), size);
    let closed = stand.wait_closed(1);
    assert_eq!((closed[0].sent, closed[0].received), (size as u64, size as u64));
    assert_eq!(closed[0].why, Ending::Done);
    assert!(stand.decisions().iter().all(is_tunnel));
}

#[test]
fn a_websocket_is_opened_and_carried() {
    fn socket(mut stream: TcpStream, heard: &Mutex<Vec<u8>>) {
        let request = head(&mut stream);
        assert!(request.contains("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "{request}");
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: k\r\n\r\nfirst").unwrap();
        echo(stream, heard);
    }
    let (_server, stand) = stand(socket);
    let mut stream = stand.connect();
    let answer = ask(
        &mut stream,
        "GET http://good.example/ws HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    assert!(
        answer.starts_with("HTTP/1.1 101 ") && answer.contains("Sec-WebSocket-Accept: k"),
        "{answer}"
    );
    // Frames are not HTTP, whatever they look like, and go nowhere else.
    stream.write_all(b"\x81\x05helloGET http://evil.example/ HTTP/1.1\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let back = rest(&mut stream);
    assert!(back.starts_with(b"first\x81\x05helloGET http://evil.example/"), "{back:?}");
    assert_eq!(stand.wait_closed(1)[0].why, Ending::Done);
    let decisions = stand.decisions();
    assert_eq!((decisions.len(), decisions[0].access), (1, Access::Upgrade));
}

#[test]
fn nothing_is_dialled_before_the_decision_is_acknowledged() {
    let server = Server::decoy();
    let world = World::new(server.address);
    world.name("good.example", &[&[HONEST]]);
    let stand = Stand::with(&grant(&["good.example"]), world.clone(), Supervisor::IsSilent);
    let mut plain = stand.connect();
    plain.write_all(GET.as_bytes()).unwrap();
    let mut tunnel = stand.connect();
    ask(&mut tunnel, "CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\n\r\n");
    tunnel.write_all(&tls::to("good.example")).unwrap();
    stand.wait(|events| events.len() == 2);
    assert_eq!(server.connections(), 0);
    assert!(world.dialled.lock().unwrap().is_empty());
    for decision in stand.decisions() {
        assert_eq!(decision.verdict, Verdict::Allow);
        stand.session.acknowledge(decision.id).unwrap();
    }
    tunnel.shutdown(Shutdown::Write).unwrap();
    stand.wait_closed(2);
    assert_eq!(server.connections(), 2, "acknowledged, both are dialled");
}

#[test]
fn without_an_acknowledgement_in_time_nothing_is_ever_dialled() {
    let server = Server::decoy();
    let world = World::new(server.address);
    let mut grant = grant(&["good.example"]);
    grant.limits.acknowledge_time = std::time::Duration::from_millis(200);
    let stand = Stand::with(&grant, world.clone(), Supervisor::IsSilent);
    let answer = stand.ask(GET.as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 504 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(stand.wait_closed(1)[0].why, Ending::Unacknowledged);
    // Too late is no offence, and changes nothing.
    stand.session.acknowledge(1).unwrap();
    let answer = stand.ask(GET.as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 504 "));
    assert_eq!(server.connections(), 0);
    stand.finish().unwrap();
}

#[test]
fn the_next_checked_address_is_tried_when_one_does_not_answer() {
    let server = Server::new(mirror);
    let world = World::new(server.address);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let v6: IpAddr = "2606:4700::1111".parse().unwrap();
    world.name("good.example", &[&[v6, ELSEWHERE, HONEST]]);
    world.route(v6, gone);
    world.route(ELSEWHERE, gone);
    let stand = Stand::new(&grant(&["good.example"]), world.clone());
    assert!(stand.ask(GET.as_bytes()).starts_with(b"HTTP/1.1 200 "));
    let closed = stand.wait_closed(1);
    assert_eq!(closed[0].address, Some(HONEST));
    assert_eq!(stand.decisions()[0].address, Some(v6));
    assert_eq!(*world.asked.lock().unwrap(), ["good.example"], "resolved once");
    let tried: Vec<IpAddr> = world.dialled.lock().unwrap().iter().map(|to| to.ip()).collect();
    assert_eq!(tried, [v6, ELSEWHERE, HONEST]);
}

#[test]
fn an_answer_may_come_before_the_body_is_sent() {
    fn hasty(mut stream: TcpStream, _: &Mutex<Vec<u8>>) {
        head(&mut stream);
        stream.write_all(b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno").unwrap();
    }
    let (_server, stand) = stand(hasty);
    let mut stream = stand.connect();
    let answer = ask(
        &mut stream,
        "POST http://good.example/ HTTP/1.1\r\nHost: good.example\r\nContent-Length: 100000\r\n\r\nsome",
    );
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(body(&mut stream, &answer), "no");
    // What was left of the body must not be read as a request.
    let _ = stream.write_all(GET.as_bytes());
    rest(&mut stream);
    stand.wait_closed(1);
    assert_eq!(stand.decisions().len(), 1);
}

#[test]
fn a_refusal_says_what_was_refused_by_which_rule_and_how_to_fix_it() {
    let (_server, stand) = stand(mirror);
    let answer = stand.ask(b"GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("Palisade-Egress: denied; reason=not-granted\r\n"), "{answer}");
    assert!(answer.contains("no rule grants `other.example` on port 80"), "{answer}");
    assert!(answer.contains("hint: "), "{answer}");
    stand.wait(|events| !events.is_empty());
    let event = stand.events().into_iter().next().unwrap();
    let Event::Decision(decision) = event else { panic!("{event:?}") };
    assert_eq!((decision.verdict, decision.reason), (Verdict::Deny, Reason::NotGranted));
    assert_eq!(decision.rule, None);
}
