//! Using up more than was given. The control gives more, and the same attempt gets it.
//! How much was given is not known here.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::thread;

use super::Attempt;
use super::raw::{Call, KILL, MMAP, Try, call, fork, number, proved, text, until_looked_at, word};

pub const ATTEMPTS: &[Attempt] = &[
    ("fork-many", fork_many),
    ("start-threads", start_threads),
    ("take-memory", take_memory),
    ("take-shared-memory", take_shared_memory),
    ("take-anonymous-file", take_anonymous_file),
    ("fill-disk", fill_disk),
    ("fill-inodes", fill_inodes),
    ("make-sparse", make_sparse),
    ("open-files", open_files),
    ("raise-limit", raise_limit),
    ("flood", flood),
    ("stay", stay),
    ("watch-files", watch_files),
    ("watch-everything", watch_everything),
];

const MIB: usize = 1 << 20;

fn fork_many(arguments: &[String]) -> Try {
    let (count, mark) = (number(arguments, 0), word(arguments, 1));
    let mut children = Vec::new();
    let made = (0..count).try_for_each(|_| match fork()? {
        Some(child) => {
            children.push(child);
            Ok(())
        }
        None => {
            super::raw::rest();
            std::process::exit(0)
        }
    });
    for child in children {
        call(KILL, [child as usize, 9])?;
    }
    made.map(|()| mark.to_owned())
}

fn start_threads(arguments: &[String]) -> Try {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Arc::new(std::sync::Mutex::new(receiver));
    let started: Result<Vec<_>, _> = (0..number(arguments, 0))
        .map(|_| {
            let until = std::sync::Arc::clone(&receiver);
            thread::Builder::new().stack_size(65_536).spawn(move || {
                let _ended = until.lock().is_ok_and(|end| end.recv().is_ok());
            })
        })
        .collect();
    drop(sender);
    started?;
    Ok(word(arguments, 1).to_owned())
}

fn take(mapped: usize, bytes: usize) {
    for page in (0..bytes).step_by(4096) {
        // SAFETY: the mapping has this many bytes and is writable.
        unsafe { ((mapped + page) as *mut u8).write_volatile(1) };
    }
}

fn take_memory(arguments: &[String]) -> Try {
    let bytes = number(arguments, 0) * MIB;
    take(call(MMAP, [0, bytes, 3, 0x22, usize::MAX, 0])?, bytes);
    Ok(word(arguments, 1).to_owned())
}

/// Memory that belongs to no single process.
fn take_shared_memory(arguments: &[String]) -> Try {
    let bytes = number(arguments, 0) * MIB;
    let segment = call(Call(29, 194), [0, bytes, 0o1600])?;
    take(call(Call(30, 196), [segment, 0, 0])?, bytes);
    Ok(word(arguments, 1).to_owned())
}

fn take_anonymous_file(arguments: &[String]) -> Try {
    let block = vec![1_u8; MIB];
    let file = call(Call(319, 279), [text("file").as_ptr() as usize, 0])?;
    for _ in 0..number(arguments, 0) {
        super::raw::write(file, &block)?;
    }
    Ok(word(arguments, 1).to_owned())
}

fn fill_disk(arguments: &[String]) -> Try {
    let (folder, count) = (word(arguments, 0), number(arguments, 1));
    let block = vec![1_u8; MIB];
    for index in 0..count {
        File::create(format!("{folder}/{index}"))?.write_all(&block)?;
    }
    Ok(word(arguments, 2).to_owned())
}

fn fill_inodes(arguments: &[String]) -> Try {
    for index in 0..number(arguments, 0) {
        File::create(format!("/tmp/{index}"))?;
    }
    Ok(word(arguments, 1).to_owned())
}

fn make_sparse(arguments: &[String]) -> Try {
    const FILE_SIZE_SIGNAL: usize = 25;
    let ignore = [1_usize, 0, 0, 0];
    call(Call(13, 134), [FILE_SIZE_SIGNAL, ignore.as_ptr() as usize, 0, 8])?;
    OpenOptions::new().write(true).create_new(true).open("sparse")?.set_len(1 << 40)?;
    proved(fs::metadata("sparse")?.len() == 1 << 40, word(arguments, 0), "shorter")
}

fn open_files(arguments: &[String]) -> Try {
    let opened: Result<Vec<_>, _> =
        (0..number(arguments, 0)).map(|_| File::open("/dev/null")).collect();
    opened?;
    Ok(word(arguments, 1).to_owned())
}

/// Raises the limit on open files for itself first.
fn raise_limit(arguments: &[String]) -> Try {
    const OPEN_FILES: usize = 7;
    let limit = [number(arguments, 0) as u64 + 16; 2];
    call(Call(302, 261), [0, OPEN_FILES, limit.as_ptr() as usize, 0])?;
    open_files(arguments)
}

fn flood(arguments: &[String]) -> Try {
    let line = vec![b'x'; MIB];
    for _ in 0..number(arguments, 0) {
        std::io::stderr().write_all(&line)?;
    }
    Ok(word(arguments, 1).to_owned())
}

/// Works on for some milliseconds.
fn stay(arguments: &[String]) -> Try {
    let until = std::time::Instant::now();
    while until.elapsed().as_millis() < number(arguments, 0) as u128 {
        std::hint::spin_loop();
    }
    Ok(word(arguments, 1).to_owned())
}

/// Takes file watchers, of which the host gives each user a few.
fn watch_files(arguments: &[String]) -> Try {
    let taken = (0..number(arguments, 0)).take_while(|_| call(Call(294, 26), [0]).is_ok()).count();
    println!("{taken} watchers");
    until_looked_at(word(arguments, 2))?;
    Ok(word(arguments, 1).to_owned())
}

/// Watches many files at one time.
fn watch_everything(arguments: &[String]) -> Try {
    const OPENED: usize = 0x20;
    let watcher = call(Call(294, 26), [0])?;
    for index in 0..number(arguments, 0) {
        let path = format!("/tmp/{index}");
        File::create(&path)?;
        call(Call(254, 27), [watcher, text(&path).as_ptr() as usize, OPENED])?;
    }
    Ok(word(arguments, 1).to_owned())
}
