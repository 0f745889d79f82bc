//! The egress proxy: the only way from a sandbox to the network, one host at a time.
//!
//! It runs as a confined process of its own ([`serve`]) that the supervisor drives over a socket
//! ([`Session`]). It knows neither policy nor runs: which hosts are granted comes as a value
//! ([`Grant`]), and every decision goes out as an [`Event`] before the connection is made.
//!
//! It ends no TLS: what is inside a tunnel stays between the program and the granted host. How
//! a request becomes a connection is in `serve`, the words between the two processes in `wire`.

mod address;
mod event;
mod grant;
mod hello;
mod host;
mod outside;
mod serve;
mod session;
mod target;
mod wire;

pub use address::Class;
pub use event::{Access, Closed, Decision, Ending, Event, Reason, Verdict};
pub use grant::{Entry, Grant, ProxyLimits};
pub use host::HostError;
pub use outside::{Outside, System};
pub use serve::{ServeError, serve, serve_with};
pub use session::{Session, SessionError};
pub use target::{Target, TargetError};
