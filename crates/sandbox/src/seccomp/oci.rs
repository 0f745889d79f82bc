//! A profile as container runtimes read it: the same lists, in the JSON form of OCI runtimes.
//!
//! Default-deny like the compiled filter, and with the same verdict on every call: that is tested
//! against the lists. One thing differs. The form has no "otherwise": the answer to a refused
//! argument is spelled out where that takes a bounded number of rules (a closed set of masks and
//! values) and is the default answer, `ENOSYS`, where it does not. Refused it is either way.
//!
//! Foreign tables (i386, x32) end the program: only the native architecture is named, and the
//! library that compiles this for the runtimes kills what comes in by another.

use serde::Serialize;

use super::number::Architecture;
use super::rule::{Case, Condition, Errno, Rule, Width};
use super::table::table;
use crate::profile::Profile;

/// Calls a runtime makes after the filter is on and before the program is
/// executed, each with the reason. They are few and harmless, so every profile allows them here.
const OF_THE_RUNTIME: [(&str, &str); 1] =
    [("fstatfs", "`runc` makes sure that the `/proc` it closes descriptors through is one")];

/// Rules spent on the exact answer to a refused argument of one call.
const COMPLEMENT_MAX: usize = 128;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    default_action: &'static str,
    default_errno_ret: u32,
    architectures: [&'static str; 1],
    pub(super) syscalls: Vec<Line>,
}

/// One rule; without `args` it holds for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) names: Vec<&'static str>,
    pub(super) action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errno_ret: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) args: Vec<Argument>,
}

/// `argument & value == value_two`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Argument {
    pub(super) index: u8,
    pub(super) value: u64,
    pub(super) value_two: u64,
    op: &'static str,
}

pub(super) const ALLOW: &str = "SCMP_ACT_ALLOW";
pub(super) const ERRNO: &str = "SCMP_ACT_ERRNO";

/// The profile as a JSON document for `--security-opt seccomp=…`, for this architecture.
#[must_use]
pub fn container_profile(profile: Profile) -> String {
    // A structure of texts and numbers cannot fail to serialise.
    serde_json::to_string(&document(profile, Architecture::NATIVE)).unwrap_or_default()
}

pub(super) fn document(profile: Profile, architecture: Architecture) -> Document {
    let (mut plain, mut conditional) = (Vec::new(), Vec::new());
    for verdict in table(profile) {
        let known = match architecture {
            Architecture::X86_64 => verdict.x86_64,
            Architecture::Aarch64 => verdict.aarch64,
        };
        let rule = match OF_THE_RUNTIME.iter().any(|(name, _)| *name == verdict.name) {
            true => Rule::Allow,
            false => verdict.rule,
        };
        match (known, rule) {
            (None, _) => {}
            (_, Rule::Allow) => join(&mut plain, verdict.name, None),
            (_, Rule::Refuse(Errno::NotImplemented)) => {}
            (_, Rule::Refuse(errno)) => join(&mut plain, verdict.name, Some(errno.number())),
            (_, Rule::When(condition)) => conditional.extend(lines(verdict.name, &condition)),
            (_, Rule::Cases(cases)) => conditional.extend(cases_of(verdict.name, cases)),
        }
    }
    plain.append(&mut conditional);
    Document {
        default_action: ERRNO,
        default_errno_ret: Errno::NotImplemented.number(),
        architectures: [match architecture {
            Architecture::X86_64 => "SCMP_ARCH_X86_64",
            Architecture::Aarch64 => "SCMP_ARCH_AARCH64",
        }],
        syscalls: plain,
    }
}

/// Calls with the same answer share a rule.
fn join(lines: &mut Vec<Line>, name: &'static str, errno_ret: Option<u32>) {
    match lines.iter_mut().find(|line| line.errno_ret == errno_ret) {
        Some(line) => line.names.push(name),
        None => {
            let action = if errno_ret.is_some() { ERRNO } else { ALLOW };
            lines.push(Line { names: vec![name], action, errno_ret, args: Vec::new() });
        }
    }
}

fn lines(name: &'static str, condition: &Condition) -> Vec<Line> {
    let passing = passing(condition).into_iter().map(|test| line(name, vec![test], None));
    let others = failing(condition).into_iter();
    passing.chain(others.map(|test| line(name, vec![test], Some(condition.otherwise)))).collect()
}

/// A case is allowed where all of its tests pass; each test that fails after those before it has
/// its own answer. The values under which the cases apply are different ones.
fn cases_of(name: &'static str, cases: &[Case]) -> Vec<Line> {
    let mut made = Vec::new();
    for case in cases {
        let mut so_far: Vec<Vec<Argument>> =
            passing(&case.applies).into_iter().map(|test| vec![test]).collect();
        for test in case.tests {
            let with = |other: &[Argument]| {
                let pairs = so_far.iter().flat_map(|known| other.iter().map(move |it| (known, it)));
                pairs.map(|(known, it)| [known.as_slice(), &[*it]].concat()).collect::<Vec<_>>()
            };
            let refused = with(&failing(test));
            made.extend(refused.into_iter().map(|all| line(name, all, Some(test.otherwise))));
            so_far = with(&passing(test));
        }
        made.extend(so_far.into_iter().map(|all| line(name, all, None)));
    }
    if let Some(last) = cases.last() {
        let known = cases.iter().flat_map(|case| case.applies.values.iter().copied());
        let values: Vec<u64> = known.map(|(_, value)| value).collect();
        let answer = last.tests.first().map_or(last.applies.otherwise, |test| test.otherwise);
        let others = failing_but(&last.applies, values, answer);
        made.extend(others.into_iter().map(|test| line(name, vec![test], Some(answer))));
    }
    made
}

fn line(name: &'static str, args: Vec<Argument>, refused: Option<Errno>) -> Line {
    let action = if refused.is_some() { ERRNO } else { ALLOW };
    Line { names: vec![name], action, errno_ret: refused.map(Errno::number), args }
}

fn passing(condition: &Condition) -> Vec<Argument> {
    let mask = mask_of(condition);
    condition.values.iter().map(|(_, value)| argument(condition, mask, *value)).collect()
}

fn failing(condition: &Condition) -> Vec<Argument> {
    let values = condition.values.iter().map(|(_, value)| *value).collect();
    failing_but(condition, values, condition.otherwise)
}

/// Tests that hold for everything but `values`; none where the default answer is the right one.
fn failing_but(condition: &Condition, values: Vec<u64>, answer: Errno) -> Vec<Argument> {
    if answer == Errno::NotImplemented {
        return Vec::new();
    }
    let others = complement(mask_of(condition), values).into_iter();
    others.map(|(mask, value)| argument(condition, mask, value)).collect()
}

fn argument(condition: &Condition, mask: u64, wanted: u64) -> Argument {
    Argument { index: condition.argument, value: mask, value_two: wanted, op: "SCMP_CMP_MASKED_EQ" }
}

fn mask_of(condition: &Condition) -> u64 {
    match condition.width {
        Width::Int => condition.mask & u64::from(u32::MAX),
        Width::Long => condition.mask,
    }
}

/// Masks and values that together match exactly what none of `values` matches under `mask`; none
/// at all where that would take more than [`COMPLEMENT_MAX`] of them.
fn complement(mask: u64, values: Vec<u64>) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut waiting = vec![(0_u64, 0_u64, values)];
    while let Some((decided, prefix, values)) = waiting.pop() {
        let rest = mask & !decided;
        if rest == 0 {
            continue;
        }
        let bit = 1 << (63 - rest.leading_zeros());
        let (set, clear): (Vec<_>, Vec<_>) = values.into_iter().partition(|value| value & bit != 0);
        for (prefix, values) in [(prefix | bit, set), (prefix, clear)] {
            match values.is_empty() {
                true => found.push((decided | bit, prefix)),
                false => waiting.push((decided | bit, prefix, values)),
            }
        }
        if found.len() > COMPLEMENT_MAX {
            return Vec::new();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::table::rules;

    /// What a runtime would answer: `None` for allowed, else the error number.
    fn answer(document: &Document, name: &str, arguments: [u64; 6]) -> Option<u32> {
        let fits = |line: &&Line| {
            line.names.contains(&name)
                && line
                    .args
                    .iter()
                    .all(|test| arguments[usize::from(test.index)] & test.value == test.value_two)
        };
        let hits: Vec<_> = document.syscalls.iter().filter(fits).collect();
        assert!(
            hits.iter()
                .all(|hit| (hit.action, hit.errno_ret) == (hits[0].action, hits[0].errno_ret)),
            "rules of {name} contradict each other for {arguments:x?}"
        );
        match hits.first() {
            None => Some(38),
            Some(hit) if hit.action == ALLOW => None,
            Some(hit) => hit.errno_ret,
        }
    }

    fn probes(condition: &Condition) -> Vec<u64> {
        let near = condition.values.iter().flat_map(|(_, value)| {
            (0..64).map(move |bit| value ^ (1 << bit)).chain([*value, value | 1 << 32])
        });
        near.chain([0, 1, u64::MAX, u64::from(u32::MAX)]).collect()
    }

    fn holds(condition: &Condition, arguments: [u64; 6]) -> bool {
        let seen = arguments[usize::from(condition.argument)] & mask_of(condition);
        condition.values.iter().any(|(_, value)| seen == *value)
    }

    fn of_cases(cases: &[Case], arguments: [u64; 6]) -> Option<u32> {
        let Some(case) = cases.iter().find(|case| holds(&case.applies, arguments)) else {
            let last = cases.last().unwrap();
            let test = last.tests.first().unwrap_or(&last.applies);
            return Some(test.otherwise.number());
        };
        let failed = case.tests.iter().find(|test| !holds(test, arguments));
        failed.map(|test| test.otherwise.number())
    }

    /// Arguments near the values of every test of every case.
    fn combinations(cases: &[Case]) -> Vec<[u64; 6]> {
        let mut all = vec![[0; 6]];
        let conditions = |case: &Case| [&[case.applies], case.tests].concat();
        for index in 0..3_u8 {
            let mut values: Vec<u64> = cases
                .iter()
                .flat_map(conditions)
                .filter(|condition| condition.argument == index)
                .flat_map(|condition| condition.values.iter().map(|(_, value)| *value))
                .flat_map(|value| [value, value + 1, value | 1 << 32, value | 0x8_0800, value ^ 8])
                .collect();
            values.push(u64::MAX);
            let with = |known: &[u64; 6], value: u64| {
                let mut all = *known;
                all[usize::from(index)] = value;
                all
            };
            all = all
                .iter()
                .flat_map(|it| values.iter().map(move |value| with(it, *value)))
                .collect();
        }
        all
    }

    #[test]
    fn the_exported_profile_gives_the_same_verdict_as_the_lists() {
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            for profile in [Profile::Strict, Profile::Standard, Profile::StandardNet] {
                let document = document(profile, architecture);
                let known = rules(profile, architecture).len();
                let mut seen = 0;
                for verdict in table(profile) {
                    let number = match architecture {
                        Architecture::X86_64 => verdict.x86_64,
                        Architecture::Aarch64 => verdict.aarch64,
                    };
                    if number.is_none() {
                        continue;
                    }
                    seen += 1;
                    check(&document, &verdict);
                }
                assert_eq!(seen, known);
            }
        }
    }

    fn check(document: &Document, verdict: &crate::seccomp::Verdict) {
        let name = verdict.name;
        if OF_THE_RUNTIME.iter().any(|(known, _)| *known == name) {
            assert_eq!(answer(document, name, [7; 6]), None, "{name}");
            return;
        }
        match verdict.rule {
            Rule::Allow => assert_eq!(answer(document, name, [7; 6]), None, "{name}"),
            Rule::Refuse(errno) => {
                assert_eq!(answer(document, name, [7; 6]), Some(errno.number()), "{name}");
            }
            Rule::When(condition) => {
                for probe in probes(&condition) {
                    let mut arguments = [0; 6];
                    arguments[usize::from(condition.argument)] = probe;
                    let seen = match condition.width {
                        Width::Int => probe & 0xFFFF_FFFF,
                        Width::Long => probe,
                    };
                    let passes =
                        condition.values.iter().any(|(_, value)| seen & condition.mask == *value);
                    let got = answer(document, name, arguments);
                    assert_eq!(got.is_none(), passes, "{name} with {probe:#x}");
                }
            }
            Rule::Cases(cases) => {
                for arguments in combinations(cases) {
                    let expect = of_cases(cases, arguments);
                    let got = answer(document, name, arguments);
                    // An answer that takes too many lines to write down is the default one.
                    assert!(
                        got == expect || (expect.is_some() && got == Some(38)),
                        "{name} with {arguments:x?}: {got:?} and not {expect:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_refused_argument_is_answered_exactly_where_that_is_short() {
        let document = document(Profile::Standard, Architecture::X86_64);
        let new_user = 0x1000_0000 | 17;
        assert_eq!(answer(&document, "clone", [new_user, 0, 0, 0, 0, 0]), Some(1));
        assert_eq!(answer(&document, "socket", [2, 1, 0, 0, 0, 0]), Some(97));
        assert_eq!(answer(&document, "socket", [1, 1, 0, 0, 0, 0]), None);
        let type_into_terminal = [0, 0x5412, 0, 0, 0, 0];
        assert!(answer(&document, "ioctl", type_into_terminal).is_some());
    }

    #[test]
    fn a_complement_is_everything_else_and_nothing_more() {
        let values = vec![1, 2, 10];
        let others = complement(0xFF, values.clone());
        for value in 0..=0xFF_u64 {
            let hit = others.iter().any(|(mask, other)| value & mask == *other);
            assert_eq!(hit, !values.contains(&value), "{value}");
        }
        assert!(complement(u64::from(u32::MAX), (0..200).map(|n| n * 7919).collect()).is_empty());
    }

    #[test]
    fn the_document_denies_by_default_and_names_one_architecture() {
        let text = container_profile(Profile::Strict);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["defaultAction"], "SCMP_ACT_ERRNO");
        assert_eq!(json["defaultErrnoRet"], 38);
        assert_eq!(json["architectures"].as_array().unwrap().len(), 1);
        assert!(text.len() < 256 * 1024, "{} bytes", text.len());
    }
}
