//! What `strict` allows: one process that computes, reads files and speaks over Unix sockets.
//!
//! The filter is in force before the program is started, so the list begins with what `exec` and
//! a dynamic loader need. Threads are allowed, further processes are not. Every other call of
//! `standard.rs` is refused here. A call belongs here only if a static binary, a dynamic one,
//! Python or Node cannot start and finish without it.

use super::rule::{Condition, Entry, Errno, allow, when};

/// All the flags of `clone` that make a namespace; 0x80 (time) is legal only in `clone3`.
pub(super) const CLONE_NEW: u64 = 0x7E02_0080;
const CLONE_THREAD: u64 = 0x1_0000;

const THREAD: Condition = Condition::bits(
    0,
    CLONE_NEW | CLONE_THREAD,
    &[("CLONE_THREAD without CLONE_NEW*", CLONE_THREAD)],
    Errno::NotPermitted,
);

/// The domain of a new socket, and of a pair of them in every profile.
pub(super) const UNIX: Condition = Condition::int(0, &[("AF_UNIX", 1)], Errno::FamilyNotSupported);

/// Without the options that load BPF programs into the kernel (`SO_ATTACH_*`). An `AF_UNIX` socket
/// has options of `SOL_SOCKET` only, so the level needs no test.
pub(super) const SOCKET_OPTION: Condition = Condition::int(
    2,
    &[
        ("SO_REUSEADDR", 2),
        ("SO_BROADCAST", 6),
        ("SO_SNDBUF", 7),
        ("SO_RCVBUF", 8),
        ("SO_KEEPALIVE", 9),
        ("SO_OOBINLINE", 10),
        ("SO_LINGER", 13),
        ("SO_REUSEPORT", 15),
        ("SO_PASSCRED", 16),
        ("SO_RCVLOWAT", 18),
        ("SO_RCVTIMEO", 20),
        ("SO_SNDTIMEO", 21),
        ("SO_TIMESTAMP", 29),
        ("SO_RCVTIMEO_NEW", 66),
        ("SO_SNDTIMEO_NEW", 67),
    ],
    Errno::UnknownSocketOption,
);

const THREAD_REGISTER: Condition = Condition::int(
    0,
    &[
        ("ARCH_SET_FS", 0x1002),
        ("ARCH_GET_FS", 0x1003),
        ("ARCH_SHSTK_ENABLE", 0x5001),
        ("ARCH_SHSTK_LOCK", 0x5003),
        ("ARCH_SHSTK_STATUS", 0x5005),
    ],
    Errno::UnknownOption,
);

const TERMINAL_QUERY: Condition = Condition::int(
    1,
    &[
        ("TCGETS", 0x5401),
        ("TIOCGWINSZ", 0x5413),
        ("FIONREAD", 0x541B),
        ("FIONBIO", 0x5421),
        ("FIONCLEX", 0x5450),
        ("FIOCLEX", 0x5451),
        ("TCGETS2", 0x802C_542A),
    ],
    Errno::UnknownRequest,
);

const DESCRIPTOR: Condition = Condition::int(
    1,
    &[
        ("F_DUPFD", 0),
        ("F_GETFD", 1),
        ("F_SETFD", 2),
        ("F_GETFL", 3),
        ("F_SETFL", 4),
        ("F_GETLK", 5),
        ("F_SETLK", 6),
        ("F_SETLKW", 7),
        ("F_OFD_GETLK", 36),
        ("F_OFD_SETLK", 37),
        ("F_OFD_SETLKW", 38),
        ("F_DUPFD_CLOEXEC", 1030),
    ],
    Errno::UnknownOption,
);

const OWN_NAME: Condition = Condition::int(
    0,
    &[
        ("PR_GET_DUMPABLE", 3),
        ("PR_SET_NAME", 15),
        ("PR_GET_NAME", 16),
        ("PR_GET_NO_NEW_PRIVS", 39),
        ("PR_SET_VMA", 0x5356_4D41),
    ],
    Errno::UnknownOption,
);

/// The calls `strict` allows.
pub(super) const ENTRIES: &[Entry] = &[
    // Starting, ending and the loader.
    allow("execve", "the launcher starts the program after the filter is in force"),
    allow("exit", "ends a thread"),
    allow("exit_group", "ends the process"),
    allow("restart_syscall", "the kernel itself resumes an interrupted sleep with it"),
    when("arch_prctl", THREAD_REGISTER, "sets the thread register and shadow stack at start"),
    allow("set_tid_address", "the C library at start"),
    allow("set_robust_list", "the C library at start of every thread"),
    allow("rseq", "the C library at start of every thread"),
    allow("getrandom", "stack protector, hash seeds; the only source of randomness needed"),
    allow("getrlimit", "reads own limits"),
    when(
        "prlimit64",
        Condition::null(2, Errno::NotPermitted),
        "reads limits; the launcher has set them, nothing here changes them",
    ),
    allow("uname", "kernel release, asked by loaders and runtimes"),
    allow("sysinfo", "memory size, asked by runtimes to size their heaps"),
    when("prctl", OWN_NAME, "names threads and mappings; no securebits, seccomp or capabilities"),
    // Memory.
    allow("brk", "heap"),
    allow("mmap", "heap, stacks, files and libraries"),
    allow("munmap", "gives memory back"),
    allow("mremap", "grows allocations in place"),
    allow("mprotect", "loader relocations and guard pages"),
    allow("madvise", "allocators return pages"),
    // Threads and waiting.
    when("clone", THREAD, "threads of this process only; no further process, no namespace"),
    allow("futex", "locks"),
    allow("gettid", "own thread id"),
    allow("tgkill", "abort and thread signals; other processes are not visible here"),
    allow("sched_yield", "spin locks"),
    allow("sched_getaffinity", "how many processors may be used"),
    allow("nanosleep", "sleeps"),
    allow("clock_nanosleep", "sleeps"),
    // Time.
    allow("clock_gettime", "reads clocks where the vDSO cannot"),
    allow("clock_getres", "reads clock resolution"),
    allow("gettimeofday", "reads the clock"),
    allow("time", "reads the clock"),
    // Signals to itself.
    allow("rt_sigaction", "installs handlers"),
    allow("rt_sigprocmask", "blocks signals around critical sections"),
    allow("rt_sigreturn", "returns from a handler"),
    allow("sigaltstack", "stack overflow handlers of runtimes"),
    // Identity, read only.
    allow("getpid", "own id"),
    allow("getppid", "parent's id"),
    allow("getuid", "loader decides on secure mode"),
    allow("geteuid", "loader decides on secure mode"),
    allow("getgid", "loader decides on secure mode"),
    allow("getegid", "loader decides on secure mode"),
    // Files: open and read; what may be opened is decided by the mounts and Landlock.
    allow("open", "older static binaries"),
    allow("openat", "opens files"),
    allow("openat2", "opens files beneath a folder"),
    allow("close", "closes descriptors"),
    allow("close_range", "closes descriptors"),
    allow("read", "reads"),
    allow("readv", "reads"),
    allow("pread64", "reads at an offset"),
    allow("preadv", "reads at an offset"),
    allow("write", "writes to what could be opened"),
    allow("writev", "writes to what could be opened"),
    allow("pwrite64", "writes at an offset"),
    allow("pwritev", "writes at an offset"),
    allow("lseek", "moves the file position"),
    allow("stat", "reads metadata"),
    allow("lstat", "reads metadata"),
    allow("fstat", "reads metadata"),
    allow("newfstatat", "reads metadata"),
    allow("statx", "reads metadata"),
    allow("access", "asks before opening"),
    allow("faccessat", "asks before opening"),
    allow("faccessat2", "asks before opening"),
    allow("readlink", "finds the program's own path"),
    allow("readlinkat", "finds the program's own path"),
    allow("getcwd", "where it was started"),
    allow("getdents64", "lists folders: module search"),
    when("fcntl", DESCRIPTOR, "descriptor flags and file locks; no leases, owners or notification"),
    when("ioctl", TERMINAL_QUERY, "is it a terminal, how many bytes wait; nothing that changes it"),
    allow("dup", "copies descriptors"),
    allow("dup2", "copies descriptors"),
    allow("dup3", "copies descriptors"),
    // Event loops.
    allow("pipe", "wakes an event loop"),
    allow("pipe2", "wakes an event loop"),
    allow("eventfd", "wakes an event loop"),
    allow("eventfd2", "wakes an event loop"),
    allow("poll", "waits for descriptors"),
    allow("ppoll", "waits for descriptors"),
    allow("select", "waits for descriptors"),
    allow("pselect6", "waits for descriptors"),
    allow("epoll_create", "waits for descriptors"),
    allow("epoll_create1", "waits for descriptors"),
    allow("epoll_ctl", "waits for descriptors"),
    allow("epoll_wait", "waits for descriptors"),
    allow("epoll_pwait", "waits for descriptors"),
    // Unix sockets: the way to the supervisor and the egress proxy.
    when("socket", UNIX, "Unix sockets; an internet socket would have no route and fails at once"),
    when("socketpair", UNIX, "channels within the sandbox"),
    allow("connect", "to Unix sockets bound into the sandbox"),
    allow("bind", "Unix sockets within the sandbox"),
    allow("listen", "Unix sockets within the sandbox"),
    allow("accept", "Unix sockets within the sandbox"),
    allow("accept4", "Unix sockets within the sandbox"),
    allow("shutdown", "half-closes a channel"),
    allow("sendto", "sends"),
    allow("sendmsg", "sends"),
    allow("recvfrom", "receives"),
    allow("recvmsg", "receives"),
    allow("getsockname", "own address"),
    allow("getpeername", "address of the other end"),
    allow("getsockopt", "reads options and pending errors"),
    when("setsockopt", SOCKET_OPTION, "timeouts and buffers; no option that loads a BPF program"),
];
