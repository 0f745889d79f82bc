//! A plain request: written anew to a connection of its own, its answer written anew to the client.
//!
//! A host's connection serves one request and is never used again, so that no bytes of one
//! request can be read as the beginning of another.

use super::answer::Answer;
use super::budget::Account;
use super::client::Client;
use super::dial::dial;
use super::framing::Body;
use super::office::{NoPassage, Permit};
use super::pump::{Filter, Lane, Pump};
use super::request::Plain;
use super::wait::Halt;
use super::{Proxy, reply};
use crate::event::{Closed, Ending};

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Another request may come.
    Open,
    /// It is over.
    Over,
}

/// Serves one request to its end.
pub(crate) fn serve(proxy: &Proxy, client: &mut Client, request: &Plain) -> Result<After, Halt> {
    let permit = match proxy.office.check(&request.wish, &proxy.stop) {
        Ok(permit) => permit,
        Err(refusal) => {
            client.refuse(proxy, Some(&request.wish), &refusal)?;
            return Ok(After::Over);
        }
    };
    let passage = match proxy.office.record(&request.wish, &permit, &proxy.stop) {
        Ok(passage) => passage,
        Err(NoPassage::Over) => return Err(Halt::Gone),
        Err(NoPassage::Unacknowledged) => {
            let what = "the decision could not be recorded in time, so nothing was sent";
            reply::fail(&proxy.stop, client.fd(), 504, what);
            return Ok(After::Over);
        }
    };
    let account = Account { budget: passage.budget, sent: 0, received: 0 };
    let closed =
        Closed { id: passage.id, address: None, sent: 0, received: 0, why: Ending::Unreachable };
    let (closed, after) = exchange(proxy, client, request, &permit, (account, closed));
    proxy.office.close(closed);
    Ok(after)
}

/// One connection to the host, from the first address that answers to the end.
fn exchange(
    proxy: &Proxy,
    client: &mut Client,
    request: &Plain,
    permit: &Permit,
    (account, mut closed): (Account<'_>, Closed),
) -> (Closed, After) {
    let time = proxy.limits.dial_time;
    let port = request.wish.port;
    let (host, address) = match dial(&*proxy.outside, &permit.addresses, port, time, &proxy.stop) {
        Ok(reached) => reached,
        Err(Halt::Stopped) => return (Closed { why: Ending::Stopped, ..closed }, After::Over),
        Err(Halt::Late | Halt::Gone) => {
            let what = format!("`{}` cannot be reached on port {port}", request.wish.host);
            reply::fail(&proxy.stop, client.fd(), 502, &what);
            return (closed, After::Over);
        }
    };
    closed.address = Some(address);
    let body = Filter::Body(Body::new(request.framing));
    let up = Lane::new(body, client.take_input(), request.head());
    let down = Lane::new(Filter::Answer(Answer::to(request)), Vec::new(), Vec::new());
    let idle = proxy.limits.idle_time;
    let mut pump = Pump::new((client.socket(), &host), (up, down), account, idle);
    let mut why = pump.run(&proxy.stop);
    let (switched, keeps) = match &pump.down.filter {
        Filter::Answer(answer) => (answer.has_switched(), answer.keeps()),
        _ => (false, false),
    };
    if why == Ending::Done && switched {
        pump.up.filter = Filter::All;
        pump.down.filter = Filter::All;
        why = pump.run(&proxy.stop);
    }
    closed.why = why;
    closed.sent = pump.account.sent;
    closed.received = pump.account.received;
    let untouched = pump.delivered == 0;
    let whole = matches!(&pump.up.filter, Filter::Body(body) if body.is_done())
        && pump.up.output.is_empty();
    let rest = std::mem::take(&mut pump.up.input);
    drop(pump);
    client.give_back(rest);
    if untouched {
        tell_failure(proxy, client, why);
    }
    let open = why == Ending::Done && keeps && whole && !switched;
    (closed, if open { After::Open } else { After::Over })
}

/// Says what went wrong when nothing of an answer has reached the client yet.
fn tell_failure(proxy: &Proxy, client: &Client, why: Ending) {
    let (status, what) = match why {
        Ending::Host => (502, "the host went away without an answer"),
        Ending::Malformed => (502, "request or answer break the rules of HTTP"),
        Ending::Idle => (504, "the host did not answer in time"),
        Ending::Budget => (403, "the bytes of the rule are used up"),
        _ => return,
    };
    reply::fail(&proxy.stop, client.fd(), status, what);
}
