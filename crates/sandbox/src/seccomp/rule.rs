//! What a profile says of one system call: the words the lists are written in.
//!
//! No lists and no BPF here. `strict.rs`, `standard.rs` and `refused.rs` are lists of [`Entry`];
//! `emit.rs` turns rules into a filter; `conformance.rs` prints them.

use std::fmt;

/// The error number a refused call returns; the process goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// Known and refused: the program should report that it was not permitted.
    NotPermitted,
    /// As a kernel built without the call answers, so that programs take their older path.
    NotImplemented,
    /// As a kernel without this network protocol answers.
    FamilyNotSupported,
    /// As a kernel answers whose protocol does not come in this type.
    ProtocolNotSupported,
    /// As a file that does not know this request answers.
    UnknownRequest,
    /// As a kernel that does not know this option answers.
    UnknownOption,
    /// As a socket that does not know this option answers.
    UnknownSocketOption,
}

impl Errno {
    /// The number the kernel returns, below 4096.
    pub(super) const fn number(self) -> u32 {
        // The numbers of asm-generic/errno.h, the same on both architectures.
        match self {
            Self::NotPermitted => 1,
            Self::NotImplemented => 38,
            Self::FamilyNotSupported => 97,
            Self::ProtocolNotSupported => 93,
            Self::UnknownRequest => 25,
            Self::UnknownOption => 22,
            Self::UnknownSocketOption => 92,
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotPermitted => "EPERM",
            Self::NotImplemented => "ENOSYS",
            Self::FamilyNotSupported => "EAFNOSUPPORT",
            Self::ProtocolNotSupported => "EPROTONOSUPPORT",
            Self::UnknownRequest => "ENOTTY",
            Self::UnknownOption => "EINVAL",
            Self::UnknownSocketOption => "ENOPROTOOPT",
        })
    }
}

/// The verdict on a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Allowed with any arguments.
    Allow,
    /// Allowed when one argument passes.
    When(Condition),
    /// Allowed in one of a few cases. The first that applies decides; where none does, the answer is
    /// that of the last one's first test.
    Cases(&'static [Case]),
    /// Never allowed.
    Refuse(Errno),
}

/// How many bits of the argument's register the kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// `int` or narrower: the high 32 bits are ignored by the kernel, so they are ignored here.
    /// Comparing them would let a program slip a refused value past the filter by setting one
    /// (CVE-2019-10063).
    Int,
    /// `long` or a pointer: all 64 bits count.
    Long,
}

/// A test of one argument: its value, masked, must be one of a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which argument, counted from 0; at most 5.
    pub argument: u8,
    /// How much of it counts.
    pub width: Width,
    /// The bits that are compared.
    pub mask: u64,
    /// The values that pass, with the name the manual gives them.
    pub values: &'static [(&'static str, u64)],
    /// The answer to any other value.
    pub otherwise: Errno,
}

/// One case of a call whose arguments depend on each other. Its tests read narrow arguments only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whether this case is meant.
    pub applies: Condition,
    /// What has to pass too; the answer to a test that does not is its own.
    pub tests: &'static [Condition],
}

/// One line of a list: a system call, its rule, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
    pub(super) why: &'static str,
}

/// Allowed with any arguments.
pub(super) const fn allow(name: &'static str, why: &'static str) -> Entry {
    Entry { name, rule: Rule::Allow, why }
}

/// Allowed when the condition holds.
pub(super) const fn when(name: &'static str, condition: Condition, why: &'static str) -> Entry {
    Entry { name, rule: Rule::When(condition), why }
}

/// Allowed in one of a few cases.
pub(super) const fn cases(name: &'static str, cases: &'static [Case], why: &'static str) -> Entry {
    Entry { name, rule: Rule::Cases(cases), why }
}

/// Refused: the caller is told that it is not permitted.
pub(super) const fn refuse(name: &'static str, why: &'static str) -> Entry {
    Entry { name, rule: Rule::Refuse(Errno::NotPermitted), why }
}

/// Refused as if the kernel had no such call, for calls that programs try first and do without.
pub(super) const fn absent(name: &'static str, why: &'static str) -> Entry {
    Entry { name, rule: Rule::Refuse(Errno::NotImplemented), why }
}

impl Condition {
    /// The `int` argument is one of `values`.
    pub(super) const fn int(
        argument: u8,
        values: &'static [(&'static str, u64)],
        otherwise: Errno,
    ) -> Self {
        Self { argument, width: Width::Int, mask: 0xFFFF_FFFF, values, otherwise }
    }

    /// The bits of the `int` argument under `mask` are one of `values`.
    pub(super) const fn bits(
        argument: u8,
        mask: u64,
        values: &'static [(&'static str, u64)],
        otherwise: Errno,
    ) -> Self {
        Self { argument, width: Width::Int, mask, values, otherwise }
    }

    /// The pointer argument is null.
    pub(super) const fn null(argument: u8, otherwise: Errno) -> Self {
        let values = &[("NULL", 0)];
        Self { argument, width: Width::Long, mask: u64::MAX, values, otherwise }
    }
}
