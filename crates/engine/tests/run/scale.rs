//! Claims and memory with long queues. Counts and bytes are checked, never wall time.

use crate::world::{World, run_id, steps};
use engine::run::{Command, Completion, Ended, Event, Fact, Micros, Plan, State, Work, decide};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    /// Bytes that this thread holds.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Counts what is held, per thread, so that tests side by side do not disturb each other.
struct Counting;

fn count(bytes: isize) {
    // A thread that is going away has no cell any more; what it frees no longer matters.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

#[allow(unsafe_code, reason = "an allocator cannot be counted otherwise")]
// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes per queued run of one step, beyond the shared plan.
const BYTES_PER_RUN_MAX: isize = 1024;

fn submitted(plan: &Arc<Plan>, number: u32) -> Event {
    let fact = Fact::RunSubmitted(World::submission(plan, None));
    Event { run: run_id(number), at: Micros(1), fact }
}

fn queued(plan: &Arc<Plan>, runs: u32) -> State {
    let mut state = State::new(8);
    state.know(Arc::clone(plan));
    for number in 0..runs {
        state.apply(&submitted(plan, number)).unwrap();
    }
    state
}

#[test]
fn a_queued_run_takes_little_memory() {
    let plan = steps("a:");
    let before = HELD.get();
    let state = queued(&plan, 50_000);
    let per_run = (HELD.get() - before) / 50_000;
    drop(state);
    assert_eq!(HELD.get(), before, "everything is given back");
    assert!(per_run <= BYTES_PER_RUN_MAX, "{per_run} bytes");
}

#[test]
fn a_claim_is_found_without_a_scan() {
    let plan = steps("a:");
    for runs in [10, 1_000, 100_000] {
        let mut state = queued(&plan, runs);
        for number in 0..10 {
            let Some(Work::Step { run, step, .. }) = state.next(Micros(2)) else { panic!() };
            assert_eq!(run, run_id(number), "first come, first served");
            let grant = crate::world::grant();
            let start = Command::Start { run, step, grant, timeout_us: None };
            for event in decide(&state, &start, Micros(2)).unwrap() {
                state.apply(&event).unwrap();
            }
            let fence = state.leases().next().unwrap().fence;
            let result = Arc::new(Completion::new(Ended::Succeeded));
            let finish = Command::Finish { run, step, fence, result, entropy: 0 };
            let before = HELD.get();
            let events = decide(&state, &finish, Micros(3)).unwrap();
            assert!(HELD.get() - before < 4096, "a decision copies no queue");
            for event in events {
                state.apply(&event).unwrap();
            }
            assert!(state.forget(&run));
        }
    }
}
