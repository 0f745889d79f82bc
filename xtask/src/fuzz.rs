//! `cargo xtask fuzz`: hostile input for every parser, found by libFuzzer.
//!
//! The targets are a workspace of their own (`fuzz/`), so that nothing of it is built with the product.
//! Instrumentation comes from the compiler that builds everything else: no nightly, no installed tool but
//! a C++ compiler. What a target finds becomes a test beside the parser.

use std::fs;
use std::path::{Path, PathBuf};

use crate::stage::{Failure, cargo, check};

/// How long each target runs when nothing is said.
const SECONDS: &str = "60";

/// Coverage counters and compared values for libFuzzer, in everything but build scripts.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares";

/// A target, where its first inputs come from, and the feature it is built with.
struct Target {
    name: &'static str,
    seeds: Seeds,
    feature: Option<&'static str>,
}

enum Seeds {
    /// Files of the repository with this ending, below a folder.
    Files(&'static str, &'static str),
    /// The records of the journal's test vectors.
    Vectors,
    /// What is written out here.
    Texts(&'static [&'static str]),
}

const TARGETS: &[Target] = &[
    Target { name: "policy", seeds: Seeds::Files("fuzz/seeds/policy", "yaml"), feature: None },
    Target {
        name: "call",
        seeds: Seeds::Texts(&[
            "fs.read p-r\ndocs/a.md",
            "fs.write p-r\n{\"path\":\"docs/private/x\",\"to\":[\"a.md\",\"../b\"]}",
            "http.get x\n{\"url\":\"https://docs.rs/x\",\"timeout\":\"30s\",\"size\":1073741824}",
            "exec.run pr\n{\"hosts\":[\"*.python.org\",\"10.0.0.0/8\"],\"env\":\"a/b\",\"mounts\":[]}",
        ]),
        feature: None,
    },
    Target { name: "hello", seeds: Seeds::Files("fuzz/seeds/hello", "bin"), feature: None },
    Target { name: "record", seeds: Seeds::Vectors, feature: None },
    Target { name: "workflow", seeds: Seeds::Files("examples", "yaml"), feature: Some("engine") },
    Target { name: "answer", seeds: Seeds::Files("fuzz/seeds/answer", "seed"), feature: None },
    Target {
        name: "peer",
        seeds: Seeds::Files("fuzz/seeds/peer", "seed"),
        feature: Some("schema"),
    },
    Target { name: "rules", seeds: Seeds::Files("fuzz/seeds/rules", "seed"), feature: None },
    Target {
        name: "schema",
        seeds: Seeds::Files("fuzz/seeds/schema", "seed"),
        feature: Some("schema"),
    },
    Target { name: "ticket", seeds: Seeds::Files("fuzz/seeds/ticket", "seed"), feature: None },
    Target { name: "tlog", seeds: Seeds::Files("fuzz/seeds/tlog", "seed"), feature: None },
];

/// Builds and runs one target, or each in turn.
///
/// # Errors
/// Unknown arguments, a target that does not build, or one that found something: its input is then kept
/// in `target/fuzz/findings`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let (wanted, seconds) = wanted(arguments)?;
    for target in wanted {
        println!("\n==> {} for {seconds} s", target.name);
        fuzz(root, target, seconds)?;
    }
    Ok(())
}

fn wanted<'a>(arguments: &[&'a str]) -> Result<(Vec<&'static Target>, &'a str), Failure> {
    let (name, seconds) = match arguments {
        [] => (None, SECONDS),
        ["--seconds", seconds] => (None, *seconds),
        [name] => (Some(*name), SECONDS),
        [name, "--seconds", seconds] => (Some(*name), *seconds),
        _ => return Err("fuzz takes a target and `--seconds N`".into()),
    };
    if !seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0) {
        return Err(format!("`{seconds}` is not a number of seconds").into());
    }
    let named = |target: &&Target| name.is_none_or(|name| name == target.name);
    let wanted: Vec<&Target> = TARGETS.iter().filter(named).collect();
    if wanted.is_empty() {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        let message = format!("no such target; there are {}", known.join(", "));
        return Err(message.into());
    }
    Ok((wanted, seconds))
}

fn fuzz(root: &Path, target: &Target, seconds: &str) -> Result<(), Failure> {
    let folder = root.join("target/fuzz");
    let corpus = folder.join("corpus").join(target.name);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(folder.join("findings"))?;
    for (place, seed) in seeds(root, &target.seeds)?.into_iter().enumerate() {
        fs::write(corpus.join(format!("seed-{place}")), seed)?;
    }
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let manifest = root.join("fuzz/Cargo.toml");
    // With a triple of its own, build scripts and macros are built without the flags.
    let mut command = cargo(root, &["run", "--release", "--target", &triple, "--bin", target.name]);
    command.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(&folder);
    if let Some(feature) = target.feature {
        command.args(["--features", feature]);
    }
    command.arg("--").arg(corpus).arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", folder.join("findings").display()));
    command.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1"]);
    check(command.env("RUSTFLAGS", FLAGS))
}

fn seeds(root: &Path, seeds: &Seeds) -> Result<Vec<Vec<u8>>, Failure> {
    match seeds {
        Seeds::Texts(texts) => Ok(texts.iter().map(|text| text.as_bytes().to_vec()).collect()),
        Seeds::Files(folder, ending) => {
            let entries = fs::read_dir(root.join(folder))?;
            let mut files: Vec<PathBuf> =
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
            files.retain(|file| file.extension().is_some_and(|found| found == *ending));
            files.sort();
            Ok(files.iter().map(fs::read).collect::<Result<_, _>>()?)
        }
        Seeds::Vectors => {
            let text = fs::read_to_string(root.join("crates/journal/vectors/record-v1.json"))?;
            Ok(hexadecimal(&text, "\"header\": \""))
        }
    }
}

/// Every value in hexadecimal digits that follows `key`.
fn hexadecimal(text: &str, key: &str) -> Vec<Vec<u8>> {
    let values = text.split(key).skip(1).filter_map(|rest| rest.split('"').next());
    let bytes = |digits: &str| {
        let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
        pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<Vec<u8>>>()
    };
    values.filter_map(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::{SECONDS, TARGETS, hexadecimal, wanted};

    #[test]
    fn one_target_or_all_of_them() {
        let check = |arguments: &[&str], count: usize, expected: &str| {
            let (targets, seconds) = wanted(arguments).unwrap();
            assert_eq!((targets.len(), seconds), (count, expected), "{arguments:?}");
        };
        check(&[], TARGETS.len(), SECONDS);
        check(&["policy"], 1, SECONDS);
        check(&["--seconds", "5"], TARGETS.len(), "5");
        check(&["record", "--seconds", "5"], 1, "5");
        for wrong in [&["nothing"][..], &["policy", "--seconds", "0"], &["policy", "5"]] {
            assert!(wanted(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn vectors_are_read_as_bytes() {
        let text = r#"{ "header": "01ff", "x": 1, "header": "zz", "header": "" }"#;
        assert_eq!(hexadecimal(text, "\"header\": \""), [vec![1, 255], vec![]]);
    }
}
