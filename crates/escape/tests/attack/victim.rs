//! Not an attack but its target outside: a process of the host with something to lose.
//!
//! Its secret is in its memory, its environment, its arguments and an open file without a name.
//! It says where, then waits for orders on its standard input: `report` prints what happened to
//! it, and at the end of input it ends.

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU32, Ordering};

static SIGNALS: AtomicU32 = AtomicU32::new(0);
const USER_SIGNAL: i32 = 10;
const IO_SIGNAL: i32 = 29;

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
}

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// Arguments: the secret, and where to put the file.
pub fn run(arguments: &[String]) {
    let (secret, path) = (&arguments[0], &arguments[1]);
    // SAFETY: the handler only adds to an atomic number.
    unsafe {
        signal(USER_SIGNAL, count as *const () as usize);
        signal(IO_SIGNAL, count as *const () as usize);
    }
    let mut memory = [0_u8; 64];
    memory[..secret.len()].copy_from_slice(secret.as_bytes());
    fs::write(path, secret).expect("a file");
    let file = fs::File::open(path).expect("the same file");
    fs::remove_file(path).expect("a file");
    let place = std::hint::black_box(memory.as_mut_ptr());
    println!("{} {} {}", std::process::id(), place as usize, file.as_raw_fd());
    for _order in std::io::stdin().lock().lines() {
        let shown: Vec<u8> = (0..64)
            // SAFETY: the place is that of `memory`; others may have written to it.
            .map(|offset| unsafe { place.add(offset).read_volatile() })
            .take_while(|byte| *byte != 0)
            .collect();
        let text = String::from_utf8_lossy(&shown).into_owned();
        println!("{} {text}", SIGNALS.load(Ordering::SeqCst));
        std::io::stdout().flush().expect("a reader");
    }
}
