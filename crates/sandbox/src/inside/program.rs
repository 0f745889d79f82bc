//! The last steps of the program's own process: streams, limits, proof, seccomp, `execve`.
//! Nothing here may allocate; which program, and with what, was decided in `plan::program`.

use std::ffi::CStr;
use std::os::fd::AsFd;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::setrlimit;

use super::report::{Fault, Message, Stage};
use super::{Wires, order, proof, send};
use crate::plan::Plan;
use crate::spec::FIRST_HANDED;
use crate::sys::exec::{Table, execve};
use crate::sys::letter::Letter;
use crate::sys::{clone, seccomp, signals, wait};

/// Becomes the program, or reports why not and ends. With room for a letter it first waits to be
/// told which program that is.
pub(super) fn run(plan: &Plan, wires: &Wires, letter: Option<&mut Letter>) -> ! {
    let fault = match become_program(plan, wires, letter) {
        Ok(never) => match never {},
        Err(fault) => fault,
    };
    send(&wires.setup, Message::Fault(fault));
    clone::exit(1)
}

fn become_program(
    plan: &Plan,
    wires: &Wires,
    letter: Option<&mut Letter>,
) -> Result<std::convert::Infallible, Fault> {
    connect(plan, wires).map_err(Fault::of(Stage::Streams))?;
    enter(&plan.program.text.folder).map_err(Fault::of(Stage::WorkingDirectory))?;
    for (index, (resource, limit)) in plan.rlimits.iter().enumerate() {
        setrlimit(*resource, *limit).map_err(Fault::at(Stage::Rlimit, index))?;
    }
    let namespaces = proof::before_filter(plan)?;
    seccomp::install(plan.program.filter).map_err(Fault::of(Stage::Seccomp))?;
    wall!(Proof, proof::after_filter(plan)?);
    send(&wires.setup, Message::Ready { namespaces });
    Err(match letter {
        Some(letter) => order::carry_out(wires, letter),
        None => {
            let program = &plan.program.text;
            let candidates = program.candidates.iter().map(std::ffi::CString::as_c_str);
            execute(candidates, program.arguments.table(), program.environment.table())
        }
    })
}

/// A session of its own, so that no terminal can be its controlling one; default signals; the
/// three streams; and everything else closed by `execve`, but what is handed to the program.
fn connect(plan: &Plan, wires: &Wires) -> Result<(), Errno> {
    rustix::process::setsid()?;
    signals::reset_all();
    signals::unblock_all()?;
    rustix::stdio::dup2_stdin(&plan.program.input)?;
    rustix::stdio::dup2_stdout(&wires.stdout)?;
    rustix::stdio::dup2_stderr(&wires.stderr)?;
    wall!(Descriptors, wait::close_on_exec(FIRST_HANDED.unsigned_abs())?);
    for (number, fd) in (FIRST_HANDED..).zip(&wires.handed) {
        wait::place(fd.as_fd(), number)?;
    }
    Ok(())
}

/// Links are followed, but not those of `/proc/self/fd`: descriptors of the launcher are still open
/// here, and some lead to folders that have no name inside.
pub(super) fn enter(folder: &CStr) -> Result<(), Errno> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolution = ResolveFlags::NO_MAGICLINKS;
    #[cfg(weaken)]
    let resolution = crate::weaken::resolution(resolution);
    let opened = openat2(CWD, folder, how, Mode::empty(), resolution)?;
    rustix::process::fchdir(&opened)
}

/// Tries each candidate like the C library does: a refusal is remembered and beats absence.
pub(super) fn execute<'a>(
    candidates: impl Iterator<Item = &'a CStr>,
    arguments: Table<'_>,
    environment: Table<'_>,
) -> Fault {
    let mut worst = Fault { stage: Stage::Exec, index: 0, errno: Errno::NOENT };
    for (index, path) in candidates.enumerate() {
        let errno = execve(path, arguments, environment);
        let fault = Fault { stage: Stage::Exec, index, errno };
        match errno {
            Errno::NOENT if exists(path) => return Fault { stage: Stage::Interpreter, ..fault },
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => worst = fault,
            _ => return fault,
        }
    }
    worst
}

fn exists(path: &CStr) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok()
}
