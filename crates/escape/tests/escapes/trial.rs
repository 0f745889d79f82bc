//! One case, tried: whole, without its walls, and with each of its walls alone.
//! Whether an attempt escaped is judged by its scene.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use weakened::weaken::{Wall, launch_without};
use weakened::{Child, End, Mechanism, Stream};

use crate::case::{Case, Control, Who};
use crate::scene::{Ending, Scene, WITHIN, is_root, program};

/// What came of a case.
pub struct Report {
    pub held: Seen,
    /// Missing where this user could not make it succeed.
    pub control: Option<Seen>,
    pub alone: Vec<(Wall, Seen)>,
    pub faults: Vec<String>,
}

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Seen {
    pub escaped: bool,
    /// An error's name, an ending, or what is wrong with the token.
    pub answer: String,
}

enum Setting<'a> {
    Without(&'a [Wall]),
    Looser(fn(&mut Scene)),
    Outside,
}

/// Runs a case in every setting it asks for.
pub fn run(case: &Case, prepared: bool) -> Report {
    let left_out = match case.who {
        Who::Prepared => (!prepared).then_some("not prepared"),
        Who::Counted => (!is_counted()).then_some("not counted"),
        _ => None,
    };
    if let Some(why) = left_out {
        let held = Seen { escaped: false, answer: why.to_owned() };
        return Report { held, control: None, alone: Vec::new(), faults: Vec::new() };
    }
    let held = attempt(case, &Setting::Without(&[]));
    let mut faults = Vec::new();
    if held.escaped {
        faults.push("ESCAPED from a whole sandbox".to_owned());
    }
    if !case.answer.contains(&held.answer.as_str()) {
        faults.push(format!("answered `{}`, not {:?}", held.answer, case.answer));
    }
    let possible = match case.who {
        Who::Anyone | Who::Prepared | Who::Counted => true,
        Who::Root => is_root(),
        Who::Ordinary => !is_root(),
    };
    let control = possible.then(|| attempt(case, &control_of(case)));
    if let Some(seen) = control.as_ref().filter(|seen| !seen.escaped) {
        faults.push(format!("the control did not escape: {}", seen.answer));
    }
    let mut alone = Vec::new();
    for wall in case.walls.iter().filter(|_| possible && case.walls.len() > 1) {
        let seen = attempt(case, &Setting::Without(&all_but(case, Some(*wall))));
        if seen.escaped {
            faults.push(format!("{wall:?} alone does not hold"));
        }
        alone.push((*wall, seen));
    }
    Report { held, control, alone, faults }
}

/// Whether a sandbox's memory is counted as a whole here.
fn is_counted() -> bool {
    let mut scene = Scene::new();
    scene.leave(&["stay", "0"]);
    let child = launch_without(&scene.spec, &[]).unwrap();
    let mut limits = child.receipt().limits.iter();
    limits.any(|limit| limit.name == "memory" && limit.mechanism != Mechanism::Rlimit)
}

fn control_of(case: &Case) -> Setting<'static> {
    match case.control {
        Control::Without => Setting::Without(Vec::leak(all_but(case, None))),
        Control::Looser(looser) => Setting::Looser(looser),
        Control::Outside => Setting::Outside,
    }
}

fn all_but(case: &Case, kept: Option<Wall>) -> Vec<Wall> {
    let walls = case.walls.iter().chain(case.besides).copied();
    walls.filter(|wall| Some(*wall) != kept).chain([Wall::Proof]).collect()
}

fn attempt(case: &Case, setting: &Setting<'_>) -> Seen {
    let mut scene = Scene::new();
    (case.set)(&mut scene);
    let answer = match setting {
        Setting::Outside => outside(&scene),
        Setting::Looser(looser) => {
            looser(&mut scene);
            inside(&mut scene, &[])
        }
        Setting::Without(walls) => inside(&mut scene, walls),
    };
    judge(&mut scene, &answer)
}

fn judge(scene: &mut Scene, answer: &str) -> Seen {
    let token = answer.strip_prefix("ESCAPED ");
    let escaped = scene.is_escape(token);
    let answer = match (token, escaped) {
        (_, true) => "escaped".to_owned(),
        (Some(""), false) => "an empty file".to_owned(),
        (Some(token), false) if token == scene.mark => "no effect outside".to_owned(),
        (Some(token), false) => format!("another token: {token}"),
        (None, false) => answer.strip_prefix("HELD ").unwrap_or(answer).to_owned(),
    };
    Seen { escaped, answer }
}

fn outside(scene: &Scene) -> String {
    let output = Command::new(program())
        .args(&scene.arguments)
        .current_dir(&scene.spec.workspace.lower)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    last_line(&output.stdout).unwrap_or_else(|| format!("{}", output.status))
}

fn inside(scene: &mut Scene, down: &[Wall]) -> String {
    if scene.ending == Ending::Orphaned {
        return orphan(scene, down);
    }
    let child = match launch_without(&scene.spec, down) {
        Ok(child) => child,
        Err(error) => {
            println!("    {}: {error}", scene.arguments.join(" "));
            return "launch refused".to_owned();
        }
    };
    wait(scene, child)
}

fn wait(scene: &mut Scene, child: Child) -> String {
    let canceller = (scene.ending == Ending::Cancelled).then(|| child.canceller());
    let mut prompt = scene.take_prompt();
    let mut text = Vec::new();
    let outcome = child.wait(&mut |stream, bytes| {
        if stream == Stream::Stdout {
            text.extend_from_slice(bytes);
        }
        if holds_line(&text, "LISTENING")
            && let Some(prompt) = prompt.take()
        {
            prompt();
        }
        if let Some(canceller) = canceller.as_ref().filter(|_| holds_line(&text, "READY")) {
            canceller.cancel();
        }
    });
    last_line(&outcome.stdout.bytes).unwrap_or_else(|| ending(&outcome.end))
}

fn holds_line(text: &[u8], wanted: &str) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| line == wanted.as_bytes())
}

fn ending(end: &End) -> String {
    const BAD_CALL: i32 = 31;
    match end {
        End::Signalled(BAD_CALL) => "SIGSYS".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The line that says what came of an attempt.
fn last_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let mut lines = text.lines().rev();
    lines.find(|line| line.starts_with("ESCAPED ") || line.starts_with("HELD ")).map(str::to_owned)
}

/// What a supervisor that is to be killed must know.
const FOLDER: &str = "ESCAPE_LINGER";
const MARK: &str = "ESCAPE_MARK";
const DOWN: &str = "ESCAPE_DOWN";

/// Starts a supervisor, kills it when its program is ready, and waits for the first process's end,
/// before which the kernel ends all that are in its pid namespace.
fn orphan(scene: &Scene, down: &[Wall]) -> String {
    let without = down.contains(&Wall::PidNamespace);
    let mut supervisor = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "doomed_supervisor", "--nocapture"])
        .env(FOLDER, scene.outside(""))
        .env(MARK, &scene.mark)
        .env(WITHIN, scene.project(""))
        .env(DOWN, if without { "yes" } else { "no" })
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("READY")), "the program runs");
    let first = child_of(supervisor.id());
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    let mut fds = [PollFd::new(&first, PollFlags::IN)];
    let ended = poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })).unwrap();
    assert_eq!(ended, 1, "the first process outlives its supervisor");
    "orphaned".to_owned()
}

fn child_of(supervisor: u32) -> std::os::fd::OwnedFd {
    let tasks = std::fs::read_dir(format!("/proc/{supervisor}/task")).unwrap();
    let children = tasks.flat_map(|task| {
        let text = std::fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        text.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()).collect::<Vec<_>>()
    });
    let first = children.into_iter().next().expect("the first process of the sandbox");
    pidfd_open(Pid::from_raw(first).unwrap(), PidfdFlags::empty()).unwrap()
}

/// The supervisor that [`orphan`] kills.
pub fn supervise() {
    let (Ok(folder), Ok(mark)) = (std::env::var(FOLDER), std::env::var(MARK)) else { return };
    let mut scene = Scene::new();
    let source = std::path::PathBuf::from(folder.trim_end_matches('/'));
    let access = weakened::Access::Write;
    scene.spec.mounts.push(weakened::Mount { source, target: "/data".into(), access });
    scene.steal(&["linger", "/data", &mark, "stay"]);
    let all = [Wall::PidNamespace, Wall::Proof];
    let without = std::env::var(DOWN).is_ok_and(|down| down == "yes");
    let child = launch_without(&scene.spec, if without { &all } else { &[] }).unwrap();
    child.wait(&mut |_, bytes| {
        if holds_line(bytes, "READY") {
            println!("\nREADY");
        }
    });
}
