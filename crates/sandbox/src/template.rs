//! Usual sandboxes by name: a profile, a network and limits that belong together.
//!
//! A template is data; it holds no program and no project, and whoever uses one can still change
//! every field of the spec.

use std::time::Duration;

use crate::profile::Profile;
use crate::spec::{Limits, Network, Spec};

/// A named choice of profile, network and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// A model provider's adapter: speaks to the network through the proxy and executes nothing.
    AiProvider,
    /// Code that was written by somebody else: builds, tests, scripts, without a network.
    CodeExecutor,
    /// An extension that is asked for a decision: small, short and alone.
    PolicySandbox,
    /// Tests that need a network, through the proxy.
    IntegrationTest,
}

const MIB: u64 = 1024 * 1024;

impl Template {
    /// Every template.
    pub const ALL: [Self; 4] =
        [Self::AiProvider, Self::CodeExecutor, Self::PolicySandbox, Self::IntegrationTest];

    /// The name in documents and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AiProvider => "ai-provider",
            Self::CodeExecutor => "code-executor",
            Self::PolicySandbox => "policy-sandbox",
            Self::IntegrationTest => "integration-test",
        }
    }

    /// The template of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.name() == name)
    }

    /// How tightly the program is held.
    #[must_use]
    pub const fn profile(self) -> Profile {
        match self {
            Self::AiProvider => Profile::StrictNet,
            Self::PolicySandbox => Profile::Strict,
            Self::CodeExecutor => Profile::Standard,
            Self::IntegrationTest => Profile::StandardNet,
        }
    }

    /// What the program can reach.
    #[must_use]
    pub const fn network(self) -> Network {
        match self {
            Self::AiProvider | Self::IntegrationTest => Network::Proxy,
            Self::CodeExecutor | Self::PolicySandbox => Network::None,
        }
    }

    /// The limits; what a template does not name is as in [`Limits::default`].
    #[must_use]
    pub fn limits(self) -> Limits {
        let (memory, cpu, pids, seconds) = match self {
            Self::AiProvider => (256 * MIB, 500, 10, 120),
            Self::CodeExecutor | Self::IntegrationTest => (1024 * MIB, 1000, 100, 300),
            Self::PolicySandbox => (128 * MIB, 250, 5, 300),
        };
        Limits {
            memory_bytes: Some(memory),
            cpu_thousandths: Some(cpu),
            pids,
            wall: Duration::from_secs(seconds),
            ..Limits::default()
        }
    }

    /// Sets the profile, the network and the limits of `spec`.
    pub fn apply(self, spec: &mut Spec) {
        spec.profile = self.profile();
        spec.network = self.network();
        spec.limits = self.limits();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_as_designed() {
        let check = |template: Template, profile, network, limits: (u64, u32, u32, u64)| {
            let mut spec = Spec::new("/", ["true"]);
            template.apply(&mut spec);
            assert_eq!((spec.profile, spec.network), (profile, network), "{template:?}");
            let found = spec.limits;
            let (memory, cpu) = (found.memory_bytes.unwrap(), found.cpu_thousandths.unwrap());
            assert_eq!((memory / MIB, cpu, found.pids, found.wall.as_secs()), limits);
        };
        let (strict, strict_net) = (Profile::Strict, Profile::StrictNet);
        let (standard, standard_net) = (Profile::Standard, Profile::StandardNet);
        check(Template::AiProvider, strict_net, Network::Proxy, (256, 500, 10, 120));
        check(Template::CodeExecutor, standard, Network::None, (1024, 1000, 100, 300));
        check(Template::PolicySandbox, strict, Network::None, (128, 250, 5, 300));
        check(Template::IntegrationTest, standard_net, Network::Proxy, (1024, 1000, 100, 300));
    }

    #[test]
    fn names_are_unique_and_those_of_documents() {
        for template in Template::ALL {
            assert_eq!(Template::named(template.name()), Some(template));
            let json = serde_json::to_string(&template).unwrap();
            assert_eq!(json, format!("\"{}\"", template.name()));
        }
        assert_eq!(Template::named("default"), None);
    }
}
