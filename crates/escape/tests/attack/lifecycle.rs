//! Outliving: processes that should be dead, signals that should not arrive, first processes
//! that should go on.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};

use super::Attempt;
use super::raw::{
    Call, FCNTL, IOCTL, KILL, PIDFD_OPEN, Try, call, fork, held, new, number, proved, word,
};

pub const ATTEMPTS: &[Attempt] = &[
    ("linger", linger),
    ("signal", signal),
    ("signal-thread", signal_thread),
    ("signal-queued", signal_queued),
    ("signal-by-descriptor", signal_by_descriptor),
    ("signal-by-owner", signal_by_owner),
    ("signal-by-socket-owner", signal_by_socket_owner),
    ("stop-first", stop_first),
    ("lower-priority", lower_priority),
    ("limit-other", limit_other),
    ("pin-other", pin_other),
];

/// Leaves a daemon that ignores what can be ignored, and answers who asks for it. Arguments: a
/// folder with the FIFOs `go` and `answer`, the mark, and `stay` or `end` for this process.
fn linger(arguments: &[String]) -> Try {
    let (folder, mark) = (word(arguments, 0), word(arguments, 1));
    let (mut ready, mut told) = std::io::pipe()?;
    if fork()?.is_none() {
        drop(ready);
        call(Call(112, 157), [0; 0])?;
        if fork()?.is_none() {
            ignore_everything();
            let go = OpenOptions::new().read(true).write(true).open(format!("{folder}/go"))?;
            for stream in 0..3 {
                call(super::raw::CLOSE, [stream])?;
            }
            told.write_all(b"ready")?;
            drop(told);
            answer(go, folder, mark);
        }
        std::process::exit(0);
    }
    drop(told);
    ready.read_to_end(&mut Vec::new())?;
    if word(arguments, 2) == "stay" {
        println!("READY");
        super::raw::rest();
    }
    held("left a daemon")
}

fn ignore_everything() {
    const IGNORE: usize = 1;
    for number in (1..32).filter(|number| ![9, 19].contains(number)) {
        let action = [IGNORE, 0, 0, 0];
        let _refused = call(Call(13, 134), [number, action.as_ptr() as usize, 0, 8]);
    }
}

/// Waits at most twenty seconds for a byte and answers it.
fn answer(go: File, folder: &str, mark: &str) {
    use std::os::fd::AsRawFd as _;
    if super::raw::readable(go.as_raw_fd() as usize, 20_000).is_ok_and(|asked| asked) {
        let _nobody = std::fs::write(format!("{folder}/answer"), mark);
        std::process::exit(0);
    }
}

const USER_SIGNAL: usize = 10;

fn signal(arguments: &[String]) -> Try {
    call(KILL, [number(arguments, 0), USER_SIGNAL])?;
    Ok(word(arguments, 1).to_owned())
}

fn signal_thread(arguments: &[String]) -> Try {
    let process = number(arguments, 0);
    call(Call(234, 131), [process, process, USER_SIGNAL])?;
    Ok(word(arguments, 1).to_owned())
}

fn signal_queued(arguments: &[String]) -> Try {
    const QUEUED: u32 = -1_i32 as u32;
    let mut details = [0_u32; 32];
    (details[0], details[2]) = (USER_SIGNAL as u32, QUEUED);
    let place = details.as_ptr() as usize;
    call(Call(129, 138), [number(arguments, 0), USER_SIGNAL, place])?;
    Ok(word(arguments, 1).to_owned())
}

fn signal_by_descriptor(arguments: &[String]) -> Try {
    let process = call(PIDFD_OPEN, [number(arguments, 0), 0])?;
    call(new(424), [process, USER_SIGNAL, 0, 0])?;
    Ok(word(arguments, 1).to_owned())
}

/// Lets the kernel send the signal: the owner of a pipe is told when it can be read.
fn signal_by_owner(arguments: &[String]) -> Try {
    const SET_FLAGS: usize = 4;
    const SET_OWNER: usize = 8;
    const SET_SIGNAL: usize = 10;
    let (reading, mut writing) = std::io::pipe()?;
    use std::os::fd::AsRawFd as _;
    let fd = reading.as_raw_fd() as usize;
    call(FCNTL, [fd, SET_OWNER, number(arguments, 0)])?;
    call(FCNTL, [fd, SET_SIGNAL, USER_SIGNAL])?;
    call(FCNTL, [fd, SET_FLAGS, 0o20_000])?;
    writing.write_all(b"x")?;
    Ok(word(arguments, 1).to_owned())
}

/// The same with a socket, whose owner is set by another call.
fn signal_by_socket_owner(arguments: &[String]) -> Try {
    use std::os::fd::AsRawFd as _;
    const SET_OWNER: usize = 0x8901;
    let (mine, mut other) = std::os::unix::net::UnixStream::pair()?;
    let (fd, process) = (mine.as_raw_fd() as usize, number(arguments, 0) as i32);
    call(IOCTL, [fd, SET_OWNER, (&raw const process) as usize])?;
    call(FCNTL, [fd, 4, 0o20_000])?;
    other.write_all(b"x")?;
    Ok(word(arguments, 1).to_owned())
}

/// Stops the process that watches over the sandbox, looks, and lets it go on.
fn stop_first(arguments: &[String]) -> Try {
    const CONTINUE: usize = 18;
    const STOP: usize = 19;
    const TRIES: usize = 100_000;
    let first = call(Call(110, 173), [0; 0])?;
    call(KILL, [first, STOP])?;
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{first}/stat"))?;
        let rest = stat.rsplit(')').next().unwrap_or_default();
        Ok::<_, std::io::Error>(rest.trim_start().starts_with('T'))
    };
    let mut stopped = is_stopped()?;
    for _ in 0..TRIES {
        if stopped {
            break;
        }
        std::thread::yield_now();
        stopped = is_stopped()?;
    }
    call(KILL, [first, CONTINUE])?;
    proved(stopped, word(arguments, 0), "not stopped")
}

fn lower_priority(arguments: &[String]) -> Try {
    const PROCESS: usize = 0;
    call(Call(141, 140), [PROCESS, number(arguments, 0), 13])?;
    Ok(word(arguments, 1).to_owned())
}

fn limit_other(arguments: &[String]) -> Try {
    const OPEN_FILES: usize = 7;
    let limit = [77_u64, 77];
    let place = limit.as_ptr() as usize;
    call(Call(302, 261), [number(arguments, 0), OPEN_FILES, place, 0])?;
    Ok(word(arguments, 1).to_owned())
}

/// Binds a process to the first processor.
fn pin_other(arguments: &[String]) -> Try {
    let mask = [1_u64];
    call(Call(203, 122), [number(arguments, 0), 8, mask.as_ptr() as usize])?;
    Ok(word(arguments, 1).to_owned())
}
