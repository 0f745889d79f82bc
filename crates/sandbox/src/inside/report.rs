//! Messages between inside and supervisor: fixed size, no allocation to write them.
//!
//! They travel over sequenced-packet sockets, so a message arrives whole or not at all. What a
//! stage means to a person is in `plan::describe`; what a failed one means to the caller is in
//! `launch`.

use rustix::io::Errno;

/// Bytes of every message.
pub(crate) const SIZE: usize = WORDS * 8;
const WORDS: usize = 10;

const FAULT: u64 = 1;
const UPPER: u64 = 2;
const READY: u64 = 3;
const ENDED: u64 = 4;
const LISTENER: u64 = 5;
const TAKEN: u64 = 16;
const RELEASE: u64 = 17;
const SEGMENTS: u64 = 9;

/// Namespaces whose identity is reported, in the order of [`Message::Ready`].
pub(crate) const NAMESPACES: usize = 7;

/// A step on the way from `clone3` to `execve`, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Stage {
    Supervisor,
    Descriptors,
    Cgroup,
    Identity,
    HostName,
    Loopback,
    Listener,
    Propagation,
    Source,
    Scratch,
    Folder,
    Link,
    File,
    Attach,
    Processes,
    Mask,
    Overlay,
    Mount,
    WorkspaceFile,
    Hidden,
    HandOver,
    Pivot,
    ReadOnly,
    Capabilities,
    NoNewPrivileges,
    Landlock,
    Program,
    Streams,
    WorkingDirectory,
    Rlimit,
    Proof,
    Seccomp,
    Interpreter,
    Exec,
}

/// Every stage, for decoding.
const STAGES: [Stage; 34] = [
    Stage::Supervisor,
    Stage::Descriptors,
    Stage::Cgroup,
    Stage::Identity,
    Stage::HostName,
    Stage::Loopback,
    Stage::Listener,
    Stage::Propagation,
    Stage::Source,
    Stage::Scratch,
    Stage::Folder,
    Stage::Link,
    Stage::File,
    Stage::Attach,
    Stage::Processes,
    Stage::Mask,
    Stage::Overlay,
    Stage::Mount,
    Stage::WorkspaceFile,
    Stage::Hidden,
    Stage::HandOver,
    Stage::Pivot,
    Stage::ReadOnly,
    Stage::Capabilities,
    Stage::NoNewPrivileges,
    Stage::Landlock,
    Stage::Program,
    Stage::Streams,
    Stage::WorkingDirectory,
    Stage::Rlimit,
    Stage::Proof,
    Stage::Seccomp,
    Stage::Interpreter,
    Stage::Exec,
];

/// A step that failed: which one, on which entry of the plan's list for it, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) stage: Stage,
    pub(crate) index: usize,
    pub(crate) errno: Errno,
}

impl Fault {
    /// For use with `map_err`: the fault of one entry of a list.
    pub(crate) fn at(stage: Stage, index: usize) -> impl Fn(Errno) -> Self + Copy {
        move |errno| Self { stage, index, errno }
    }

    /// For use with `map_err`: the fault of a step that has no list.
    pub(crate) fn of(stage: Stage) -> impl Fn(Errno) -> Self + Copy {
        Self::at(stage, 0)
    }
}

/// What the inside has to say, and the one thing it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A step failed; nothing will be executed. The last message.
    Fault(Fault),
    /// Carries a descriptor of the overlay's upper layer.
    Upper,
    /// Carries a descriptor of the socket that listens inside.
    Listener,
    /// Carries a descriptor of the list of shared memory segments inside.
    Segments,
    /// Everything is in force and proved; the next thing is `execve`.
    Ready {
        /// Identities of the user, mount, pid, ipc, uts, network and cgroup namespaces.
        namespaces: [u64; NAMESPACES],
    },
    /// A slot has understood its order; the next thing is `execve`.
    Taken,
    /// To the first process: carries what it has to write to when its supervisor is gone.
    Release,
    /// The program ended with this status in the encoding of `wait(2)`.
    Ended(i32),
}

impl Message {
    /// The message as it travels.
    pub(crate) fn encode(self) -> [u8; SIZE] {
        let mut words = [0_u64; WORDS];
        let fields: &[u64] = match &self {
            Self::Fault(fault) => &[
                FAULT,
                fault.stage as u64,
                fault.index as u64,
                u64::from(fault.errno.raw_os_error().unsigned_abs()),
            ],
            Self::Upper => &[UPPER],
            Self::Listener => &[LISTENER],
            Self::Segments => &[SEGMENTS],
            Self::Ready { namespaces: [a, b, c, d, e, f, g] } => {
                &[READY, *a, *b, *c, *d, *e, *f, *g]
            }
            Self::Taken => &[TAKEN],
            Self::Release => &[RELEASE],
            Self::Ended(status) => &[ENDED, u64::from(status.cast_unsigned())],
        };
        words.iter_mut().zip(fields).for_each(|(word, field)| *word = *field);
        let mut bytes = [0; SIZE];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The message back, or `None` for bytes that are not one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut words = [0_u64; WORDS];
        if bytes.len() != SIZE {
            return None;
        }
        for (word, slot) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(slot.try_into().ok()?);
        }
        let [kind, a, b, c, d, e, f, g, ..] = words;
        match kind {
            FAULT => Some(Self::Fault(Fault {
                stage: STAGES.into_iter().find(|stage| *stage as u64 == a)?,
                index: usize::try_from(b).ok()?,
                errno: Errno::from_raw_os_error(i32::try_from(c).ok()?),
            })),
            UPPER => Some(Self::Upper),
            LISTENER => Some(Self::Listener),
            SEGMENTS => Some(Self::Segments),
            READY => Some(Self::Ready { namespaces: [a, b, c, d, e, f, g] }),
            TAKEN => Some(Self::Taken),
            RELEASE => Some(Self::Release),
            ENDED => Some(Self::Ended(u32::try_from(a).ok()?.cast_signed())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_way() {
        let faults = STAGES
            .into_iter()
            .enumerate()
            .map(|(index, stage)| Message::Fault(Fault { stage, index, errno: Errno::ROFS }));
        let others = [
            Message::Upper,
            Message::Listener,
            Message::Segments,
            Message::Ready { namespaces: [1, 2, 3, 4, 5, 6, u64::MAX] },
            Message::Taken,
            Message::Release,
            Message::Ended(-1),
            Message::Ended(139),
        ];
        for message in faults.chain(others) {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn foreign_bytes_are_no_message() {
        for bytes in [&[][..], &[0; SIZE], &[0xff; SIZE], &[1; SIZE - 1]] {
            assert_eq!(Message::decode(bytes), None);
        }
    }
}
