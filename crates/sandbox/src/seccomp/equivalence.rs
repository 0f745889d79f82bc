//! Holds the compiled filters to the lists: same answer for every number and boundary argument.
//!
//! The expected answer comes from a naive search of the table, sharing nothing with the compiler
//! but the lists. The control changes each instruction in turn and must be noticed.

use std::collections::BTreeSet;

use libc::sock_filter;

use super::emit::emit;
use super::interpreter::{Data, Ended, Fault, run};
use super::number::{Architecture, SYSCALLS};
use super::rule::{Condition, Errno, Rule, Width};
use super::table::{rules, table, verdict};
use super::{filter, refused, standard, strict};
use crate::profile::Profile;

const PROFILES: [Profile; 2] = [Profile::Strict, Profile::Standard];
const ARCHITECTURES: [Architecture; 2] = [Architecture::X86_64, Architecture::Aarch64];

const ALLOW: u32 = 0x7FFF_0000;
const KILL_PROCESS: u32 = 0x8000_0000;

fn refusal(errno: Errno) -> u32 {
    let number = match errno {
        Errno::NotPermitted => libc::EPERM,
        Errno::NotImplemented => libc::ENOSYS,
        Errno::FamilyNotSupported => libc::EAFNOSUPPORT,
        Errno::UnknownRequest => libc::ENOTTY,
        Errno::UnknownOption => libc::EINVAL,
        Errno::UnknownSocketOption => libc::ENOPROTOOPT,
    };
    0x0005_0000 + u32::try_from(number).unwrap()
}

/// The naive answer: first the architecture, then x32, then a linear search.
fn expected(architecture: Architecture, rules: &[(u32, Rule)], data: &Data) -> u32 {
    let x32 = architecture == Architecture::X86_64 && data.number & 0x4000_0000 != 0;
    if data.architecture != architecture.audit() || x32 {
        return KILL_PROCESS;
    }
    match rules.iter().find(|(number, _)| *number == data.number) {
        None => refusal(Errno::NotImplemented),
        Some((_, Rule::Allow)) => ALLOW,
        Some((_, Rule::Refuse(errno))) => refusal(*errno),
        Some((_, Rule::When(condition))) if passes(condition, data) => ALLOW,
        Some((_, Rule::When(condition))) => refusal(condition.otherwise),
    }
}

fn passes(condition: &Condition, data: &Data) -> bool {
    let argument = data.arguments[usize::from(condition.argument)];
    let seen = match condition.width {
        Width::Int => argument % (1 << 32),
        Width::Long => argument,
    };
    condition.values.iter().any(|(_, value)| seen & condition.mask == *value)
}

/// Arguments at and around every value of a condition, in both halves.
fn boundaries(condition: &Condition) -> BTreeSet<u64> {
    let mut arguments = BTreeSet::from([0, u64::MAX, u64::from(u32::MAX), 1 << 32, 1 << 63]);
    for (_, value) in condition.values {
        arguments.extend([*value, value.wrapping_add(1), value.wrapping_sub(1)]);
        arguments.extend([value | !condition.mask, value << 32, value << 32 | value]);
        arguments.extend((0..64).map(|bit| value ^ 1 << bit));
    }
    arguments
}

fn calls(architecture: Architecture, rules: &[(u32, Rule)]) -> Vec<Data> {
    let call = |number, audit, arguments| Data {
        number,
        architecture: audit,
        instruction_pointer: u64::from(number) << 32 | 0x1234,
        arguments,
    };
    let mut calls = Vec::new();
    let edges = [0x3FFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, 0xBFFF_FFFF, 0xC000_0000, u32::MAX];
    for number in (0..1024).chain(0x4000_0000..0x4000_0400).chain(edges) {
        for fill in [0, u64::MAX] {
            calls.push(call(number, architecture.audit(), [fill; 6]));
        }
    }
    for (number, rule) in rules {
        let Rule::When(condition) = rule else { continue };
        for (fill, argument) in [0, u64::MAX]
            .into_iter()
            .flat_map(|fill| boundaries(condition).into_iter().map(move |a| (fill, a)))
        {
            let mut arguments = [fill; 6];
            arguments[usize::from(condition.argument)] = argument;
            calls.push(call(*number, architecture.audit(), arguments));
        }
    }
    // i386, arm, aarch64, x86_64, big-endian aarch64, riscv64, nothing, everything.
    let audits = [0x4000_0003, 0x4000_0028, 0xC000_00B7, 0xC000_003E, 0x8000_00B7, 0xC000_00F3];
    for audit in audits.into_iter().chain([0, u32::MAX, 0x3E, 0x8000_003E]) {
        calls.extend((0..512).map(|number| call(number, audit, [0; 6])));
    }
    calls
}

/// The first call on which the program and the lists differ.
fn difference(
    architecture: Architecture,
    rules: &[(u32, Rule)],
    program: &[sock_filter],
    calls: &[Data],
) -> Option<(Data, u32, Result<Ended, Fault>)> {
    calls.iter().find_map(|data| {
        let expected = expected(architecture, rules, data);
        let got = run(program, data);
        let same = got.as_ref().is_ok_and(|ended| ended.value == expected);
        (!same).then_some((*data, expected, got))
    })
}

#[test]
fn filters_answer_as_the_lists_say() {
    for architecture in ARCHITECTURES {
        for profile in PROFILES {
            let rules = rules(profile, architecture);
            let program = emit(architecture, rules.clone());
            let calls = calls(architecture, &rules);
            assert!(calls.len() > 7_000, "{} calls", calls.len());
            let found = difference(architecture, &rules, &program, &calls);
            assert!(found.is_none(), "{profile} on {architecture:?}: {found:?}");
        }
    }
}

#[test]
fn a_change_of_any_instruction_is_noticed() {
    let architecture = Architecture::X86_64;
    for profile in PROFILES {
        let rules = rules(profile, architecture);
        let program = emit(architecture, rules.clone());
        let calls = calls(architecture, &rules);
        for at in 0..program.len() {
            let mut changed = program.clone();
            match changed[at].code {
                // A return: another verdict. A comparison: swapped. Anything else: one more.
                0x06 => changed[at].k ^= 0x7FFF_0000,
                0x15 | 0x35 | 0x45 => {
                    let jump = &mut changed[at];
                    (jump.jt, jump.jf) = (jump.jf, jump.jt);
                }
                _ => changed[at].k += 1,
            }
            let found = difference(architecture, &rules, &changed, &calls);
            assert!(found.is_some(), "{profile}: {:?} at {at} is not needed", program[at]);
        }
    }
}

#[test]
fn far_branches_are_reached() {
    // Alternating rules defeat the joining of neighbours: more than 255 instructions on one side.
    let rules: Vec<_> = (0..600)
        .map(|number| (number, if number % 2 == 0 { Rule::Allow } else { filler(number) }))
        .collect();
    for architecture in ARCHITECTURES {
        let program = emit(architecture, rules.clone());
        assert!(program.iter().any(|instruction| instruction.code == 0x05), "no far jump");
        let found = difference(architecture, &rules, &program, &calls(architecture, &rules));
        assert!(found.is_none(), "{found:?}");
    }
    fn filler(number: u32) -> Rule {
        match number % 3 {
            0 => Rule::Refuse(Errno::NotPermitted),
            1 => Rule::When(Condition::null(5, Errno::UnknownOption)),
            _ => Rule::When(Condition::bits(
                0,
                0xF0,
                &[("a", 0x10), ("b", 0)],
                Errno::UnknownRequest,
            )),
        }
    }
}

#[test]
fn wide_tests_compare_both_halves() {
    const VALUES: &[(&str, u64)] = &[("low", 7), ("high", 7 << 32), ("both", 0x1_0000_0002)];
    let condition = Condition {
        argument: 3,
        width: Width::Long,
        mask: 0xFFFF_0000_00FF,
        values: VALUES,
        otherwise: Errno::NotPermitted,
    };
    let rules = vec![(9, Rule::When(condition))];
    let program = emit(Architecture::X86_64, rules.clone());
    let calls = calls(Architecture::X86_64, &rules);
    assert!(difference(Architecture::X86_64, &rules, &program, &calls).is_none());
}

#[test]
fn an_empty_list_allows_nothing() {
    for architecture in ARCHITECTURES {
        let program = emit(architecture, Vec::new());
        let allowed = calls(architecture, &[])
            .iter()
            .find(|data| run(&program, data).is_ok_and(|ended| ended.value == ALLOW))
            .copied();
        assert!(allowed.is_none(), "{allowed:?}");
    }
}

#[test]
fn filters_are_small_and_shallow() {
    // Longest searches end in one of the larger argument tests; the calls outside of those take
    // one step per level of the tree.
    for profile in PROFILES {
        for architecture in ARCHITECTURES {
            let rules = rules(profile, architecture);
            let program = emit(architecture, rules.clone());
            assert!(program.len() < 700, "{profile}: {} instructions", program.len());
            let search = (0..1024)
                .filter(|number| {
                    !rules.iter().any(|(n, rule)| n == number && matches!(rule, Rule::When(_)))
                })
                .map(|number| Data {
                    number,
                    architecture: architecture.audit(),
                    instruction_pointer: 0,
                    arguments: [0; 6],
                })
                .filter_map(|data| run(&program, &data).ok())
                .map(|ended| ended.steps)
                .max();
            assert!(search.is_some_and(|steps| steps <= 16), "{profile}: {search:?} steps");
        }
    }
}

#[test]
fn every_call_is_in_exactly_one_place() {
    let names = |entries: &[super::rule::Entry]| -> BTreeSet<&str> {
        let names: BTreeSet<_> = entries.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), entries.len(), "a name is twice in a list");
        names
    };
    let known: BTreeSet<_> = SYSCALLS.iter().map(|call| call.name).collect();
    let (strict, standard) = (names(strict::ENTRIES), names(standard::ENTRIES));
    let refused = names(refused::ENTRIES);
    let allowed: BTreeSet<_> = strict.union(&standard).copied().collect();
    assert_eq!(allowed.intersection(&refused).collect::<Vec<_>>(), Vec::<&&str>::new());
    let listed: BTreeSet<_> = allowed.union(&refused).copied().collect();
    assert_eq!(listed.symmetric_difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
    for entry in strict::ENTRIES.iter().chain(standard::ENTRIES) {
        assert!(!matches!(entry.rule, Rule::Refuse(_)), "`{}` is refused in a list", entry.name);
    }
}

/// `strict` lets limits of any process be read and none be changed, `standard` only one's own, both.
const TESTED_BY_ANOTHER_ARGUMENT: [&str; 1] = ["prlimit64"];

#[test]
fn standard_allows_all_that_strict_allows() {
    for (strict, standard) in table(Profile::Strict).zip(table(Profile::Standard)) {
        let wider = match (&strict.rule, &standard.rule) {
            (Rule::Refuse(_), _) | (_, Rule::Allow) => true,
            (Rule::When(strict_test), Rule::When(test))
                if strict_test.argument != test.argument =>
            {
                TESTED_BY_ANOTHER_ARGUMENT.contains(&strict.name)
            }
            (Rule::When(strict), Rule::When(standard)) => {
                boundaries(strict).iter().all(|argument| {
                    let data = Data {
                        number: 0,
                        architecture: 0,
                        instruction_pointer: 0,
                        arguments: [*argument; 6],
                    };
                    !passes(strict, &data) || passes(standard, &data)
                })
            }
            (Rule::Allow | Rule::When(_), _) => false,
        };
        assert!(wider, "`{}` is narrower in standard", strict.name);
    }
}

#[test]
fn conditions_are_within_their_width() {
    for profile in PROFILES {
        for verdict in table(profile) {
            let Rule::When(condition) = verdict.rule else { continue };
            assert!(condition.argument < 6, "{}", verdict.name);
            for (name, value) in condition.values {
                assert_eq!(value & condition.mask, *value, "{} {name}", verdict.name);
            }
            let narrow = condition.mask <= u64::from(u32::MAX);
            assert!(condition.width == Width::Long || narrow, "{}", verdict.name);
        }
    }
}

#[test]
fn numbers_are_unique() {
    for architecture in ARCHITECTURES {
        let numbers: Vec<_> =
            SYSCALLS.iter().filter_map(|call| call.number(architecture)).collect();
        let distinct: BTreeSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len(), "{architecture:?}");
    }
}

#[test]
fn interpreter_refuses_what_the_kernel_refuses() {
    let data = Data { number: 0, architecture: 0, instruction_pointer: 0, arguments: [0; 6] };
    let check = |code, k, fault| {
        let program = [sock_filter { code, jt: 0, jf: 0, k }];
        assert_eq!(run(&program, &data), Err(fault), "{code:#x} {k}");
    };
    check(0x20, 64, Fault::Load(64));
    check(0x20, 2, Fault::Load(2));
    check(0x20, 60, Fault::End);
    check(0x05, 1, Fault::End);
    check(0x30, 0, Fault::Code(0x30));
}

#[test]
fn digests_name_the_profile() {
    let [strict, standard] = PROFILES.map(|profile| filter(profile).digest);
    assert_ne!(strict, standard);
    assert_eq!(verdict(Profile::Strict, "no_such_call"), None);
}
