//! The isolation layers, under the names that receipts, refusals and `doctor` use for them.
//!
//! Only names: what a layer does is in the file that builds it, whether a host has it is in
//! `probe`, and which one stopped a program is in `blocked`.

use std::fmt;

use serde::{Serialize, Serializer};

/// One of the things that stand between a program and its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Own user and group ids, and capabilities that mean nothing outside.
    UserNamespace,
    /// Own tree of mounts: what was not put into it does not exist.
    MountNamespace,
    /// Own process ids, and death of all when the first process dies.
    PidNamespace,
    /// Own message queues and shared memory.
    IpcNamespace,
    /// Own host name.
    UtsNamespace,
    /// Own network: no interface is up, or only its own loopback.
    NetworkNamespace,
    /// Own view of the cgroup tree.
    CgroupNamespace,
    /// The root and the system folders cannot be written to.
    ReadOnlyRoot,
    /// Writes in the workspace go to memory, never to the project.
    WorkspaceOverlay,
    /// Paths of the project that are masked.
    HiddenPaths,
    /// No capability, not even within the own user namespace.
    Capabilities,
    /// Set-user-id programs gain nothing.
    NoNewPrivileges,
    /// Rules about files, TCP and signals that hold even if a mount is wrong.
    Landlock,
    /// The list of allowed system calls.
    Seccomp,
    /// Bound on memory.
    MemoryLimit,
    /// Bound on the number of processes.
    ProcessLimit,
    /// Bound on processor time per wall time.
    CpuLimit,
    /// Bound on what is written to the workspace and the temporary folders.
    DiskLimit,
    /// Bound on open files.
    FileLimit,
}

impl Layer {
    /// The name used in text and in machine output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user namespace",
            Self::MountNamespace => "mount namespace",
            Self::PidNamespace => "pid namespace",
            Self::IpcNamespace => "ipc namespace",
            Self::UtsNamespace => "uts namespace",
            Self::NetworkNamespace => "network namespace",
            Self::CgroupNamespace => "cgroup namespace",
            Self::ReadOnlyRoot => "read-only root",
            Self::WorkspaceOverlay => "workspace overlay",
            Self::HiddenPaths => "hidden paths",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no new privileges",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::MemoryLimit => "memory limit",
            Self::ProcessLimit => "process limit",
            Self::CpuLimit => "cpu limit",
            Self::DiskLimit => "disk limit",
            Self::FileLimit => "open file limit",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.name())
    }
}
