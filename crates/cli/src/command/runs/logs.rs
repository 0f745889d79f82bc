//! `palisade runs logs`: what the steps printed — exactly, or for a terminal without what could drive it.
//! Following a run as it goes is `watch`; this prints what is recorded by now.

use runner::executor::Stream;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

pub(super) fn run(
    global: &Global,
    run: Option<&str>,
    step: Option<String>,
) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let id = session::run(&history, run)?;
    let told = history.run(id).map_err(|error| session::history_failure(&error))?;
    if let Some(step) = &step
        && !told.view.steps.iter().any(|known| *known.name == **step)
    {
        let names: Vec<&str> = told.view.steps.iter().map(|known| &*known.name).collect();
        return Err(Failure::new(Exit::NotFound, format!("run `{id}` has no step `{step}`"))
            .fix(format!("its steps are {}", names.join(", "))));
    }
    session::warn_of(&told);
    let all = step.is_none();
    let mut current = String::new();
    for piece in history.logs(id, step).take_while(|_| !output::closed()) {
        let piece = piece.map_err(|error| session::history_failure(&error))?;
        if global.json {
            output::json_line(&piece);
            continue;
        }
        if all && piece.step != current {
            output::talk(format!("==> {}", piece.step));
            current.clone_from(&piece.step);
        }
        match piece.stream {
            Stream::Stdout => output::stream(&piece.bytes()),
            Stream::Stderr => output::error_stream(&piece.bytes()),
        }
    }
    Ok(Exit::Ok)
}
