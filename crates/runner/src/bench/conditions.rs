//! What a figure depends on and a reader cannot see: processor, kernel, build, load.
//! It reads what the system says and judges nothing; the notes on the method come from each bench.

use std::fs;

pub(super) fn of_this_machine() -> Vec<(String, String)> {
    let build = if cfg!(debug_assertions) {
        "debug (figures mean nothing; use a release build)"
    } else {
        "release"
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("build", build.to_owned()),
        ("processor", processor()),
        ("cores", cores.to_string()),
        ("kernel", first_line("/proc/sys/kernel/osrelease")),
        ("load", first_line("/proc/loadavg")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.and_then(|rest| rest.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path)
        .ok()
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_default()
}
