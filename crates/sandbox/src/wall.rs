//! A step that builds one wall of a sandbox, marked so that tests can leave it out.
//!
//! In the product a marked step is the step: the macro is replaced by its second argument and
//! nothing remains of the mark. Only the escape suite compiles this source a second time with
//! `--cfg weaken`; there `weaken` says which walls are left out, to show that an attack does
//! succeed without them.

/// The step that builds `$wall`.
#[cfg(not(weaken))]
macro_rules! wall {
    ($wall:ident, $step:expr) => {
        $step
    };
}

/// The step that builds `$wall`, unless that wall is down in this launch.
#[cfg(weaken)]
macro_rules! wall {
    ($wall:ident, $step:expr) => {
        if $crate::weaken::stands($crate::weaken::Wall::$wall) {
            $step
        }
    };
}
