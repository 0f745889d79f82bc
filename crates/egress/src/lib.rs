//! The egress proxy: the only way from a sandbox to the network, one host at a time.
//!
//! It runs as a confined process of its own and knows neither policy nor runs: which hosts are
//! granted comes as a value, and every decision goes out as an event before the connection is made.
