//! SQLite's view of one open file of the simulated disk.
//!
//! Each function translates a C call to `medium`, `lock` or `shm` and the answer to a result
//! code. A handle from before a power cut gets an I/O error from everything but closing.
#![allow(unsafe_code, reason = "SQLite reaches an open file only through C functions and pointers")]

use super::lock::{Answer, Level};
use super::medium::{Failure, Medium, Place};
use super::shm::{Hold, Shm};
use libsqlite3_sys as c;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sector size reported to SQLite, in bytes; it is the one SQLite assumes on Unix.
const REPORTED_SECTOR_BYTES: c_int = 4_096;

/// The methods of every file.
static METHODS: c::sqlite3_io_methods = c::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// What SQLite allocates for a file. It starts with SQLite's own structure.
#[repr(C)]
pub(super) struct SimulatedFile {
    base: c::sqlite3_file,
    open: *mut Open,
}

impl SimulatedFile {
    pub(super) fn new(open: Open) -> Self {
        Self {
            base: c::sqlite3_file { pMethods: &raw const METHODS },
            open: Box::into_raw(Box::new(open)),
        }
    }
}

/// An open handle.
pub(super) struct Open {
    pub(super) medium: Arc<Mutex<Medium>>,
    pub(super) generation: u64,
    pub(super) node: usize,
    pub(super) handle: u64,
    /// Held while mapped, so that the regions outlive the addresses SQLite has.
    pub(super) shm: Option<Arc<Shm>>,
}

impl Open {
    fn locked(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, offset: i64) -> Place {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Place { generation: self.generation, node: self.node, offset }
    }
}

/// The handle behind a file of ours.
///
/// # Safety
/// `file` must be one that `vfs::open` filled and `close` has not yet seen. SQLite never uses
/// one file from two threads at once, so the reference is the only one.
unsafe fn handle<'a>(file: *mut c::sqlite3_file) -> &'a mut Open {
    // SAFETY: the caller promises a live file of ours, whose second field came from a box.
    unsafe { &mut *(*file.cast::<SimulatedFile>()).open }
}

/// The result code of a failure, where a device error is `device`.
const fn code(failure: Failure, device: c_int) -> c_int {
    match failure {
        Failure::Full => c::SQLITE_FULL,
        Failure::Dead | Failure::Device | Failure::Missing => device,
    }
}

fn outcome(result: Result<(), Failure>, device: c_int) -> c_int {
    result.map_or_else(|failure| code(failure, device), |()| c::SQLITE_OK)
}

unsafe extern "C" fn close(file: *mut c::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and the handle came from a box.
    let open = unsafe { Box::from_raw((*file.cast::<SimulatedFile>()).open) };
    if let Some(shm) = &open.shm {
        shm.release(open.handle);
    }
    if let Ok(node) = open.locked().node(open.generation, open.node) {
        node.lock.lower(open.handle, Level::None);
    }
    c::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut c::sqlite3_file,
    out: *mut c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: a live file of ours and `count` writable bytes, by the contract of `xRead`.
    let (open, bytes) = unsafe {
        let length = usize::try_from(count).unwrap_or(0);
        (handle(file), std::slice::from_raw_parts_mut(out.cast::<u8>(), length))
    };
    let result = open.locked().read(open.place(offset), bytes);
    match result {
        Ok(read) if read == bytes.len() => c::SQLITE_OK,
        Ok(read) => {
            bytes.iter_mut().skip(read).for_each(|byte| *byte = 0);
            c::SQLITE_IOERR_SHORT_READ
        }
        Err(failure) => code(failure, c::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(
    file: *mut c::sqlite3_file,
    from: *const c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: a live file of ours and `count` readable bytes, by the contract of `xWrite`.
    let (open, bytes) = unsafe {
        let length = usize::try_from(count).unwrap_or(0);
        (handle(file), std::slice::from_raw_parts(from.cast::<u8>(), length))
    };
    outcome(open.locked().write(open.place(offset), bytes), c::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut c::sqlite3_file, length: i64) -> c_int {
    // SAFETY: SQLite passes a live file of ours.
    let open = unsafe { handle(file) };
    outcome(open.locked().resize(open.place(length)), c::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut c::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite passes a live file of ours.
    let open = unsafe { handle(file) };
    outcome(open.locked().sync(open.place(0)), c::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn size(file: *mut c::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: SQLite passes a live file of ours.
    let open = unsafe { handle(file) };
    let length = open.locked().node(open.generation, open.node).map(|node| node.content.len());
    match length {
        Ok(length) => {
            // SAFETY: SQLite passes a writable integer.
            unsafe { *out = i64::try_from(length).unwrap_or(i64::MAX) };
            c::SQLITE_OK
        }
        Err(failure) => code(failure, c::SQLITE_IOERR_FSTAT),
    }
}

const fn level(code: c_int) -> Level {
    match code {
        c::SQLITE_LOCK_SHARED => Level::Shared,
        c::SQLITE_LOCK_RESERVED => Level::Reserved,
        c::SQLITE_LOCK_PENDING => Level::Pending,
        c::SQLITE_LOCK_EXCLUSIVE => Level::Exclusive,
        _ => Level::None,
    }
}

const fn answer(answer: Answer) -> c_int {
    match answer {
        Answer::Granted => c::SQLITE_OK,
        Answer::Busy => c::SQLITE_BUSY,
    }
}

unsafe extern "C" fn lock(file: *mut c::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: SQLite passes a live file of ours.
    let open = unsafe { handle(file) };
    match open.locked().node(open.generation, open.node) {
        Ok(node) => answer(node.lock.raise(open.handle, level(wanted))),
        Err(failure) => code(failure, c::SQLITE_IOERR_LOCK),
    }
}

unsafe extern "C" fn unlock(file: *mut c::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: SQLite passes a live file of ours.
    let open = unsafe { handle(file) };
    // A dead handle has no locks left to give back, which is success.
    if let Ok(node) = open.locked().node(open.generation, open.node) {
        node.lock.lower(open.handle, level(wanted));
    }
    c::SQLITE_OK
}

unsafe extern "C" fn check_reserved(file: *mut c::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite passes a live file of ours.
    let open = unsafe { handle(file) };
    match open.locked().node(open.generation, open.node) {
        Ok(node) => {
            // SAFETY: SQLite passes a writable integer.
            unsafe { *out = c_int::from(node.lock.strongest() >= Level::Reserved) };
            c::SQLITE_OK
        }
        Err(failure) => code(failure, c::SQLITE_IOERR_CHECKRESERVEDLOCK),
    }
}

/// `xFileControl`: no control is implemented, which SQLite accepts for all of them.
unsafe extern "C" fn control(_: *mut c::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    c::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut c::sqlite3_file) -> c_int {
    REPORTED_SECTOR_BYTES
}

/// `xDeviceCharacteristics`: as on Unix, a torn write leaves its neighbours alone.
unsafe extern "C" fn characteristics(_: *mut c::sqlite3_file) -> c_int {
    c::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut c::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite passes a live file of ours and a writable pointer.
    let open = unsafe {
        *out = std::ptr::null_mut();
        handle(file)
    };
    let (Ok(region), Ok(bytes)) = (usize::try_from(region), usize::try_from(bytes)) else {
        return c::SQLITE_IOERR_SHMMAP;
    };
    let shm = match mapped(open) {
        Ok(shm) => shm,
        Err(failure) => return code(failure, c::SQLITE_IOERR_SHMMAP),
    };
    if let Some(address) = shm.region(region, bytes, extend != 0) {
        // SAFETY: as above. The region is made of atomics, so writing through it is sound, and
        // `open.shm` keeps it alive until SQLite unmaps it.
        unsafe { *out = address.cast_mut().cast() };
    }
    c::SQLITE_OK
}

/// The shared memory of the handle, mapping it first where needed.
fn mapped(open: &mut Open) -> Result<Arc<Shm>, Failure> {
    if let Some(shm) = &open.shm {
        return Ok(Arc::clone(shm));
    }
    let shm = {
        let mut medium = open.locked();
        let node = medium.node(open.generation, open.node)?;
        let shm = node.shm.upgrade().unwrap_or_default();
        node.shm = Arc::downgrade(&shm);
        shm
    };
    open.shm = Some(Arc::clone(&shm));
    Ok(shm)
}

unsafe extern "C" fn shm_lock(
    file: *mut c::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite passes a live file of ours.
    let open = unsafe { handle(file) };
    let (Some(shm), Ok(first), Ok(count)) =
        (&open.shm, usize::try_from(first), usize::try_from(count))
    else {
        return c::SQLITE_IOERR_SHMLOCK;
    };
    if flags & c::SQLITE_SHM_UNLOCK != 0 {
        shm.unlock(open.handle, first, count);
        return c::SQLITE_OK;
    }
    if let Err(failure) = open.locked().node(open.generation, open.node) {
        return code(failure, c::SQLITE_IOERR_SHMLOCK);
    }
    let hold = if flags & c::SQLITE_SHM_SHARED == 0 { Hold::Exclusive } else { Hold::Shared };
    answer(shm.lock(open.handle, first, count, hold))
}

unsafe extern "C" fn shm_barrier(_: *mut c::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut c::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite passes a live file of ours.
    let open = unsafe { handle(file) };
    if let Some(shm) = open.shm.take() {
        shm.release(open.handle);
    }
    c::SQLITE_OK
}
