//! Reads `tests`: calls with the decision their author expects.
//!
//! A test that cannot be run is an error of the file like any other. Running them is in `trial.rs`.

use serde_json::{Map, Value};

use super::condition::{self, texts};
use crate::call::OwnedCall;
use crate::decision::Verdict;
use crate::document::{Diagnostic, Fields, Node, Report, Span, Yaml};
use crate::identifier;

/// Tests in one file.
const CASES_MAX: usize = 10_000;

/// One test.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Its place in the file, from 1.
    pub(crate) number: usize,
    pub(crate) span: Span,
    /// Whether the arguments must fit the tool's schema.
    pub(crate) strict: bool,
    /// The call, its paths resolved once the file has loaded.
    pub(crate) call: OwnedCall,
    /// A path of the call that leaves the project, so that no rule is asked.
    pub(crate) outside: Option<String>,
    pub(crate) verdict: Verdict,
    /// A rule that must be among those that decided.
    pub(crate) rule: Option<(String, Span)>,
}

/// Reads every test; one with an error is reported and left out.
pub(super) fn read(node: &Node, report: &mut Report) -> Vec<Case> {
    let Some(items) = report.take(node.list("tests")) else { return Vec::new() };
    if items.len() > CASES_MAX {
        let message = format!("{} tests are more than the {CASES_MAX} allowed", items.len());
        report.add(Diagnostic::error(node.span, message));
        return Vec::new();
    }
    let numbered = items.iter().enumerate();
    numbered.filter_map(|(position, item)| case(item, position + 1, report)).collect()
}

fn case(node: &Node, number: usize, report: &mut Report) -> Option<Case> {
    let what = format!("test {number}");
    let fields = report.take(Fields::of(node, what.as_str()))?;
    report.extend(fields.finish(&["name", "call", "expect", "strict"]));
    let name = report.take(fields.required("name").and_then(|node| node.text(&what)));
    let strict = fields.optional("strict").map_or(Ok(false), |node| node.bool("strict"));
    let strict = report.take(strict);
    let call = report.take(fields.required("call")).and_then(|node| call(node, &what, report));
    let expect =
        report.take(fields.required("expect")).and_then(|node| expect(node, &what, report));
    let (verdict, rule) = expect?;
    Some(Case {
        name: name?.to_owned(),
        number,
        span: node.span,
        strict: strict?,
        call: call?,
        outside: None,
        verdict,
        rule,
    })
}

fn call(node: &Node, what: &str, report: &mut Report) -> Option<OwnedCall> {
    let what = format!("{what}: call");
    let fields = report.take(Fields::of(node, what.as_str()))?;
    report.extend(fields.finish(&["tool", "principal", "role", "tags", "mode", "state", "args"]));
    let mut text = |name: &str| {
        let node = fields.optional(name)?;
        report.take(node.text(&format!("{what}: {name}"))).map(str::to_owned)
    };
    let (principal, state) = (text("principal"), text("state"));
    let mode = fields.optional("mode").and_then(|node| {
        let read = node.text(&format!("{what}: mode")).and_then(|text| {
            condition::mode(text).map_err(|refusal| refusal.at(node.span, &format!("{what}: mode")))
        });
        report.take(read)
    });
    let mut list = |name: &str| {
        let Some(node) = fields.optional(name) else { return Vec::new() };
        if matches!(&node.value, Yaml::List(items) if items.is_empty()) {
            return Vec::new();
        }
        let found = report.take(texts(node, &format!("{what}: {name}"))).unwrap_or_default();
        found.into_iter().map(|(text, _)| text.to_owned()).collect()
    };
    let (roles, tags) = (list("role"), list("tags"));
    let tool = report.take(fields.required("tool").and_then(|node| node.text(&what)));
    let args = match fields.optional("args") {
        None => Some(Value::Object(Map::new())),
        Some(node) => report.take(node.map(&format!("{what}: args")).map(|_| node.to_json())),
    };
    Some(OwnedCall {
        tool: tool?.to_owned(),
        principal: principal.unwrap_or_default(),
        roles,
        tags,
        mode,
        state,
        args: args?,
    })
}

fn expect(
    node: &Node,
    what: &str,
    report: &mut Report,
) -> Option<(Verdict, Option<(String, Span)>)> {
    let what = format!("{what}: expect");
    let fields = report.take(Fields::of(node, what.as_str()))?;
    report.extend(fields.finish(&["decision", "rule"]));
    let verdict =
        report.take(fields.required("decision").and_then(|node| match node.text(&what)? {
            "allow" => Ok(Verdict::Allow),
            "deny" => Ok(Verdict::Deny),
            "require_review" => Ok(Verdict::RequireReview),
            other => Err(Diagnostic::error(
                node.span,
                format!(
                    "{what}: invalid decision \"{other}\", must be allow, deny or require_review"
                ),
            )),
        }));
    let rule = fields.optional("rule").and_then(|node| {
        let rule = report.take(node.text(&format!("{what}: rule")))?;
        Some((identifier::normal(rule).into_owned(), node.span))
    });
    Some((verdict?, rule))
}
