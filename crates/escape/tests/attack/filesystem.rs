//! Files: reading, writing and finding what was not given.
//! Where a path leads is decided by the case; the attempts only differ in how they go there.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};

use super::Attempt;
use super::raw::{Call, MKNODAT, Try, call, number, open, proved, read, shown, text, word};

pub const ATTEMPTS: &[Attempt] = &[
    ("read", read_file),
    ("read-by-link", read_by_link),
    ("read-by-hard-link", read_by_hard_link),
    ("read-from-folder-handle", read_from_folder_handle),
    ("read-by-handle", read_by_handle),
    ("list", list),
    ("write", write_file),
    ("create", create),
    ("truncate", truncate),
    ("remove", remove),
    ("rename", rename),
    ("change-mode", change_mode),
    ("write-reopened", write_reopened),
    ("write-mapped", write_mapped),
    ("make-node", make_node),
    ("write-node", write_node),
    ("make-whiteout", make_whiteout),
    ("run", run),
    ("bytes", bytes),
];

const HERE: usize = -100_isize as usize;

fn read_file(arguments: &[String]) -> Try {
    Ok(fs::read_to_string(word(arguments, 0))?.trim().to_owned())
}

fn read_by_link(arguments: &[String]) -> Try {
    symlink(word(arguments, 0), "way")?;
    Ok(fs::read_to_string("way")?.trim().to_owned())
}

fn read_by_hard_link(arguments: &[String]) -> Try {
    fs::hard_link(word(arguments, 0), "copy")?;
    Ok(fs::read_to_string("copy")?.trim().to_owned())
}

/// Opens a folder without reading it, then a file from there through `/proc`.
fn read_from_folder_handle(arguments: &[String]) -> Try {
    const PATH_ONLY: usize = 0o10_000_000;
    let folder = open(word(arguments, 0), PATH_ONLY)?;
    let path = format!("/proc/self/fd/{folder}/{}", word(arguments, 1));
    Ok(fs::read_to_string(path)?.trim().to_owned())
}

/// Takes a file's handle apart from its path, and opens the handle.
fn read_by_handle(arguments: &[String]) -> Try {
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        data: [u8; 128],
    }
    let mut handle = Handle { bytes: 128, kind: 0, data: [0; 128] };
    let (place, path) = (&raw mut handle as usize, text(word(arguments, 0)));
    let mut mount = 0_i32;
    let named = [HERE, path.as_ptr() as usize, place, (&raw mut mount) as usize, 0];
    call(Call(303, 264), named)?;
    let folder = open(word(arguments, 1), 0)?;
    let file = call(Call(304, 265), [folder, place, 0])?;
    Ok(shown(&read(file, 256)?))
}

fn list(arguments: &[String]) -> Try {
    let mut names = Vec::new();
    for entry in fs::read_dir(word(arguments, 0))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    let found = names.into_iter().find(|name| name.starts_with(word(arguments, 1)));
    found.ok_or_else(|| super::Held("not listed".to_owned()))
}

fn write_file(arguments: &[String]) -> Try {
    let mark = word(arguments, 1);
    OpenOptions::new().write(true).open(word(arguments, 0))?.write_all(mark.as_bytes())?;
    Ok(mark.to_owned())
}

fn create(arguments: &[String]) -> Try {
    let (path, mark) = (word(arguments, 0), word(arguments, 1));
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(mark.as_bytes())?;
    proved(fs::read_to_string(path)? == mark, mark, "written and not there")
}

fn truncate(arguments: &[String]) -> Try {
    OpenOptions::new().write(true).open(word(arguments, 0))?.set_len(0)?;
    Ok(word(arguments, 1).to_owned())
}

fn remove(arguments: &[String]) -> Try {
    fs::remove_file(word(arguments, 0))?;
    Ok(word(arguments, 1).to_owned())
}

fn rename(arguments: &[String]) -> Try {
    fs::rename(word(arguments, 0), word(arguments, 1))?;
    Ok(word(arguments, 2).to_owned())
}

fn change_mode(arguments: &[String]) -> Try {
    fs::set_permissions(word(arguments, 0), fs::Permissions::from_mode(0o601))?;
    Ok(word(arguments, 1).to_owned())
}

/// Opens a file for nothing, then once more for writing through its own descriptor.
fn write_reopened(arguments: &[String]) -> Try {
    const PATH_ONLY: i32 = 0o10_000_000;
    let file = OpenOptions::new().read(true).custom_flags(PATH_ONLY).open(word(arguments, 0))?;
    let again = format!("/proc/self/fd/{}", file.as_raw_fd());
    write_file(&[again, word(arguments, 1).to_owned()])
}

/// Writes through a mapping.
fn write_mapped(arguments: &[String]) -> Try {
    const READ_AND_WRITE: usize = 2;
    let (mark, fd) = (word(arguments, 1), open(word(arguments, 0), READ_AND_WRITE)?);
    let place = call(super::raw::MMAP, [0, 4096, 3, 1, fd, 0])?;
    // SAFETY: the mapping is a page long and writable, and the mark is shorter.
    unsafe { std::ptr::copy_nonoverlapping(mark.as_ptr(), place as *mut u8, mark.len()) };
    Ok(mark.to_owned())
}

/// Makes a device node and reads from it.
fn make_node(arguments: &[String]) -> Try {
    let path = word(arguments, 0);
    const CHARACTER: usize = 0o020_000;
    let node = text(path);
    let device = (1 << 8) | 9; // the random device
    call(MKNODAT, [HERE, node.as_ptr() as usize, CHARACTER | 0o600, device])?;
    let drawn = read(open(path, 0)?, 16)?;
    proved(drawn.len() == 16, word(arguments, 1), "nothing to read")
}

fn write_node(arguments: &[String]) -> Try {
    const WRITE_NO_CONTROL: usize = 0o1 | 0o400;
    let mark = word(arguments, 1);
    let line = format!("{mark}\n");
    super::raw::write(open(word(arguments, 0), WRITE_NO_CONTROL)?, line.as_bytes())?;
    Ok(mark.to_owned())
}

/// Makes the node by which an overlay says that a file was removed.
fn make_whiteout(arguments: &[String]) -> Try {
    const CHARACTER: usize = 0o020_000;
    call(MKNODAT, [HERE, text("/tmp/forged").as_ptr() as usize, CHARACTER, 0])?;
    let made = fs::symlink_metadata("/tmp/forged")?;
    let forged = made.mode() & 0o170_000 == 0o020_000 && made.rdev() == 0;
    proved(forged, word(arguments, 0), "another kind of file")
}

/// Runs a program and takes what it prints.
fn run(arguments: &[String]) -> Try {
    let output = std::process::Command::new(word(arguments, 0)).args(&arguments[1..]).output()?;
    let printed = shown(&output.stdout);
    match printed.strip_prefix("ESCAPED ") {
        Some(token) => Ok(token.to_owned()),
        None => super::raw::held(printed.trim_start_matches("HELD ")),
    }
}

/// Some bytes of a file, in hexadecimal.
fn bytes(arguments: &[String]) -> Try {
    use std::os::unix::fs::FileExt as _;
    let (file, at) = (fs::File::open(word(arguments, 0))?, number(arguments, 1));
    let mut part = [0_u8; 16];
    file.read_exact_at(&mut part, at as u64)?;
    Ok(part.iter().map(|byte| format!("{byte:02x}")).collect())
}
