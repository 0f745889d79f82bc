//! The seeds of the fuzz target, replayed. What is required of any bytes stands beside the target, in `fuzz/checks`.
//! Tickets that mean something are tested in the other files.

#[path = "../../../../fuzz/checks/ticket.rs"]
mod check;
#[path = "../../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn the_seeds_of_the_fuzz_target_and_what_is_near_them_hold() {
    assert!(seeds::replay("ticket", &|data| check::check(data)) > 2_000);
}
