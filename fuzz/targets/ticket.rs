//! Any bytes as a ticket, as text and as claims; what is required is in `checks/ticket.rs`.
//! Nothing is signed that was not made here.
#![no_main]

#[path = "../checks/ticket.rs"]
mod ticket_check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ticket_check::check(data));
