//! A reference interpreter of the part of classic BPF that seccomp(2) accepts; for tests only.
//!
//! It refuses what the kernel's checker refuses: loads that are unaligned or outside of
//! `seccomp_data`, jumps that leave the program, falling off the end. It shares no constant with
//! `emit.rs`, so a wrong one there shows here.

use libc::sock_filter;

/// What a filter is given: `struct seccomp_data`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    pub(super) number: u32,
    pub(super) architecture: u32,
    pub(super) instruction_pointer: u64,
    pub(super) arguments: [u64; 6],
}

impl Data {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.architecture.to_le_bytes());
        bytes.extend(self.instruction_pointer.to_le_bytes());
        for argument in self.arguments {
            bytes.extend(argument.to_le_bytes());
        }
        bytes
    }
}

/// Why a program is not one the kernel would run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Load(u32),
    Code(u16),
    End,
}

/// What a run gave: the value returned, and after how many instructions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) value: u32,
    pub(super) steps: usize,
}

/// Runs a filter on one call. It ends, because jumps only go forward.
pub(super) fn run(program: &[sock_filter], data: &Data) -> Result<Ended, Fault> {
    walk(program, data, &mut |_| {})
}

/// As [`run`], and tells each instruction's place before it is carried out.
pub(super) fn walk(
    program: &[sock_filter],
    data: &Data,
    visit: &mut dyn FnMut(usize),
) -> Result<Ended, Fault> {
    let bytes = data.bytes();
    let mut accumulator = 0_u32;
    let mut at = 0_usize;
    for steps in 1.. {
        let instruction = program.get(at).ok_or(Fault::End)?;
        visit(at);
        at += 1;
        let k = instruction.k;
        let mut choose = |yes: bool| {
            at += usize::from(if yes { instruction.jt } else { instruction.jf });
        };
        // BPF_CLASS | BPF_SIZE | BPF_MODE and BPF_CLASS | BPF_OP | BPF_SRC of linux/bpf_common.h.
        match instruction.code {
            0x20 => accumulator = word(&bytes, k).ok_or(Fault::Load(k))?,
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => choose(accumulator == k),
            0x25 => choose(accumulator > k),
            0x35 => choose(accumulator >= k),
            0x45 => choose(accumulator & k != 0),
            0x06 => return Ok(Ended { value: k, steps }),
            other => return Err(Fault::Code(other)),
        }
    }
    Err(Fault::End)
}

fn word(bytes: &[u8], offset: u32) -> Option<u32> {
    let offset = offset as usize;
    let word = bytes.get(offset..offset + 4).filter(|_| offset.is_multiple_of(4))?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}
