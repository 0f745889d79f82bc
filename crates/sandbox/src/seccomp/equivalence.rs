//! Holds the compiled filters to the lists: same answer for every number and boundary argument.
//!
//! The expected answer comes from a naive search of the table, sharing nothing with the compiler
//! but the lists. The control changes each instruction in turn and must be noticed.

use std::collections::BTreeSet;

use libc::sock_filter;

use super::emit::emit;
use super::interpreter::{Data, Ended, Fault, run, walk};
use super::number::{Architecture, SYSCALLS};
use super::rule::{Case, Condition, Errno, Rule, Width};
use super::table::{rules, table, verdict};
use super::{filter, net, proxy, refused, standard, strict};
use crate::profile::Profile;

const PROFILES: [Profile; 5] = Profile::ALL;
const ARCHITECTURES: [Architecture; 2] = [Architecture::X86_64, Architecture::Aarch64];

const ALLOW: u32 = 0x7FFF_0000;
const KILL_PROCESS: u32 = 0x8000_0000;

fn refusal(errno: Errno) -> u32 {
    let number = match errno {
        Errno::NotPermitted => libc::EPERM,
        Errno::NotImplemented => libc::ENOSYS,
        Errno::FamilyNotSupported => libc::EAFNOSUPPORT,
        Errno::ProtocolNotSupported => libc::EPROTONOSUPPORT,
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
        Some((_, rule)) => judged(rule, data).map_or(ALLOW, refusal),
    }
}

/// The answer to a refused call, or `None` for one that is allowed.
fn judged(rule: &Rule, data: &Data) -> Option<Errno> {
    match rule {
        Rule::Allow => None,
        Rule::Refuse(errno) => Some(*errno),
        Rule::When(condition) => (!passes(condition, data)).then_some(condition.otherwise),
        Rule::Cases(cases) => match cases.iter().find(|case| passes(&case.applies, data)) {
            None => Some(cases.last().unwrap().applies.otherwise),
            Some(case) => {
                let failed = case.tests.iter().find(|test| !passes(test, data));
                failed.map(|test| test.otherwise)
            }
        },
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

/// Arguments at and around what each test of a rule compares, with the others passing and not.
fn arguments(rule: &Rule) -> Vec<[u64; 6]> {
    let mut found = Vec::new();
    match rule {
        Rule::Allow | Rule::Refuse(_) => {}
        Rule::When(condition) => vary(&[*condition], &mut found),
        Rule::Cases(cases) => {
            for Case { applies, tests } in *cases {
                let all: Vec<_> = [*applies].into_iter().chain(tests.iter().copied()).collect();
                vary(&all, &mut found);
            }
        }
    }
    found
}

fn vary(tests: &[Condition], found: &mut Vec<[u64; 6]>) {
    let set = |arguments: &mut [u64; 6], test: &Condition, value| {
        arguments[usize::from(test.argument)] = value;
    };
    for (place, varied) in tests.iter().enumerate() {
        // The boundaries of a later test are seen with every value that leads to it.
        let firsts = if place == 0 { &tests[0].values[..1] } else { tests[0].values };
        for (fill, (_, first)) in
            [0, u64::MAX].into_iter().flat_map(|fill| firsts.iter().map(move |first| (fill, first)))
        {
            let mut arguments = [fill; 6];
            tests.iter().for_each(|test| set(&mut arguments, test, test.values[0].1));
            set(&mut arguments, &tests[0], *first);
            found.extend(boundaries(varied).into_iter().map(|boundary| {
                set(&mut arguments, varied, boundary);
                arguments
            }));
        }
    }
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
        let varied = arguments(rule).into_iter();
        calls.extend(varied.map(|arguments| call(*number, architecture.audit(), arguments)));
    }
    // i386, arm, aarch64, x86_64, big-endian aarch64, riscv64, nothing, everything.
    let audits = [0x4000_0003, 0x4000_0028, 0xC000_00B7, 0xC000_003E, 0x8000_00B7, 0xC000_00F3];
    for audit in audits.into_iter().chain([0, u32::MAX, 0x3E, 0x8000_003E]) {
        calls.extend((0..512).map(|number| call(number, audit, [0; 6])));
    }
    calls
}

/// The calls, each with the answer the lists give.
fn answers(architecture: Architecture, rules: &[(u32, Rule)]) -> Vec<(Data, u32)> {
    let calls = calls(architecture, rules).into_iter();
    calls.map(|data| (data, expected(architecture, rules, &data))).collect()
}

/// For each instruction the calls that come past it: a change of it can only change their answers.
fn visits(program: &[sock_filter], answers: &[(Data, u32)]) -> Vec<Vec<(Data, u32)>> {
    let mut visits = vec![Vec::new(); program.len()];
    for answer in answers {
        let ended = walk(program, &answer.0, &mut |at| visits[at].push(*answer));
        assert!(ended.is_ok());
    }
    visits
}

/// The first call on which the program and the lists differ.
fn difference(
    program: &[sock_filter],
    answers: &[(Data, u32)],
) -> Option<(Data, u32, Result<Ended, Fault>)> {
    answers.iter().find_map(|(data, expected)| {
        let got = run(program, data);
        let same = got.as_ref().is_ok_and(|ended| ended.value == *expected);
        (!same).then_some((*data, *expected, got))
    })
}

#[test]
fn filters_answer_as_the_lists_say() {
    for architecture in ARCHITECTURES {
        for profile in PROFILES {
            let rules = rules(profile, architecture);
            let program = emit(architecture, rules.clone());
            let answers = answers(architecture, &rules);
            assert!(answers.len() > 7_000, "{} calls", answers.len());
            let found = difference(&program, &answers);
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
        let visits = visits(&program, &answers(architecture, &rules));
        for at in 0..program.len() {
            let mut changed = program.clone();
            match changed[at].code {
                // A return: another verdict. A comparison: swapped. A jump: none, because what lies
                // beside its aim may answer the same. Anything else: one more.
                0x05 => changed[at].k = 0,
                0x06 => changed[at].k ^= 0x7FFF_0000,
                0x15 | 0x35 | 0x45 => {
                    let jump = &mut changed[at];
                    (jump.jt, jump.jf) = (jump.jf, jump.jt);
                }
                _ => changed[at].k += 1,
            }
            let found = difference(&changed, &visits[at]);
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
        let found = difference(&program, &answers(architecture, &rules));
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
    let answers = answers(Architecture::X86_64, &rules);
    assert!(difference(&program, &answers).is_none());
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
                    !rules.iter().any(|(n, rule)| {
                        n == number && matches!(rule, Rule::When(_) | Rule::Cases(_))
                    })
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
    // The lists for the network only change what another list allows already.
    let changed: BTreeSet<_> = names(net::ENTRIES).union(&names(proxy::ENTRIES)).copied().collect();
    assert_eq!(changed.difference(&allowed).collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// The calls of which `wide` refuses something that `narrow` allows.
fn narrower(narrow: Profile, wide: Profile) -> Vec<&'static str> {
    let pairs = table(narrow).zip(table(wide));
    let lost = pairs.filter(|(narrow, wide)| {
        let edges = arguments(&narrow.rule).into_iter().chain(arguments(&wide.rule));
        edges.chain([[0; 6], [u64::MAX; 6]]).any(|arguments| {
            let data = Data { number: 0, architecture: 0, instruction_pointer: 0, arguments };
            judged(&narrow.rule, &data).is_none() && judged(&wide.rule, &data).is_some()
        })
    });
    lost.map(|(narrow, _)| narrow.name).collect()
}

#[test]
fn wider_profiles_allow_all_that_narrower_ones_allow() {
    // `strict` lets limits of any process be read and none be changed, `standard` only one's own,
    // both. A Unix socket has options of one level only, so nothing is lost with the others.
    assert_eq!(narrower(Profile::Strict, Profile::Standard), ["prlimit64"]);
    assert_eq!(narrower(Profile::Standard, Profile::StandardNet), ["setsockopt"]);
    assert_eq!(narrower(Profile::Strict, Profile::StrictNet), ["setsockopt"]);
    assert_eq!(narrower(Profile::StrictNet, Profile::StandardNet), ["prlimit64"]);
}

#[test]
fn the_profiles_with_a_network_differ_from_their_neighbours_in_named_calls_only() {
    assert_eq!(narrower(Profile::StandardNet, Profile::Standard), ["socket", "setsockopt"]);
    assert_eq!(narrower(Profile::StrictNet, Profile::Strict), ["socket", "setsockopt"]);
    // Unix sockets, and everything that waits for others.
    let given_up = ["socket", "bind", "listen", "socketpair", "setsockopt"];
    assert_eq!(narrower(Profile::Strict, Profile::Proxy), given_up);
    assert_eq!(narrower(Profile::Proxy, Profile::Strict), ["socket", "setsockopt", "sendmmsg"]);
}

#[test]
fn conditions_are_within_their_width() {
    for profile in PROFILES {
        for verdict in table(profile) {
            let conditions: Vec<_> = match verdict.rule {
                Rule::Allow | Rule::Refuse(_) => continue,
                Rule::When(condition) => vec![condition],
                Rule::Cases(cases) => {
                    let all =
                        cases.iter().flat_map(|case| case.tests.iter().chain([&case.applies]));
                    all.copied().collect()
                }
            };
            for condition in conditions {
                assert!(condition.argument < 6, "{}", verdict.name);
                for (name, value) in condition.values {
                    assert_eq!(value & condition.mask, *value, "{} {name}", verdict.name);
                }
                let narrow = condition.mask <= u64::from(u32::MAX);
                let wide =
                    condition.width == Width::Long && !matches!(verdict.rule, Rule::Cases(_));
                assert!(wide || narrow, "{}", verdict.name);
            }
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
    let digests: BTreeSet<_> = PROFILES.map(|profile| filter(profile).digest).into_iter().collect();
    assert_eq!(digests.len(), PROFILES.len());
    assert_eq!(verdict(Profile::Strict, "no_such_call"), None);
}
