//! A tunnel: `CONNECT`, then TLS to the same host, whose greeting is read before anything is
//! dialled.
//!
//! It ends no TLS: the greeting and everything behind it reach the host unchanged.

use std::time::Instant;

use super::budget::Account;
use super::client::Client;
use super::dial::dial;
use super::office::{NoPassage, Permit, Refusal};
use super::pump::{Filter, Lane, Pump};
use super::request::Wish;
use super::wait::{Halt, write};
use super::{Proxy, reply};
use crate::event::{Closed, Ending, Reason};
use crate::hello;
use crate::host::Host;

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Serves one tunnel to its end.
pub(crate) fn serve(proxy: &Proxy, client: &mut Client, wish: &Wish) -> Result<(), Halt> {
    let permit = match proxy.office.check(wish, &proxy.stop) {
        Ok(permit) => permit,
        Err(refusal) => return client.refuse(proxy, Some(wish), &refusal),
    };
    write(&proxy.stop, client.fd(), ESTABLISHED, Instant::now() + proxy.limits.head_time)?;
    if let Err(refusal) = greeting(proxy, client, wish)? {
        let refusal = Refusal { addresses: permit.addresses, ..refusal };
        proxy.office.deny(Some(wish), &refusal)?;
        reply::alert(&proxy.stop, client.fd(), Some(refusal.reason));
        return Ok(());
    }
    carry(proxy, client, wish, &permit)
}

/// Dials once the decision is acknowledged, and moves bytes.
fn carry(proxy: &Proxy, client: &mut Client, wish: &Wish, permit: &Permit) -> Result<(), Halt> {
    let passage = match proxy.office.record(wish, permit, &proxy.stop) {
        Ok(passage) => passage,
        Err(NoPassage::Over) => return Err(Halt::Gone),
        Err(NoPassage::Unacknowledged) => {
            reply::alert(&proxy.stop, client.fd(), None);
            return Ok(());
        }
    };
    let mut closed =
        Closed { id: passage.id, address: None, sent: 0, received: 0, why: Ending::Unreachable };
    let time = proxy.limits.dial_time;
    match dial(&*proxy.outside, &permit.addresses, wish.port, time, &proxy.stop) {
        Ok((host, address)) => {
            let up = Lane::new(Filter::All, client.take_input(), Vec::new());
            let down = Lane::new(Filter::All, Vec::new(), Vec::new());
            let account = Account { budget: passage.budget, sent: 0, received: 0 };
            let idle = proxy.limits.idle_time;
            let mut pump = Pump::new((client.socket(), &host), (up, down), account, idle);
            closed.why = pump.run(&proxy.stop);
            closed.address = Some(address);
            closed.sent = pump.account.sent;
            closed.received = pump.account.received;
        }
        Err(Halt::Stopped) => closed.why = Ending::Stopped,
        Err(Halt::Late | Halt::Gone) => reply::alert(&proxy.stop, client.fd(), None),
    }
    proxy.office.close(closed);
    Ok(())
}

/// Reads the greeting, which stays in the client's input, and compares its host.
fn greeting(proxy: &Proxy, client: &mut Client, wish: &Wish) -> Result<Result<(), Refusal>, Halt> {
    let until = Instant::now() + proxy.limits.head_time;
    loop {
        match hello::read(client.input()) {
            Ok(Some(hello)) => return Ok(same_host(hello.host.as_ref(), wish)),
            Err(error) => return Ok(Err(refusal(error.to_string()))),
            Ok(None) => {}
        }
        match client.fill(proxy, until) {
            Ok(0) => return Ok(Err(refusal("the tunnel ended before its TLS greeting"))),
            Ok(_) => {}
            Err(Halt::Late) => return Ok(Err(refusal("no TLS greeting came in time"))),
            Err(halt) => return Err(halt),
        }
    }
}

/// A name in the greeting is the tunnel's; a tunnel to an address may do without one.
fn same_host(named: Option<&Host>, wish: &Wish) -> Result<(), Refusal> {
    match (named, &wish.host) {
        (Some(named), host) if named == host => Ok(()),
        (None, Host::Address(_)) => Ok(()),
        (Some(named), host) => {
            let detail = format!("the TLS greeting names `{named}`, the tunnel `{host}`");
            Err(Refusal { reason: Reason::Mismatch, ..refusal(detail) })
        }
        (None, Host::Name(_)) => Err(refusal("the TLS greeting names no host")),
    }
}

fn refusal(detail: impl Into<String>) -> Refusal {
    Refusal {
        reason: Reason::Greeting,
        status: 403,
        detail: detail.into(),
        hint: "a tunnel carries TLS to the host it names",
        addresses: Vec::new(),
    }
}
