//! The last steps of the program's own process: streams, limits, proof, seccomp, `execve`.
//! Nothing here may allocate; which program, and with what, was decided in `plan::program`.

use rustix::io::Errno;
use rustix::process::setrlimit;

use super::report::{Fault, Message, Stage};
use super::{Wires, proof, send};
use crate::plan::{Plan, Program};
use crate::sys::{clone, exec, seccomp, signals, wait};

/// Becomes the program, or reports why not and ends.
pub(super) fn run(plan: &Plan, wires: &Wires) -> ! {
    let fault = match become_program(plan, wires) {
        Ok(never) => match never {},
        Err(fault) => fault,
    };
    send(&wires.setup, Message::Fault(fault));
    clone::exit(1)
}

fn become_program(plan: &Plan, wires: &Wires) -> Result<std::convert::Infallible, Fault> {
    connect(plan, wires).map_err(Fault::of(Stage::Streams))?;
    rustix::process::chdir(plan.program.folder.as_c_str())
        .map_err(Fault::of(Stage::WorkingDirectory))?;
    for (index, (resource, limit)) in plan.rlimits.iter().enumerate() {
        setrlimit(*resource, *limit).map_err(Fault::at(Stage::Rlimit, index))?;
    }
    let namespaces = proof::before_filter(plan)?;
    seccomp::install(plan.program.filter).map_err(Fault::of(Stage::Seccomp))?;
    proof::after_filter()?;
    send(&wires.setup, Message::Ready { namespaces });
    Err(execute(&plan.program))
}

/// A session of its own, so that no terminal can be its controlling one; default signals; the
/// three streams; and everything else closed by `execve`.
fn connect(plan: &Plan, wires: &Wires) -> Result<(), Errno> {
    rustix::process::setsid()?;
    signals::reset_all();
    signals::unblock_all()?;
    rustix::stdio::dup2_stdin(&plan.program.input)?;
    rustix::stdio::dup2_stdout(&wires.stdout)?;
    rustix::stdio::dup2_stderr(&wires.stderr)?;
    wait::close_on_exec(3)
}

/// Tries each candidate like the C library does: a refusal is remembered and beats absence.
fn execute(program: &Program) -> Fault {
    let mut worst = Fault { stage: Stage::Exec, index: 0, errno: Errno::NOENT };
    for (index, path) in program.candidates.iter().enumerate() {
        let errno = exec::execve(path, &program.arguments, &program.environment);
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

fn exists(path: &std::ffi::CStr) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok()
}
