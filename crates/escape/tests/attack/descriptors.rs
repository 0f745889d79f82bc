//! Descriptors: what was left open, what can be taken from others, what leads elsewhere.
//! Numbers are not told; an attempt tries them all.

use std::fs;
use std::os::fd::FromRawFd as _;

use super::Attempt;
use super::raw::{
    Call, PIDFD_OPEN, Try, call, find_token, held, new, number, open, proved, read, shown, word,
    write,
};

pub const ATTEMPTS: &[Attempt] = &[
    ("read-inherited", read_inherited),
    ("write-inherited", write_inherited),
    ("leave-by-inherited", leave_by_inherited),
    ("take-descriptor", take_descriptor),
    ("open-descriptor-of", open_descriptor_of),
    ("receive-descriptor", receive_descriptor),
    ("write-input", write_input),
    ("see-descriptors-of-first", see_descriptors_of_first),
];

fn above_streams() -> std::ops::Range<usize> {
    3..300
}

fn read_inherited(arguments: &[String]) -> Try {
    let content = |fd| read_at_start(fd).ok().and_then(|b| find_token(&b, word(arguments, 0)));
    above_streams().find_map(content).ok_or_else(|| super::Held("EBADF".to_owned()))
}

fn read_at_start(fd: usize) -> Result<Vec<u8>, super::Held> {
    let mut bytes = vec![0_u8; 256];
    let got = call(Call(17, 67), [fd, bytes.as_mut_ptr() as usize, bytes.len(), 0])?;
    bytes.truncate(got);
    Ok(bytes)
}

/// Writes to every inherited socket.
fn write_inherited(arguments: &[String]) -> Try {
    const SOCKET: u32 = 0o140_000;
    let is_socket = |fd: &usize| {
        use std::os::unix::fs::MetadataExt as _;
        let path = format!("/proc/self/fd/{fd}");
        fs::metadata(path).is_ok_and(|found| found.mode() & 0o170_000 == SOCKET)
    };
    let mark = word(arguments, 0);
    let written =
        above_streams().filter(is_socket).filter(|fd| write(*fd, mark.as_bytes()).is_ok());
    proved(written.count() > 0, mark, "EBADF")
}

/// Changes into each inherited folder and goes up from there.
fn leave_by_inherited(arguments: &[String]) -> Try {
    let mut why = super::Held("EBADF".to_owned());
    for fd in above_streams() {
        if call(Call(81, 50), [fd]).is_err() {
            continue;
        }
        match fs::read_to_string(word(arguments, 0)) {
            Ok(text) => return Ok(text.trim().to_owned()),
            Err(error) => why = error.into(),
        }
    }
    Err(why)
}

fn take_descriptor(arguments: &[String]) -> Try {
    let process = call(PIDFD_OPEN, [number(arguments, 0), 0])?;
    let taken = call(new(438), [process, number(arguments, 1), 0])?;
    Ok(shown(&read_at_start(taken)?))
}

fn open_descriptor_of(arguments: &[String]) -> Try {
    let path = format!("/proc/{}/fd/{}", word(arguments, 0), word(arguments, 1));
    Ok(fs::read_to_string(path)?.trim().to_owned())
}

/// Connects to a socket of the host and reads from the descriptor that comes out.
fn receive_descriptor(arguments: &[String]) -> Try {
    use std::os::fd::AsRawFd as _;
    #[repr(C)]
    struct Message {
        name: usize,
        name_len: usize,
        parts: usize,
        count: usize,
        control: usize,
        control_len: usize,
        flags: usize,
    }
    let stream = std::os::unix::net::UnixStream::connect(word(arguments, 0))?;
    let (mut byte, mut control) = ([0_u8; 1], [0_usize; 3]);
    let mut part = [byte.as_mut_ptr() as usize, 1];
    let mut message = Message {
        name: 0,
        name_len: 0,
        parts: part.as_mut_ptr() as usize,
        count: 1,
        control: control.as_mut_ptr() as usize,
        control_len: 24,
        flags: 0,
    };
    let fd = stream.as_raw_fd() as usize;
    call(Call(47, 212), [fd, (&raw mut message) as usize, 0])?;
    // A header of 16 bytes, then one descriptor.
    Ok(shown(&read_at_start(control[2] & 0xFFFF_FFFF)?))
}

/// Writes to standard input, which is the supervisor's memory.
fn write_input(arguments: &[String]) -> Try {
    let mark = word(arguments, 0);
    // SAFETY: nothing else in this program uses standard input.
    let input = std::mem::ManuallyDrop::new(unsafe { fs::File::from_raw_fd(0) });
    std::os::unix::fs::FileExt::write_all_at(&*input, mark.as_bytes(), 0)?;
    let again = open("/proc/self/fd/0", 2)?;
    let found = read(again, mark.len())?;
    proved(found == mark.as_bytes(), mark, "not written")
}

/// Looks at the descriptors of the first process, which holds the way to the supervisor.
fn see_descriptors_of_first(arguments: &[String]) -> Try {
    for entry in fs::read_dir("/proc/1/fd")? {
        let target = fs::read_link(entry?.path())?;
        if target.to_string_lossy().starts_with("socket:") {
            return Ok(word(arguments, 0).to_owned());
        }
    }
    held("no socket")
}
