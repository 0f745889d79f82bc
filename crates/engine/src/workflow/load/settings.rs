//! `timeout` and `retry`: settings a step can have of its own or from `defaults`, and the readers
//! of units and words that `sandbox` uses too.
//!
//! Each reader takes the value it starts from, so that a step overrides its defaults key by key.
//! The bounds are generous and named; policy may tighten any of them for a call.

use super::Loader;
use super::keys::Section;
use super::sandbox::{Held, Level};
use crate::workflow::step::Retry;
use crate::workflow::{MAX_ATTEMPTS, MAX_BACKOFF_FACTOR, MAX_TIMEOUT};
use policy::document::{Diagnostic, Node, Yaml, suggest};
use policy::units;
use std::time::Duration;

/// What steps start from.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    /// Absent: it depends on what the step does.
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Retry,
    pub(super) sandbox: Held,
}

impl<'n> Loader<'n> {
    /// The `defaults` of the document, where it has them.
    pub(super) fn defaults(&mut self, node: Option<&'n Node>) -> Defaults {
        let base = Defaults::default();
        let Some(fields) = node.and_then(|node| self.fields(node, "defaults", Section::Defaults))
        else {
            return base;
        };
        let timeout = fields.optional("timeout").and_then(|node| self.timeout(node));
        let retry = self.retry(fields.optional("retry"), base.retry);
        let sandbox = self.sandbox(fields.optional("sandbox"), &base.sandbox, Level::Defaults);
        Defaults { timeout: timeout.or(sandbox.timeout), retry, sandbox }
    }

    /// A timeout, from 1 ms to [`MAX_TIMEOUT`].
    pub(super) fn timeout(&mut self, node: &Node) -> Option<Duration> {
        let timeout = self.duration(node, "timeout")?;
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            let message = "timeout must be more than nothing and at most 7d";
            self.report.add(Diagnostic::error(node.span, message));
            return None;
        }
        Some(timeout)
    }

    /// The retry rule of `node`, with `base` for what it does not say.
    pub(super) fn retry(&mut self, node: Option<&'n Node>, base: Retry) -> Retry {
        let mut retry = base;
        let Some(fields) = node.and_then(|node| self.fields(node, "retry", Section::Retry)) else {
            return retry;
        };
        if let Some(node) = fields.optional("max_attempts") {
            let most = self.bounded(node, "max_attempts", MAX_ATTEMPTS);
            retry.max_attempts = most.unwrap_or(retry.max_attempts);
        }
        let Some(node) = fields.optional("backoff") else { return retry };
        let Some(fields) = self.fields(node, "backoff", Section::Backoff) else { return retry };
        if let Some(node) = fields.optional("base") {
            retry.base = self.duration(node, "base").unwrap_or(retry.base);
        }
        if let Some(node) = fields.optional("max") {
            retry.max = self.duration(node, "max").unwrap_or(retry.max);
        }
        if let Some(node) = fields.optional("factor") {
            let factor = self.bounded(node, "factor", MAX_BACKOFF_FACTOR);
            retry.factor = factor.unwrap_or(retry.factor);
        }
        if let Some(node) = fields.optional("jitter") {
            retry.jitter = self.report.take(node.bool("jitter")).unwrap_or(retry.jitter);
        }
        if retry.base > retry.max || retry.max > MAX_TIMEOUT {
            let message = "backoff: `base` must be at most `max`, and `max` at most 7d";
            self.report.add(Diagnostic::error(fields.span(), message));
        }
        retry
    }

    fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let text = match node.value {
            Yaml::Int(number) => number.to_string(),
            _ => self.report.take(node.text(what))?.to_owned(),
        };
        self.unit(node, what, units::duration(&text))
    }

    pub(super) fn size(&mut self, node: &Node, what: &str) -> Option<u64> {
        let text = match node.value {
            Yaml::Int(number) => number.to_string(),
            _ => self.report.take(node.text(what))?.to_owned(),
        };
        let size = self.unit(node, what, units::size(&text))?;
        if size == 0 {
            let message = format!("{what} must be more than nothing");
            self.report.add(Diagnostic::error(node.span, message));
            return None;
        }
        Some(size)
    }

    fn unit<T>(
        &mut self,
        node: &Node,
        what: &str,
        result: Result<T, units::UnitError>,
    ) -> Option<T> {
        let diagnostic = |error: units::UnitError| {
            Diagnostic::error(node.span, format!("{what}: {error}")).with_hint(error.hint())
        };
        self.report.take(result.map_err(diagnostic))
    }

    pub(super) fn bounded(&mut self, node: &Node, what: &str, most: u32) -> Option<u32> {
        let number = self.report.take(node.int(what))?;
        let fits = u32::try_from(number).ok().filter(|number| (1..=most).contains(number));
        if fits.is_none() {
            let message = format!("{what} must be from 1 to {most}");
            self.report.add(Diagnostic::error(node.span, message));
        }
        fits
    }

    /// One of a few words: those known now, and those that are not part of this version.
    pub(super) fn choice<T>(
        &mut self,
        node: &Node,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
        (known, later): (&[&str], &[&str]),
    ) -> Option<T> {
        let text = self.report.take(node.text(what))?;
        let value = read(text);
        if value.is_none() {
            let diagnostic = if later.contains(&text) {
                let message = format!("{what} `{text}` is not supported by this version");
                Diagnostic::error(node.span, message)
                    .with_hint(format!("use {}", known.join(" or ")))
            } else {
                let hint = match suggest(text, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: {}", known.join(", ")),
                };
                Diagnostic::error(node.span, format!("unknown {what} `{text}`")).with_hint(hint)
            };
            self.report.add(diagnostic);
        }
        value
    }
}
