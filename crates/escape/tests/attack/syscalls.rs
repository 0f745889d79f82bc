//! Kernel interfaces nobody needs: each is used for what it is there for, and shows a result.
//! Where only its answer could be seen, the token is the mark the attempt was given.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;

use super::Attempt;
use super::raw::{
    Call, Held, KILL, MMAP, Try, call, find_token, fork, held, new, number, open, proved, shown,
    text, wait, word,
};
use super::ring;

pub const ATTEMPTS: &[Attempt] = &[
    ("ring", by_ring),
    ("trace-own", trace_own),
    ("trace", trace),
    ("read-memory", read_memory),
    ("write-memory", write_memory),
    ("compare", compare),
    ("map", bpf_map),
    ("count", count),
    ("fault", fault),
    ("read-key", read_key),
    ("filter", filter),
    ("executable-reads", executable_reads),
    ("segment", segment),
    ("old-calls", old_calls),
    ("kernel-log", kernel_log),
    ("real-time", real_time),
    ("message-queue", message_queue),
    ("watch-mount", watch_mount),
    ("run-from-memory", run_from_memory),
    ("run-without-path", run_without_path),
    ("run-written", run_written),
    ("fork", fork_once),
];

fn by_ring(arguments: &[String]) -> Try {
    Ok(shown(&ring::read(open(word(arguments, 0), 0)?, 256)?))
}

const PTRACE: Call = Call(101, 117);

/// A child that stops, with a number in its memory that it has drawn by itself.
fn trace_own(arguments: &[String]) -> Try {
    const TRACE_ME: usize = 0;
    const PEEK: usize = 1;
    let (mut reading, mut writing) = std::io::pipe()?;
    let mut drawn = 0_u64;
    let place = (&raw mut drawn) as usize;
    let Some(child) = fork()? else {
        use std::io::Write as _;
        call(Call(318, 278), [place, 8, 0])?;
        writing.write_all(&drawn.to_ne_bytes())?;
        let traced = call(PTRACE, [TRACE_ME, 0, 0, 0]);
        writing.write_all(&[u8::from(traced.is_ok())])?;
        if traced.is_ok() {
            call(KILL, [call(Call(39, 172), [0; 0])?, 19])?;
        }
        std::process::exit(0);
    };
    drop(writing);
    wait(child)?;
    let (mut told, mut peeked) = ([0_u8; 8], 0_u64);
    std::io::Read::read_exact(&mut reading, &mut told)?;
    let peek = call(PTRACE, [PEEK, child as usize, place, (&raw mut peeked) as usize]);
    let _ended = call(KILL, [child as usize, 9]);
    peek?;
    proved(peeked == u64::from_ne_bytes(told), word(arguments, 0), "another number")
}

fn trace(arguments: &[String]) -> Try {
    const PEEK: usize = 1;
    const ATTACH: usize = 16;
    const DETACH: usize = 17;
    let (process, place) = (number(arguments, 0), number(arguments, 1));
    call(PTRACE, [ATTACH, process, 0, 0])?;
    wait(process as i32)?;
    let mut bytes = Vec::new();
    while !bytes.contains(&0) && bytes.len() < 64 {
        let mut part = 0_u64;
        call(PTRACE, [PEEK, process, place + bytes.len(), (&raw mut part) as usize])?;
        bytes.extend(part.to_ne_bytes());
    }
    call(PTRACE, [DETACH, process, 0, 0])?;
    Ok(shown(bytes.split(|byte| *byte == 0).next().unwrap_or_default()))
}

fn vectors(which: Call, process: usize, place: usize, bytes: &mut [u8]) -> Result<usize, Held> {
    let own = [bytes.as_mut_ptr() as usize, bytes.len()];
    let other = [place, bytes.len()];
    call(which, [process, own.as_ptr() as usize, 1, other.as_ptr() as usize, 1, 0])
}

fn read_memory(arguments: &[String]) -> Try {
    let mut bytes = [0_u8; 64];
    vectors(Call(310, 270), number(arguments, 0), number(arguments, 1), &mut bytes)?;
    Ok(shown(bytes.split(|byte| *byte == 0).next().unwrap_or_default()))
}

fn write_memory(arguments: &[String]) -> Try {
    let mark = word(arguments, 2);
    let mut bytes = [mark.as_bytes(), b"\0"].concat();
    vectors(Call(311, 271), number(arguments, 0), number(arguments, 1), &mut bytes)?;
    Ok(mark.to_owned())
}

/// Which of its descriptors another process has open twice tells about its inside.
fn compare(arguments: &[String]) -> Try {
    const FILES: usize = 0;
    let (own, other) = (std::process::id() as usize, number(arguments, 0));
    call(Call(312, 272), [own, other, FILES, 0, 0])?;
    Ok(word(arguments, 1).to_owned())
}

/// Keeps a value in a map of the kernel.
fn bpf_map(arguments: &[String]) -> Try {
    const BPF: Call = Call(321, 280);
    let mark = word(arguments, 0);
    let mut create = [0_u32; 32];
    (create[0], create[1], create[2], create[3]) = (2, 4, 64, 1);
    let map = call(BPF, [0, create.as_mut_ptr() as usize, 128])?;
    let (key, mut value) = (0_u32, [0_u8; 64]);
    value[..mark.len()].copy_from_slice(mark.as_bytes());
    let mut element = [map as u64, (&raw const key) as u64, value.as_mut_ptr() as u64, 0];
    call(BPF, [2, element.as_mut_ptr() as usize, 32])?;
    value.fill(0);
    call(BPF, [1, element.as_mut_ptr() as usize, 32])?;
    Ok(shown(value.split(|byte| *byte == 0).next().unwrap_or_default()))
}

/// Counts its own work with the kernel's performance events.
fn count(arguments: &[String]) -> Try {
    const SOFTWARE: u32 = 1;
    let mut wanted = [0_u32; 32];
    (wanted[0], wanted[1]) = (SOFTWARE, 128);
    (wanted[2], wanted[10]) = (1, 0x60); // the task's clock; neither kernel nor hypervisor
    let every = usize::MAX;
    let counter = call(Call(298, 241), [wanted.as_ptr() as usize, 0, every, every, 0])?;
    let spent: u64 = (0..100_000_u64).map(std::hint::black_box).sum();
    let read = super::raw::read(counter, 8)?;
    proved(spent > 0 && read.iter().any(|byte| *byte != 0), word(arguments, 0), "nothing counted")
}

/// Answers its own page fault.
fn fault(arguments: &[String]) -> Try {
    const USER_ONLY: usize = 1;
    const COPY: usize = 0xC028_AA03;
    const REGISTER: usize = 0xC020_AA00;
    const START: usize = 0xC018_AA3F;
    let mark = word(arguments, 0);
    let faults = call(Call(323, 282), [USER_ONLY | 0o2_000_000])?;
    let mut start = [0xAA_u64, 0, 0];
    call(super::raw::IOCTL, [faults, START, start.as_mut_ptr() as usize])?;
    let page = call(MMAP, [0, 4096, 3, 0x22, usize::MAX, 0])?;
    let mut range = [page as u64, 4096, 1, 0];
    call(super::raw::IOCTL, [faults, REGISTER, range.as_mut_ptr() as usize])?;
    let mut content = vec![0_u8; 8192];
    let aligned = content.as_mut_ptr().align_offset(4096);
    content[aligned..aligned + mark.len()].copy_from_slice(mark.as_bytes());
    let from = content[aligned..].as_ptr() as u64;
    let mut copy = [page as u64, from, 4096, 0, 0];
    call(super::raw::IOCTL, [faults, COPY, copy.as_mut_ptr() as usize])?;
    // SAFETY: the page is mapped, and has just been filled.
    let seen = unsafe { std::slice::from_raw_parts(page as *const u8, mark.len()) };
    Ok(shown(seen))
}

/// Reads a key of the session it was started in, which is the supervisor's.
fn read_key(arguments: &[String]) -> Try {
    const KEYCTL: Call = Call(250, 219);
    const SEARCH: usize = 10;
    const READ: usize = 11;
    const SESSION: usize = -3_isize as usize;
    let (kind, name) = (text("user"), text(word(arguments, 0)));
    let search = [SEARCH, SESSION, kind.as_ptr() as usize, name.as_ptr() as usize, 0];
    let key = call(KEYCTL, search)?;
    let mut bytes = [0_u8; 64];
    let got = call(KEYCTL, [READ, key, bytes.as_mut_ptr() as usize, bytes.len(), 0])?;
    Ok(shown(&bytes[..got.min(64)]))
}

/// Installs a filter of its own, which answers a call with an error of its choice.
fn filter(arguments: &[String]) -> Try {
    const PARENT: u64 = if cfg!(target_arch = "x86_64") { 110 } else { 173 };
    #[repr(C)]
    struct Program {
        len: u16,
        steps: *const u64,
    }
    let step = |code: u64, jt: u64, jf: u64, k: u64| code | jt << 16 | jf << 24 | k << 32;
    let steps = [
        step(0x20, 0, 0, 0),
        step(0x15, 0, 1, PARENT),
        step(0x06, 0, 0, 0x0005_0000 | 18),
        step(0x06, 0, 0, 0x7FFF_0000),
    ];
    let program = Program { len: 4, steps: steps.as_ptr() };
    call(Call(157, 167), [38, 1, 0, 0, 0])?;
    call(Call(317, 277), [1, 0, (&raw const program) as usize])?;
    match call(Call(110, 173), [0; 0]) {
        Err(Held(why)) if why == "EXDEV" => Ok(word(arguments, 0).to_owned()),
        _ => held("not filtered"),
    }
}

/// Makes everything readable executable.
fn executable_reads(arguments: &[String]) -> Try {
    call(Call(135, 92), [0x0040_0000])?;
    let page = call(MMAP, [0, 4096, 1, 0x22, usize::MAX, 0])?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let line = maps.lines().find(|line| line.starts_with(&format!("{page:x}-")));
    let executable = line.is_some_and(|line| line.contains(" r-x"));
    proved(executable, word(arguments, 0), "not executable")
}

/// Writes a segment descriptor and reads it back.
fn segment(arguments: &[String]) -> Try {
    const LOCAL_TABLE: Call = new(154);
    let entry = [0_u32, 0x1000, 0xF, 0x51];
    call(LOCAL_TABLE, [1, entry.as_ptr() as usize, 16])?;
    let mut table = [0_u8; 64];
    let got = call(LOCAL_TABLE, [0, table.as_mut_ptr() as usize, table.len()])?;
    let filled = got > 0 && table.iter().any(|byte| *byte != 0);
    proved(filled, word(arguments, 0), "an empty table")
}

/// Opens and reads a file by the calls of 32-bit programs.
#[cfg(target_arch = "x86_64")]
fn old_calls(arguments: &[String]) -> Try {
    const LOW: usize = 0x40;
    let page = call(MMAP, [0, 4096, 3, 0x22 | LOW, usize::MAX, 0])?;
    let path = text(word(arguments, 0));
    let name = path.as_bytes_with_nul();
    // SAFETY: the page is writable and longer than the path.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), page as *mut u8, name.len()) };
    let file = old_call(5, [page, 0, 0]);
    let got = old_call(3, [file as usize, page + 2048, 256]);
    let got = usize::try_from(got).map_err(|_| Held(format!("{file} and {got}")))?;
    // SAFETY: the kernel has written this many bytes there.
    let bytes = unsafe { std::slice::from_raw_parts((page + 2048) as *const u8, got) };
    Ok(shown(bytes))
}

#[cfg(target_arch = "x86_64")]
fn old_call(number: i32, [first, second, third]: [usize; 3]) -> i32 {
    let answer: i32;
    // SAFETY: the registers are those of the interrupt; rbx is kept by hand, as the compiler
    // reserves it.
    unsafe {
        std::arch::asm!(
            "push rbx", "mov ebx, {first:e}", "int 0x80", "pop rbx",
            first = in(reg) first,
            inlateout("eax") number => answer,
            in("ecx") second,
            in("edx") third,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    answer
}

#[cfg(not(target_arch = "x86_64"))]
fn old_calls(_: &[String]) -> Try {
    held("SIGSYS")
}

fn kernel_log(arguments: &[String]) -> Try {
    const READ_ALL: usize = 3;
    let mut bytes = vec![0_u8; 1 << 18];
    let got = call(Call(103, 116), [READ_ALL, bytes.as_mut_ptr() as usize, bytes.len()])?;
    let found = find_token(&bytes[..got], word(arguments, 0));
    found.ok_or_else(|| Held("not found".to_owned()))
}

fn real_time(arguments: &[String]) -> Try {
    const FIRST_COME: usize = 1;
    let priority = 1_i32;
    call(Call(144, 119), [0, FIRST_COME, (&raw const priority) as usize])?;
    let class = call(Call(145, 120), [0])?;
    proved(class == FIRST_COME, word(arguments, 0), "another class")
}

/// Reads a message from a named queue.
fn message_queue(arguments: &[String]) -> Try {
    const NO_WAIT: usize = 0o4000;
    let name = text(word(arguments, 0));
    let queue = call(Call(240, 180), [name.as_ptr() as usize, NO_WAIT, 0, 0])?;
    let mut bytes = vec![0_u8; 8192];
    let got = call(Call(243, 183), [queue, bytes.as_mut_ptr() as usize, bytes.len(), 0, 0])?;
    Ok(shown(&bytes[..got]))
}

/// Watches what others do in a folder through the interface of virus scanners.
fn watch_mount(arguments: &[String]) -> Try {
    const REPORT_FILE: usize = 0x200;
    const OPENED: usize = 0x20;
    let path = text(word(arguments, 0));
    let group = call(Call(300, 262), [REPORT_FILE, 0])?;
    let here = -100_isize as usize;
    call(Call(301, 263), [group, 1, OPENED, here, path.as_ptr() as usize])?;
    let _opened = fs::read(word(arguments, 0))?;
    let events = super::raw::read(group, 4096)?;
    proved(!events.is_empty(), word(arguments, 1), "no event")
}

/// Runs a copy of this program that is in no folder.
fn run_from_memory(arguments: &[String]) -> Try {
    let memory = call(Call(319, 279), [text("copy").as_ptr() as usize, 0])?;
    for part in fs::read("/proc/self/exe")?.chunks(1 << 20) {
        super::raw::write(memory, part)?;
    }
    become_copy(&format!("/proc/self/fd/{memory}"), arguments)
}

/// Becomes another program that is a copy of this one and prints the content of a file.
fn become_copy(path: &str, arguments: &[String]) -> Try {
    use std::os::unix::process::CommandExt as _;
    let mut command = std::process::Command::new(path);
    Err(command.args(["read", word(arguments, 0)]).exec().into())
}

fn run_without_path(arguments: &[String]) -> Try {
    const EMPTY_PATH: usize = 0x1000;
    let program = open("/proc/self/exe", 0)?;
    let words = [text("attack"), text("read"), text(word(arguments, 0))];
    let mut pointers: Vec<usize> = words.iter().map(|word| word.as_ptr() as usize).collect();
    pointers.push(0);
    let (empty, none) = (text(""), [0_usize]);
    let (list, environment) = (pointers.as_ptr() as usize, none.as_ptr() as usize);
    call(Call(322, 281), [program, empty.as_ptr() as usize, list, environment, EMPTY_PATH])?;
    held("returned")
}

/// Writes a program and runs it.
fn run_written(arguments: &[String]) -> Try {
    let path = word(arguments, 1);
    let bytes = fs::read("/proc/self/exe")?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(path)?;
    std::io::Write::write_all(&mut file, &bytes)?;
    drop(file);
    become_copy(path, arguments)
}

fn fork_once(arguments: &[String]) -> Try {
    const OWN: i32 = 9;
    match fork()? {
        None => std::process::exit(OWN),
        Some(child) => proved(wait(child)? >> 8 == OWN, word(arguments, 0), "no child"),
    }
}
