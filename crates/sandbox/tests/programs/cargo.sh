# A crate with a library, a build script, a procedural macro and tests, built without a network.
set -eu
export CARGO_HOME="$HOME/.cargo" CARGO_NET_OFFLINE=true RUST_BACKTRACE=1
cargo new -q --vcs none app && cargo new -q --vcs none --lib app/plain && cargo new -q --vcs none --lib app/macros
cd app
cat >> macros/Cargo.toml <<'T'
[lib]
proc-macro = true
T
echo 'use proc_macro::TokenStream; #[proc_macro] pub fn seven(_: TokenStream) -> TokenStream { "7".parse().unwrap() }' > macros/src/lib.rs
cat >> Cargo.toml <<'T'
plain = { path = "plain" }
macros = { path = "macros" }
T
echo 'fn main() { println!("cargo::rustc-env=MADE=built"); }' > build.rs
echo 'fn main() { println!("{} {} {}", env!("MADE"), macros::seven!(), plain::add(2, 2)); }' > src/main.rs
cargo run -q --offline
cargo test -q --offline --workspace > /dev/null
cargo build -q --offline --release
