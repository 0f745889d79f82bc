//! Namespaces and mounts: making new ones, entering others, changing the ones given.
//! A namespace counts as made when its effect is seen, not when the call returned.

use std::fs;

use super::Attempt;
use super::raw::{
    Call, FSOPEN, MOUNT, PIDFD_OPEN, Try, UNSHARE, call, held, new, number, open, proved, read,
    shown, text, wait, word,
};

pub const ATTEMPTS: &[Attempt] = &[
    ("unshare-user", unshare_user),
    ("clone-user", clone_user),
    ("clone3-user", clone3_user),
    ("unshare-time", unshare_time),
    ("unshare-network", unshare_network),
    ("mount", mount),
    ("unshare-and-mount", unshare_and_mount),
    ("mount-new-interface", mount_new_interface),
    ("remount-writable", remount_writable),
    ("set-mount-writable", set_mount_writable),
    ("uncover", uncover),
    ("clone-tree", clone_tree),
    ("change-root", change_root),
    ("pivot", pivot),
    ("enter-namespace", enter_namespace),
    ("enter-by-process", enter_by_process),
    ("host-name", host_name),
    ("read-shared-memory", read_shared_memory),
    ("read-message-queue", read_message_queue),
];

const NEW_TIME: usize = 0x80;
const NEW_MOUNT: usize = 0x0002_0000;
const NEW_UTS: usize = 0x0400_0000;
const NEW_USER: usize = 0x1000_0000;
const NEW_NETWORK: usize = 0x4000_0000;
const CHILD: usize = 17;

/// Whoever has just made a user namespace holds every capability in it.
fn is_capable() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("CapEff:") && !line.ends_with("0000000000"))
}

fn unshare_user(arguments: &[String]) -> Try {
    call(UNSHARE, [NEW_USER])?;
    proved(is_capable(), word(arguments, 0), "no capability")
}

/// The child says by its exit code whether it is capable.
fn judge(child: usize, mark: &str) -> Try {
    const CAPABLE: i32 = 7;
    if child == 0 {
        std::process::exit(if is_capable() { CAPABLE } else { 1 });
    }
    proved(wait(child as i32)? >> 8 == CAPABLE, mark, "no capability")
}

fn clone_user(arguments: &[String]) -> Try {
    let child = call(Call(56, 220), [NEW_USER | CHILD, 0, 0, 0, 0])?;
    judge(child, word(arguments, 0))
}

fn clone3_user(arguments: &[String]) -> Try {
    let mut block = [0_u64; 11];
    (block[0], block[4]) = (NEW_USER as u64, CHILD as u64);
    let child = call(new(435), [block.as_mut_ptr() as usize, size_of_val(&block)])?;
    judge(child, word(arguments, 0))
}

fn own(kind: &str) -> Result<String, super::Held> {
    Ok(fs::read_link(format!("/proc/self/ns/{kind}"))?.to_string_lossy().into_owned())
}

fn unshare_time(arguments: &[String]) -> Try {
    let before = own("time_for_children")?;
    call(UNSHARE, [NEW_TIME])?;
    proved(own("time_for_children")? != before, word(arguments, 0), "the same as before")
}

fn unshare_network(arguments: &[String]) -> Try {
    let before = own("net")?;
    call(UNSHARE, [NEW_USER | NEW_NETWORK])?;
    proved(own("net")? != before, word(arguments, 0), "the same as before")
}

/// Mounted over the workspace, an empty file system hides the project's file.
fn is_covered(mark: &str) -> Try {
    proved(!fs::exists("/workspace/kept.txt")?, mark, "nothing was covered")
}

fn mount(arguments: &[String]) -> Try {
    let (kind, target) = (text("tmpfs"), text("/workspace"));
    let name = kind.as_ptr() as usize;
    call(MOUNT, [name, target.as_ptr() as usize, name, 0, 0])?;
    is_covered(word(arguments, 0))
}

fn unshare_and_mount(arguments: &[String]) -> Try {
    call(UNSHARE, [NEW_USER | NEW_MOUNT])?;
    mount(arguments)
}

fn mount_new_interface(arguments: &[String]) -> Try {
    const CREATE: usize = 6;
    const FROM_EMPTY_PATH: usize = 4;
    let (kind, target, empty) = (text("tmpfs"), text("/workspace"), text(""));
    let context = call(FSOPEN, [kind.as_ptr() as usize, 0])?;
    call(new(431), [context, CREATE, 0, 0, 0])?;
    let mounted = call(new(432), [context, 0, 0])?;
    let from = empty.as_ptr() as usize;
    let here = -100_isize as usize;
    call(new(429), [mounted, from, here, target.as_ptr() as usize, FROM_EMPTY_PATH])?;
    is_covered(word(arguments, 0))
}

fn remount_writable(arguments: &[String]) -> Try {
    const REMOUNT_THIS: usize = 32 | 4096;
    let target = text(word(arguments, 0));
    call(MOUNT, [0, target.as_ptr() as usize, 0, REMOUNT_THIS, 0])?;
    fs::write(word(arguments, 1), word(arguments, 2))?;
    Ok(word(arguments, 2).to_owned())
}

fn set_mount_writable(arguments: &[String]) -> Try {
    const READ_ONLY: u64 = 1;
    let (target, block) = (text(word(arguments, 0)), [0, READ_ONLY, 0, 0_u64]);
    let here = -100_isize as usize;
    call(new(442), [here, target.as_ptr() as usize, 0, block.as_ptr() as usize, 32])?;
    fs::write(word(arguments, 1), word(arguments, 2))?;
    Ok(word(arguments, 2).to_owned())
}

fn uncover(arguments: &[String]) -> Try {
    const DETACH: usize = 2;
    let covered = text(word(arguments, 0));
    call(Call(166, 39), [covered.as_ptr() as usize, DETACH])?;
    Ok(fs::read_to_string(word(arguments, 1))?.trim().to_owned())
}

/// A copy of one mount, without what is mounted on it.
fn clone_tree(arguments: &[String]) -> Try {
    const CLONE: usize = 1;
    let (root, here) = (text(word(arguments, 0)), -100_isize as usize);
    let copy = call(new(428), [here, root.as_ptr() as usize, CLONE])?;
    let file = text(word(arguments, 1));
    let opened = call(super::raw::OPENAT, [copy, file.as_ptr() as usize, 0, 0])?;
    Ok(shown(&read(opened, 256)?))
}

fn change_root(arguments: &[String]) -> Try {
    let folder = text(word(arguments, 0));
    call(Call(161, 51), [folder.as_ptr() as usize])?;
    Ok(fs::read_to_string(word(arguments, 1))?.trim().to_owned())
}

fn pivot(arguments: &[String]) -> Try {
    std::env::set_current_dir(word(arguments, 0))?;
    let here = text(".");
    call(Call(155, 41), [here.as_ptr() as usize, here.as_ptr() as usize])?;
    std::env::set_current_dir("/")?;
    Ok(fs::read_to_string(word(arguments, 1))?.trim().to_owned())
}

fn enter(namespace: usize) -> Try {
    call(Call(308, 268), [namespace, NEW_UTS])?;
    host_name(&[])
}

fn enter_namespace(arguments: &[String]) -> Try {
    enter(open(&format!("/proc/{}/ns/uts", word(arguments, 0)), 0)?)
}

fn enter_by_process(arguments: &[String]) -> Try {
    enter(call(PIDFD_OPEN, [number(arguments, 0), 0])?)
}

fn host_name(_: &[String]) -> Try {
    let mut names = [0_u8; 65 * 6];
    call(Call(63, 160), [names.as_mut_ptr() as usize])?;
    let name = names[65..130].split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    if name == "palisade" { held("another host name") } else { Ok(name) }
}

fn read_shared_memory(arguments: &[String]) -> Try {
    let segment = call(Call(29, 194), [number(arguments, 0), 0, 0])?;
    let place = call(Call(30, 196), [segment, 0, 0])?;
    // SAFETY: the segment is mapped and a page long.
    let bytes = unsafe { std::slice::from_raw_parts(place as *const u8, 64) };
    Ok(shown(bytes.split(|byte| *byte == 0).next().unwrap_or_default()))
}

fn read_message_queue(arguments: &[String]) -> Try {
    const NO_WAIT: usize = 0o4000;
    let queue = call(Call(68, 186), [number(arguments, 0), 0])?;
    let mut message = [0_u8; 8 + 128];
    let got = call(Call(70, 188), [queue, message.as_mut_ptr() as usize, 128, 0, NO_WAIT])?;
    if got == 0 {
        return held("an empty message");
    }
    Ok(shown(&message[8..8 + got]))
}
