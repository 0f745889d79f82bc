//! Rules to classic BPF: a balanced search over the call's number, then the call's own test.
//!
//! Why a tree: on install the kernel runs the filter once for every call number to learn which are
//! always allowed, so a linear list costs its length squared. No verdict is decided here; the tests
//! hold the output to the lists, call by call, with an interpreter. See seccomp(2) for the layout
//! of the data a filter sees.

use libc::sock_filter;

use super::number::Architecture;
use super::rule::{Case, Condition, Errno, Rule, Width};

/// Offsets into `struct seccomp_data`; both architectures are little endian.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const JUMP_IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// `SECCOMP_RET_*`: what the kernel does with the call.
pub(super) const KILL_PROCESS: u32 = 0x8000_0000;
pub(super) const ALLOW: u32 = 0x7FFF_0000;
const ERRNO: u32 = 0x0005_0000;

/// Set in the numbers of the x32 interface, a second table of calls behind the same architecture.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// The answer to a number no table knows: what an older kernel says to a newer program.
pub(super) const UNKNOWN: Rule = Rule::Refuse(Errno::NotImplemented);

/// The value that makes the kernel answer with an error number.
pub(super) const fn answer(errno: Errno) -> u32 {
    ERRNO | errno.number()
}

/// A run of call numbers with one rule, up to the start of the next.
struct Span {
    start: u32,
    rule: Rule,
}

/// Compiles the rules of the calls of one architecture; numbers not named get [`UNKNOWN`].
pub(super) fn emit(architecture: Architecture, mut rules: Vec<(u32, Rule)>) -> Vec<sock_filter> {
    rules.sort_by_key(|(number, _)| *number);
    let mut program = vec![
        load(ARCHITECTURE),
        jump(JUMP_IF_EQUAL, architecture.audit(), 1, 0),
        give(KILL_PROCESS),
        load(NUMBER),
    ];
    if architecture == Architecture::X86_64 {
        program.extend([jump(JUMP_IF_ANY_BIT, X32_BIT, 0, 1), give(KILL_PROCESS)]);
    }
    program.extend(tree(&spans(&rules)));
    program
}

/// Joins neighbours of one rule and fills the gaps, so that every number is in exactly one span.
fn spans(rules: &[(u32, Rule)]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut add = |start, rule| {
        if spans.last().is_none_or(|last| last.rule != rule) {
            spans.push(Span { start, rule });
        }
    };
    let mut next = 0;
    for (number, rule) in rules {
        if next < *number {
            add(next, UNKNOWN);
        }
        add(*number, *rule);
        next = number.saturating_add(1);
    }
    add(next, UNKNOWN);
    spans
}

/// Halves at every level, so the depth is the logarithm of the number of spans.
fn tree(spans: &[Span]) -> Vec<sock_filter> {
    let (left, right) = spans.split_at(spans.len() / 2);
    match (left, right) {
        ([], [only]) => leaf(&only.rule),
        ([_, ..], [pivot, ..]) => branch(pivot.start, tree(left), tree(right)),
        // Only without any span at all, where nothing may be allowed.
        (_, []) | ([], _) => vec![give(KILL_PROCESS)],
    }
}

/// `left` below the pivot, `right` from it on. A conditional jump reaches 255 instructions; beyond
/// that it steps over an unconditional one, which reaches any distance.
fn branch(pivot: u32, left: Vec<sock_filter>, right: Vec<sock_filter>) -> Vec<sock_filter> {
    let mut program = match u8::try_from(left.len()) {
        Ok(skip) => vec![jump(JUMP_IF_AT_LEAST, pivot, skip, 0)],
        Err(_) => {
            let skip = u32::try_from(left.len()).unwrap_or(u32::MAX);
            vec![jump(JUMP_IF_AT_LEAST, pivot, 0, 1), jump(JUMP, skip, 0, 0)]
        }
    };
    program.extend(left);
    program.extend(right);
    program
}

fn leaf(rule: &Rule) -> Vec<sock_filter> {
    match rule {
        Rule::Allow => vec![give(ALLOW)],
        Rule::Refuse(errno) => vec![give(answer(*errno))],
        Rule::Cases(cases) => decide(cases),
        Rule::When(condition) => match condition.width {
            Width::Int => int_test(condition),
            Width::Long => long_test(condition),
        },
    }
}

/// Compares the low half of the argument only, as the kernel reads only that.
fn int_test(condition: &Condition) -> Vec<sock_filter> {
    let mut program = masked_half(low_half(condition.argument), low(condition.mask));
    for (_, value) in condition.values {
        program.extend([jump(JUMP_IF_EQUAL, low(*value), 0, 1), give(ALLOW)]);
    }
    program.push(give(answer(condition.otherwise)));
    program
}

/// Each case in turn; one that does not apply is stepped over.
fn decide(cases: &[Case]) -> Vec<sock_filter> {
    let mut program = Vec::new();
    let mut otherwise = Errno::NotPermitted;
    for case in cases {
        let allowed = vec![give(ALLOW)];
        let body = case.tests.iter().rev().fold(allowed, |inner, test| {
            let mut outer = only_if(test, inner);
            outer.push(give(answer(test.otherwise)));
            outer
        });
        program.extend(only_if(&case.applies, body));
        otherwise = case.applies.otherwise;
    }
    program.push(give(answer(otherwise)));
    program
}

/// Runs `inner` where the narrow argument passes, and steps over it otherwise.
fn only_if(condition: &Condition, inner: Vec<sock_filter>) -> Vec<sock_filter> {
    let mut program = masked_half(low_half(condition.argument), low(condition.mask));
    for (place, (_, value)) in condition.values.iter().enumerate() {
        let others = condition.values.len() - place;
        let over_the_others = u8::try_from(others).unwrap_or(u8::MAX);
        program.push(jump(JUMP_IF_EQUAL, low(*value), over_the_others, 0));
    }
    let length = u32::try_from(inner.len()).unwrap_or(u32::MAX);
    program.push(jump(JUMP, length, 0, 0));
    program.extend(inner);
    program
}

/// Compares the high half, and where that is equal the low half, for each value.
fn long_test(condition: &Condition) -> Vec<sock_filter> {
    let low_offset = low_half(condition.argument);
    let mut program = Vec::new();
    for (_, value) in condition.values {
        let mut same_low = masked_half(low_offset, low(condition.mask));
        same_low.extend([jump(JUMP_IF_EQUAL, low(*value), 0, 1), give(ALLOW)]);
        let skip = u8::try_from(same_low.len()).unwrap_or(u8::MAX);
        program.extend(masked_half(low_offset + 4, high(condition.mask)));
        program.push(jump(JUMP_IF_EQUAL, high(*value), 0, skip));
        program.extend(same_low);
    }
    program.push(give(answer(condition.otherwise)));
    program
}

fn masked_half(offset: u32, mask: u32) -> Vec<sock_filter> {
    match mask {
        u32::MAX => vec![load(offset)],
        _ => vec![load(offset), sock_filter { code: AND, jt: 0, jf: 0, k: mask }],
    }
}

fn low_half(argument: u8) -> u32 {
    ARGUMENTS + 8 * u32::from(argument)
}

const fn low(value: u64) -> u32 {
    (value & 0xFFFF_FFFF) as u32
}

const fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

const fn load(offset: u32) -> sock_filter {
    sock_filter { code: LOAD, jt: 0, jf: 0, k: offset }
}

const fn give(value: u32) -> sock_filter {
    sock_filter { code: RETURN, jt: 0, jf: 0, k: value }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}
