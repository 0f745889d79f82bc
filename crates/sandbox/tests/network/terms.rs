//! The terms of a launch: which profile goes with which network, what the environment says, how old
//! a kernel may be, and what the receipt tells of all this.

use sandbox::{Check, Host, LaunchError, Layer, Network, Profile, SpecError, launch, launch_on};

use crate::support::{Project, explain, refused, run, succeeds};
use crate::with_proxy;

#[test]
fn only_matching_profiles_and_networks_are_launched() {
    let project = Project::new();
    let mut legal = Vec::new();
    for profile in Profile::ALL {
        for network in [Network::None, Network::Proxy, Network::Host] {
            let mut spec = project.sh("true");
            (spec.profile, spec.network) = (profile, network);
            match launch(&spec) {
                Err(LaunchError::Spec(SpecError::Network { .. })) => {
                    let error = refused(&spec);
                    assert!(error.to_string().contains(profile.name()), "{error}");
                    assert!(error.fix().is_some(), "{error}");
                }
                _ => legal.push((profile, network)),
            }
        }
    }
    let expect = [
        (Profile::Strict, Network::None),
        (Profile::Standard, Network::None),
        (Profile::StrictNet, Network::None),
        (Profile::StrictNet, Network::Proxy),
        (Profile::StandardNet, Network::None),
        (Profile::StandardNet, Network::Proxy),
        (Profile::Proxy, Network::Host),
    ];
    assert_eq!(legal, expect);
}

#[test]
fn the_environment_says_where_the_proxy_is() {
    let project = Project::new();
    let script = "env | grep -i -e _proxy= -e ENV_PROXY | LC_ALL=C sort";
    let expect = "ALL_PROXY=http://127.0.0.1:3128\n\
         HTTPS_PROXY=http://127.0.0.1:3128\n\
         HTTP_PROXY=http://127.0.0.1:3128\n\
         NODE_USE_ENV_PROXY=1\n\
         NO_PROXY=localhost,127.0.0.1,::1,[::1]\n\
         all_proxy=http://127.0.0.1:3128\n\
         http_proxy=http://127.0.0.1:3128\n\
         https_proxy=http://127.0.0.1:3128\n\
         no_proxy=localhost,127.0.0.1,::1,[::1]\n";
    assert_eq!(succeeds(&with_proxy(project.sh(script))), expect);
    assert!(!succeeds(&project.sh("env")).to_lowercase().contains("proxy"), "only with a proxy");
    let mut given = with_proxy(project.sh("echo $http_proxy $HTTP_PROXY"));
    given.env = vec![("http_proxy".into(), "http://other:1".into())];
    assert_eq!(succeeds(&given), "http://other:1 http://127.0.0.1:3128\n", "unless it is given");
}

#[test]
fn a_kernel_older_than_the_floor_is_refused_with_the_reason() {
    let project = Project::new();
    let mut spec = project.sh("true");
    let mut host = Host::current().clone();
    for (found, floor, kernel) in
        [(3, 4, "6.7"), (5, 6, "6.12"), (1, 2, "5.19"), (1, 99, "a newer kernel")]
    {
        host.landlock = Some(found);
        spec.landlock_floor = Some(floor);
        let error = launch_on(&host, &spec).map(|_| ()).unwrap_err();
        let LaunchError::Unsupported(refusal) = &error else { panic!("{}", explain(&error)) };
        assert_eq!(refusal.layer, Layer::Landlock);
        assert!(refusal.reason.contains(&format!("generation {found}")), "{}", refusal.reason);
        assert!(refusal.fix.contains(kernel), "{}", refusal.fix);
        spec.landlock_floor = Some(found);
        let child = launch_on(&host, &spec).expect("control: a kernel that is just new enough");
        assert_eq!(child.receipt().landlock.abi, found);
    }
    spec.landlock_floor = None;
    host.landlock = Some(1);
    launch_on(&host, &spec).expect("control: without a floor the oldest will do");
}

#[test]
fn a_program_that_does_not_use_the_proxy_is_told_about_it() {
    let project = Project::new();
    let lookup = "use Socket qw(:all); my ($e) = getaddrinfo('example.com', '80'); die qq($e\n)";
    let with = run(&with_proxy(project.perl(lookup))).blocked.expect("an explanation");
    assert_eq!(with.layer, Layer::NetworkNamespace);
    assert!(with.explanation.contains("http_proxy"), "{}", with.explanation);
    let without = run(&project.perl(lookup)).blocked.expect("an explanation");
    assert!(!without.explanation.contains("http_proxy"), "{}", without.explanation);
    let datagram = "socket(S, 2, 2, 0) or die qq($!\n)";
    let refused = run(&with_proxy(project.perl(datagram))).blocked.expect("an explanation");
    assert_eq!(refused.layer, Layer::Seccomp);
}

#[test]
fn the_receipt_says_which_network_there_was() {
    let project = Project::new();
    let own = project.sh("readlink /proc/self/ns/net");
    for (spec, check) in [(own.clone(), Check::NoNetwork), (with_proxy(own), Check::OwnLoopback)] {
        let outcome = run(&spec);
        let receipt = &outcome.receipt;
        assert_eq!((receipt.network, receipt.profile), (spec.network, spec.profile));
        assert!(receipt.layers.contains(&Layer::NetworkNamespace));
        assert!(receipt.verified.contains(&check), "{:?}", receipt.verified);
        let seen = format!("net:[{}]\n", receipt.namespaces.network);
        assert_eq!(crate::stdout(&outcome), seen);
        assert_ne!(std::fs::read_link("/proc/self/ns/net").unwrap().to_str(), Some(seen.trim()));
    }
    let with = run(&with_proxy(project.sh("true"))).receipt;
    assert!(with.verified.contains(&Check::StreamsOnly));
    assert!(!with.verified.contains(&Check::NoNetwork));
    let json = serde_json::to_value(&with).unwrap();
    assert_eq!((&json["network"], &json["profile"]), (&"proxy".into(), &"standard-net".into()));
}
