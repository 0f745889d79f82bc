//! What is left of the container driver for an ordinary user: honest findings and named gaps.
//!
//! NOT RUN as an ordinary user: containers themselves. On a host with version 1 control groups a
//! rootless runtime has no limits, and this user has no range of ids to give to one.

use sandbox::container::{Kind, Standing, check};
use sandbox::{Driver, GapName, LaunchError, Spec, container};

use crate::support::{again_as_an_ordinary_user, is_root};

#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    if is_root() {
        return;
    }
    let findings = check(Some(Kind::Podman), None);
    assert!(findings.iter().all(|finding| {
        finding.standing == Standing::Good
            || finding.standing == Standing::Unknown
            || finding.fix.is_some()
    }));
    assert!(
        findings
            .iter()
            .any(|finding| { matches!(finding.standing, Standing::Limited | Standing::Broken) })
    );
    let image = container::Image::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    let settings = container::Settings { runtime: Some(Kind::Podman), image };
    let examined = Driver::Container(settings.clone()).examine(&Spec::new("/", ["true"]));
    let overlay = examined.gaps.iter().any(|gap| gap.name == GapName::WorkspaceOverlay);
    assert!(overlay || !examined.refused.is_empty(), "{examined:?}");
    let launched = Driver::Container(settings).launch(&Spec::new("/", ["true"]), &[]);
    assert!(matches!(launched, Err(LaunchError::Gaps { .. } | LaunchError::Unsupported(_))));
}

#[test]
fn everything_as_an_ordinary_user() {
    again_as_an_ordinary_user("ordinary::everything_as_an_ordinary_user");
}
