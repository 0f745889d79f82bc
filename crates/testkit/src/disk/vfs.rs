//! SQLite's view of the simulated file system: names, randomness, time.
//!
//! One `sqlite3_vfs` is registered per process and serves the disk that is inserted. No decision
//! is made here; each function translates between C and `medium`. Open files are in `file`.
#![allow(
    unsafe_code,
    reason = "SQLite reaches a file system only through C functions and pointers"
)]

use super::VFS_NAME;
use super::file::{self, SimulatedFile};
use super::medium::{Failure, Medium};
use libsqlite3_sys as c;
use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Longest path, in bytes with the final zero.
const PATH_BYTES: c_int = 512;

/// The Unix epoch in Julian days times milliseconds per day, the unit of SQLite's clock.
const JULIAN_EPOCH_MILLIS: i64 = 210_866_760_000_000;

/// The disk that is inserted now.
static CURRENT: Mutex<Option<Arc<Mutex<Medium>>>> = Mutex::new(None);

/// The registered structure. SQLite keeps its address, so it is made once and never freed.
static REGISTERED: OnceLock<Registered> = OnceLock::new();

struct Registered {
    ours: *mut c::sqlite3_vfs,
    systems: *mut c::sqlite3_vfs,
}

// SAFETY: both pointers are only ever handed back to SQLite, which guards its list of file
// systems with its own mutex; nothing is read or written through them here.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

/// Makes `medium` the disk of SQLite's default file system and restarts SQLite's randomness.
pub(super) fn insert(medium: Arc<Mutex<Medium>>) {
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(medium);
    let registered = REGISTERED.get_or_init(register);
    // SAFETY: `ours` is valid for the whole process. A null buffer of length zero is the
    // documented way to make the generator draw a new seed from the default file system.
    unsafe {
        c::sqlite3_vfs_register(registered.ours, 1);
        c::sqlite3_randomness(0, std::ptr::null_mut());
    }
}

/// Takes the disk away; the system's own file system is the default again.
pub(super) fn remove() {
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = None;
    if let Some(registered) = REGISTERED.get() {
        // SAFETY: `systems` came from SQLite, which never frees its own file systems.
        unsafe { c::sqlite3_vfs_register(registered.systems, 1) };
    }
}

fn register() -> Registered {
    // SAFETY: a null name asks for the default; initialising twice is harmless and documented.
    let systems = unsafe {
        c::sqlite3_initialize();
        c::sqlite3_vfs_find(std::ptr::null())
    };
    let name = CString::new(VFS_NAME).unwrap_or_default().into_raw();
    let ours = Box::into_raw(Box::new(c::sqlite3_vfs {
        iVersion: 2,
        szOsFile: c_int::try_from(size_of::<SimulatedFile>()).unwrap_or(c_int::MAX),
        mxPathname: PATH_BYTES,
        pNext: std::ptr::null_mut(),
        zName: name,
        pAppData: std::ptr::null_mut(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_path),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: None,
        xGetLastError: Some(last_error),
        xCurrentTimeInt64: Some(current_time),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }));
    Registered { ours, systems }
}

/// The inserted disk.
pub(super) fn current() -> Option<Arc<Mutex<Medium>>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn locked(medium: &Mutex<Medium>) -> MutexGuard<'_, Medium> {
    medium.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text behind a C string, or `None` for a null pointer or text that is not UTF-8.
///
/// # Safety
/// A pointer that is not null must be a zero-terminated string that outlives the result.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller promises a zero-terminated string.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

/// `xOpen`: a null name is a temporary file.
unsafe extern "C" fn open(
    _: *mut c::sqlite3_vfs,
    name: *const c_char,
    out: *mut c::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes at least `szOsFile` writable bytes; a null method table tells it
    // not to close a file whose opening failed.
    unsafe { (*out).pMethods = std::ptr::null() };
    let Some(medium) = current() else { return c::SQLITE_CANTOPEN };
    // SAFETY: SQLite passes null or a zero-terminated name that lives as long as the file.
    let name = unsafe { text(name) };
    let create = name.is_none() || flags & c::SQLITE_OPEN_CREATE != 0;
    let mut guard = locked(&medium);
    let (node, handle) = match guard.open(name, create) {
        Ok(opened) => opened,
        Err(Failure::Dead) => return c::SQLITE_IOERR,
        Err(_) => return c::SQLITE_CANTOPEN,
    };
    let generation = guard.generation;
    drop(guard);
    let opened = file::Open { medium, generation, node, handle, shm: None };
    // SAFETY: `out` has room for a `SimulatedFile`, as `szOsFile` asks for it; `flags_out` is
    // null or writable.
    unsafe {
        out.cast::<SimulatedFile>().write(SimulatedFile::new(opened));
        if !flags_out.is_null() {
            *flags_out = flags;
        }
    }
    c::SQLITE_OK
}

/// `xDelete`.
unsafe extern "C" fn delete(_: *mut c::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite passes a zero-terminated name.
    let (Some(medium), Some(name)) = (current(), unsafe { text(name) }) else {
        return c::SQLITE_IOERR_DELETE;
    };
    match locked(&medium).delete(name, sync != 0) {
        Ok(()) => c::SQLITE_OK,
        Err(Failure::Missing) => c::SQLITE_IOERR_DELETE_NOENT,
        Err(_) => c::SQLITE_IOERR_DELETE,
    }
}

/// `xAccess`: every file that exists is readable and writable.
unsafe extern "C" fn access(
    _: *mut c::sqlite3_vfs,
    name: *const c_char,
    _: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes a zero-terminated name and a writable integer.
    unsafe {
        let exists = match (current(), text(name)) {
            (Some(medium), Some(name)) => locked(&medium).exists(name),
            _ => false,
        };
        *out = c_int::from(exists);
    }
    c::SQLITE_OK
}

/// `xFullPathname`: names are taken as they are, there are no folders.
unsafe extern "C" fn full_path(
    _: *mut c::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a zero-terminated name and `room` writable bytes.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if usize::try_from(room).is_ok_and(|room| bytes.len() <= room) {
        // SAFETY: the length was just checked, and the two buffers are different ones.
        unsafe { out.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
        c::SQLITE_OK
    } else {
        c::SQLITE_CANTOPEN
    }
}

/// `xRandomness`: from the seed of the disk.
unsafe extern "C" fn randomness(_: *mut c::sqlite3_vfs, count: c_int, out: *mut c_char) -> c_int {
    let Some(medium) = current() else { return 0 };
    let length = usize::try_from(count).unwrap_or(0);
    // SAFETY: SQLite passes `count` writable bytes; `u8` has no invalid values and SQLite
    // cleared the buffer before.
    let bytes = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), length) };
    locked(&medium).entropy.fill(bytes);
    count
}

/// `xSleep`: time passes, nobody waits.
unsafe extern "C" fn sleep(_: *mut c::sqlite3_vfs, micros: c_int) -> c_int {
    if let Some(medium) = current() {
        locked(&medium).now += i64::from(micros);
    }
    micros
}

/// `xCurrentTimeInt64`.
unsafe extern "C" fn current_time(_: *mut c::sqlite3_vfs, out: *mut i64) -> c_int {
    let now = current().map_or(super::EPOCH_MICROS, |medium| locked(&medium).now);
    // SAFETY: SQLite passes a writable integer.
    unsafe { *out = JULIAN_EPOCH_MILLIS + now / 1_000 };
    c::SQLITE_OK
}

/// `xGetLastError`: there is nothing to add to the result code.
unsafe extern "C" fn last_error(_: *mut c::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}
