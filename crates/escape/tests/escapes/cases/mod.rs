//! All cases, by class.
//! What a case says is in `case`, how it is tried in `trial`.

mod descriptors;
mod filesystem;
mod lifecycle;
mod namespaces;
mod network;
mod resources;
mod secrets;
mod syscalls;
mod tty;

use crate::case::{Case, Class};

/// The cases of a class.
pub fn of(class: Class) -> &'static [Case] {
    match class {
        Class::Descriptors => descriptors::CASES,
        Class::Filesystem => filesystem::CASES,
        Class::Namespaces => namespaces::CASES,
        Class::Syscalls => syscalls::CASES,
        Class::Tty => tty::CASES,
        Class::Network => network::CASES,
        Class::Resources => resources::CASES,
        Class::Lifecycle => lifecycle::CASES,
        Class::Secrets => secrets::CASES,
    }
}

/// Every case with its class.
pub fn cases() -> impl Iterator<Item = (Class, &'static Case)> {
    Class::ALL.into_iter().flat_map(|class| of(class).iter().map(move |case| (class, case)))
}
