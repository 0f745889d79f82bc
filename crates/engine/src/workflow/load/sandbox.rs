//! `sandbox`: how a step asks to be held.
//!
//! What counts, first to last: the step's own keys, the step's template, the keys of `defaults`, the
//! template of `defaults`, what is usual. A key that only has a meaning beside another is refused
//! where it is written without it; one that is inherited and lost its meaning is left out, which
//! never loosens anything.

use super::keys::Section;
use super::site::Wanted;
use super::{Loader, MAX_ENTRIES};
use crate::expression::Template;
use crate::workflow::sandbox::{
    Changes, Driver, GAPS, Limits, MAX_HOSTS, Profile, SandboxRequest, SandboxTemplate,
};
use policy::document::{Diagnostic, Fields, Node, Span, Yaml, suggest};
use std::time::Duration;

/// Most processors one step may be given.
const CPU_MAX: u32 = 1024;

/// A request, and the time limit its template sets.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    pub(super) request: SandboxRequest,
    pub(super) timeout: Option<Duration>,
}

/// Where a `sandbox` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// In `defaults`, where no step's values are known.
    Defaults,
    /// In a step.
    Step,
}

/// Keys that only have a meaning beside others, where the document has them.
struct Places<'n> {
    hosts: Option<Span>,
    profile: Option<&'n Node>,
    driver: Option<&'n Node>,
    image: Option<Span>,
    gaps: Option<Span>,
}

impl<'n> Loader<'n> {
    /// The sandbox request of `node`, with `base` for what it does not say.
    pub(super) fn sandbox(&mut self, node: Option<&'n Node>, base: &Held, level: Level) -> Held {
        let unchanged = || Held { request: base.request.clone(), timeout: None };
        let Some(fields) = node.and_then(|node| self.fields(node, "sandbox", Section::Sandbox))
        else {
            return unchanged();
        };
        let mut held = unchanged();
        if let Some(template) = fields.optional("template").and_then(|node| self.template_of(node))
        {
            lay(template, &mut held);
        }
        let span = |name: &str| fields.entry(name).map(|(key, _)| key.span);
        let places = Places {
            hosts: span("hosts"),
            profile: fields.optional("profile"),
            driver: fields.optional("driver"),
            image: span("image"),
            gaps: span("allow_gaps"),
        };
        self.own_keys(&fields, &mut held.request, level);
        self.coherent(&places, &mut held.request);
        held
    }

    fn own_keys(&mut self, fields: &Fields<'n>, request: &mut SandboxRequest, level: Level) {
        if let Some(node) = fields.optional("driver") {
            let known = Driver::ALL.map(Driver::name);
            let read = |text: &str| Driver::ALL.into_iter().find(|driver| driver.name() == text);
            let driver = self.choice(node, "driver", read, (&known, &["e2b", "modal"]));
            request.driver = driver.unwrap_or(request.driver);
        }
        if let Some(node) = fields.optional("image") {
            request.image = self.image(node);
        }
        if let Some(node) = fields.optional("profile") {
            let known = Profile::ALL.map(Profile::name);
            let read = |text: &str| Profile::ALL.into_iter().find(|one| one.name() == text);
            let profile = self.choice(node, "profile", read, (&known, &[]));
            request.profile = profile.unwrap_or(request.profile);
        }
        if let Some(node) = fields.optional("hosts") {
            request.hosts = self.hosts(node, level);
        }
        if let Some(node) = fields.optional("allow_gaps") {
            request.allow_gaps = self.gaps(node);
        }
        if let Some(node) = fields.optional("changes") {
            let known = Changes::ALL.map(Changes::name);
            let read = |text: &str| Changes::ALL.into_iter().find(|one| one.name() == text);
            let changes = self.choice(node, "changes", read, (&known, &[]));
            request.changes = changes.unwrap_or(request.changes);
        }
        if let Some(node) = fields.optional("limits") {
            request.limits = self.limits(node, request.limits);
        }
    }

    /// Refuses what was written without what it needs, and leaves out what was inherited so.
    fn coherent(&mut self, places: &Places<'n>, request: &mut SandboxRequest) {
        if !request.profile.has_network() && !request.hosts.is_empty() {
            if let Some(span) = places.hosts {
                let profile = request.profile.name();
                let message = format!(
                    "sandbox: `hosts` needs `standard-net`, and the profile is `{profile}`"
                );
                let hint = match places.profile {
                    Some(_) => "write `profile: standard-net`, or leave `hosts` out",
                    None => "add `profile: standard-net`",
                };
                self.error(span, message, hint);
            }
            request.hosts.clear();
        }
        let local = request.driver == Driver::Local;
        if local && request.image.take().is_some() && places.image.is_some() {
            self.only_container("image", places.image);
        }
        if local && !std::mem::take(&mut request.allow_gaps).is_empty() {
            self.only_container("allow_gaps", places.gaps);
        }
        if let (false, None, Some(node), None) =
            (local, &request.image, places.driver, places.image)
        {
            let message = "sandbox: the driver `container` needs an `image`";
            self.error(node.span, message, "add `image: name@sha256:…`");
        }
    }

    fn only_container(&mut self, key: &str, span: Option<Span>) {
        let Some(span) = span else { return };
        let message = format!("sandbox: `{key}` has a meaning with `driver: container` only");
        self.error(span, message, &format!("add `driver: container`, or leave `{key}` out"));
    }

    fn template_of(&mut self, node: &Node) -> Option<SandboxTemplate> {
        let known = SandboxTemplate::ALL.map(SandboxTemplate::name);
        let read = |text: &str| SandboxTemplate::ALL.into_iter().find(|one| one.name() == text);
        self.choice(node, "template", read, (&known, &[]))
    }

    fn image(&mut self, node: &Node) -> Option<String> {
        const DIGITS: usize = 64;
        let image = self.report.take(node.text("image"))?;
        if !self.plain("image", node.span, image) {
            return None;
        }
        let named = image.strip_prefix("sha256:").map(|digest| ("local", digest));
        let named = named.or_else(|| image.split_once("@sha256:"));
        let pinned = named.is_some_and(|(name, digest)| {
            let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
            let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
            begins
                && name.bytes().all(letter)
                && digest.len() == DIGITS
                && digest.bytes().all(hexadecimal)
        });
        if !pinned {
            let message = format!("image `{image}` is not named by its digest");
            let hint = "write `name@sha256:` and 64 hexadecimal digits, or the image's own `sha256:…`; a tag can change";
            self.error(node.span, message, hint);
        }
        pinned.then(|| image.to_owned())
    }

    /// Hosts may hold expressions in a step; in `defaults` no step's values are known.
    fn hosts(&mut self, node: &'n Node, level: Level) -> Vec<Template> {
        let mut hosts: Vec<Template> = Vec::new();
        for item in self.list(node, "hosts", MAX_HOSTS).unwrap_or_default() {
            let Some(host) = self.host(item, level) else { continue };
            if hosts.iter().any(|other| other.source() == host.source()) {
                let message = format!("host `{}` is there twice", host.source());
                self.report.add(Diagnostic::warning(item.span, message));
            } else {
                hosts.push(host);
            }
        }
        hosts
    }

    fn host(&mut self, node: &'n Node, level: Level) -> Option<Template> {
        let host = match level {
            Level::Step => self.template(node, "an item of `hosts`", Wanted::Text)?,
            Level::Defaults => {
                let text = self.report.take(node.text("an item of `hosts`"))?;
                if !self.plain("a host of `defaults`", node.span, text) {
                    return None;
                }
                Template::parse(text).ok()?
            }
        };
        let checked = host.literal().map_or(Ok(()), policy::check_target);
        if let Err(error) = checked {
            let message = format!("host `{}` {error}", host.source());
            self.error(node.span, message, error.hint());
            return None;
        }
        Some(host)
    }

    fn gaps(&mut self, node: &'n Node) -> Vec<String> {
        let mut gaps = Vec::new();
        for item in self.list(node, "allow_gaps", MAX_ENTRIES).unwrap_or_default() {
            let Some(name) = self.report.take(item.text("an item of `allow_gaps`")) else {
                continue;
            };
            if GAPS.contains(&name) {
                gaps.push(name.to_owned());
                continue;
            }
            let hint = match suggest(name, &GAPS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("gaps a driver can have are {}", GAPS.join(", ")),
            };
            self.error(item.span, format!("unknown gap `{name}`"), &hint);
        }
        gaps
    }

    fn limits(&mut self, node: &'n Node, base: Limits) -> Limits {
        let Some(fields) = self.fields(node, "limits", Section::Limits) else { return base };
        let cpu_thousandths = match fields.optional("cpu") {
            Some(node) => self.cpu(node),
            None => base.cpu_thousandths,
        };
        let mut count = |name: &str, base: Option<u64>| match fields.optional(name) {
            Some(node) => self.bounded(node, name, u32::MAX).map(u64::from),
            None => base,
        };
        let pids = count("pids", base.pids);
        let open_files = count("open_files", base.open_files);
        let workspace_inodes = count("inodes", base.workspace_inodes);
        let mut size = |name: &str, base: Option<u64>| match fields.optional(name) {
            Some(node) => self.size(node, name),
            None => base,
        };
        Limits {
            memory_bytes: size("memory", base.memory_bytes),
            cpu_thousandths,
            pids,
            open_files,
            output_bytes: size("output", base.output_bytes),
            workspace_bytes: size("workspace", base.workspace_bytes),
            workspace_inodes,
            artifact_bytes: size("artifacts", base.artifact_bytes),
        }
    }

    /// Processors: whole or with at most three places after the point.
    fn cpu(&mut self, node: &Node) -> Option<u32> {
        let wanted = match node.value {
            Yaml::Int(whole) => u32::try_from(whole).ok().and_then(|whole| whole.checked_mul(1000)),
            Yaml::Float(part) => thousandths(part),
            _ => None,
        };
        let wanted = wanted.filter(|wanted| (1..=CPU_MAX * 1000).contains(wanted));
        if wanted.is_none() {
            let message = format!("cpu must be a number of processors from 0.001 to {CPU_MAX}");
            self.error(node.span, message, "`0.5` is half of one processor, `2` are two");
        }
        wanted
    }
}

/// `number` in thousandths, where it is a whole number of them.
fn thousandths(number: f64) -> Option<u32> {
    let scaled = format!("{:.0}", number * 1000.0).parse::<u32>().ok()?;
    // The nearest fraction of the text is what the number was read as; any other has more places.
    (f64::from(scaled) / 1000.0 == number).then_some(scaled)
}

/// What a template sets goes over what was inherited.
fn lay(template: SandboxTemplate, held: &mut Held) {
    let (over, under) = (template.limits(), held.request.limits);
    held.timeout = template.timeout();
    held.request.profile = template.profile();
    held.request.limits = Limits {
        memory_bytes: over.memory_bytes.or(under.memory_bytes),
        cpu_thousandths: over.cpu_thousandths.or(under.cpu_thousandths),
        pids: over.pids.or(under.pids),
        ..under
    };
}
