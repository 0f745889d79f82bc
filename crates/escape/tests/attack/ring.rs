//! The smallest use of `io_uring`: one read, done by the kernel from a shared queue.
//! No filter of system calls sees what is asked for in the queue.

use super::raw::{Held, MMAP, call, new};

const ENTRIES: usize = 2;
const RINGS: usize = 0;
const REQUESTS: usize = 0x1000_0000;
const GET_EVENTS: usize = 1;
const READ: u8 = 22;

fn map(ring: usize, bytes: usize, offset: usize) -> Result<*mut u8, Held> {
    const SHARED: usize = 1;
    call(MMAP, [0, bytes, 3, SHARED, ring, offset]).map(|place| place as *mut u8)
}

/// Reads the start of `fd` through a ring of its own.
pub fn read(fd: usize, at_most: usize) -> Result<Vec<u8>, Held> {
    let mut parameters = [0_u32; 30];
    let ring = call(new(425), [ENTRIES, parameters.as_mut_ptr() as usize])?;
    // Offsets within the rings: submission from word 10 on, completion from word 20 on.
    let (tail, array) = (parameters[11] as usize, parameters[16] as usize);
    let completions = parameters[25] as usize;
    let rings = map(ring, 4096, RINGS)?;
    let request = map(ring, 4096, REQUESTS)?;
    let mut bytes = vec![0_u8; at_most];
    // SAFETY: the offsets come from the kernel and lie within the pages it has mapped; nobody
    // else uses this ring.
    unsafe {
        request.write(READ);
        request.add(4).cast::<i32>().write(fd as i32);
        request.add(16).cast::<u64>().write(bytes.as_mut_ptr() as u64);
        request.add(24).cast::<u32>().write(at_most as u32);
        rings.add(array).cast::<u32>().write(0);
        rings.add(tail).cast::<u32>().write_volatile(1);
    }
    call(new(426), [ring, 1, 1, GET_EVENTS, 0, 0])?;
    // SAFETY: as above; the completion's second half is the result.
    let result = unsafe { rings.add(completions + 8).cast::<i32>().read_volatile() };
    let got = usize::try_from(result).map_err(|_| Held(format!("the ring said {result}")))?;
    bytes.truncate(got);
    Ok(bytes)
}
