//! What `check` finds on this host, and how images are named, found and not found.
//! Hosts of other kinds are played in the unit tests of `examine` and `runtime`.

use sandbox::container::{Image, Kind, Standing, check, is_present};
use sandbox::{Driver, LaunchError, container};

use crate::setting::{image, is_possible, launch, sh};
use crate::support::Project;

#[test]
fn every_finding_is_there_and_a_container_really_runs() {
    if !is_possible() {
        return;
    }
    let findings = check(Some(Kind::Podman), Some(&image()));
    let names: Vec<_> = findings.iter().map(|finding| finding.name).collect();
    assert_eq!(names, ["runtime", "mode", "image", "run", "workspace", "limits", "network"]);
    for finding in &findings {
        assert_eq!(finding.standing, Standing::Good, "{finding:?}");
    }
    let without = check(Some(Kind::Podman), None);
    let unknown = without.iter().filter(|finding| finding.standing == Standing::Unknown);
    assert_eq!(unknown.map(|finding| finding.name).collect::<Vec<_>>(), ["image", "run"]);
}

#[test]
fn an_image_that_is_absent_is_told_and_never_fetched() {
    if !is_possible() {
        return;
    }
    let absent = Image::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    assert!(is_present(Some(Kind::Podman), &image()).unwrap());
    assert!(!is_present(Some(Kind::Podman), &absent).unwrap());
    let findings = check(Some(Kind::Podman), Some(&absent));
    let found = findings.iter().find(|finding| finding.name == "image").unwrap();
    assert_eq!(found.standing, Standing::Broken);
    assert!(found.fix.is_some(), "{found:?}");
    let project = Project::new();
    let settings = container::Settings { runtime: Some(Kind::Podman), image: absent.clone() };
    let driver = Driver::Container(settings);
    let launched = driver.launch(&sh(project.path(), "true"), &crate::setting::ALLOWED);
    let Err(LaunchError::Container(error)) = launched else { panic!("was launched") };
    assert!(error.to_string().contains("is not on this host"), "{error}");
    assert!(container::pull(Some(Kind::Podman), &absent).is_err(), "an id does not say from where");
}

#[test]
fn the_runtime_of_a_receipt_is_the_one_that_was_found() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let child = launch(&sh(project.path(), "true")).expect("a container");
    let runtime = container::Runtime::find(Some(Kind::Podman)).unwrap();
    let told = child.receipt().container.clone().expect("the container's facts");
    assert_eq!((told.version, told.oci), (runtime.version.clone(), runtime.oci.clone()));
    let json = serde_json::to_value(child.receipt()).unwrap();
    assert_eq!(json["gaps"][0]["name"], "landlock");
    assert_eq!(json["limits"][0]["mechanism"].as_str().unwrap().split('-').next(), Some("cgroup"));
}
