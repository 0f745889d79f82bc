//! What to write instead of a condition on an argument that no tool of the rule can have.
//!
//! Read from the tools' own schemas. A hint is a guess for people; nothing is decided by it.

use serde_json::Value;

use crate::document::suggest;
use crate::rule::Argument;
use crate::schema::{self, Presence};
use crate::selector::Selector;

/// Names of arguments in one hint.
const NAMES_SHOWN: usize = 24;

/// For a key that leads nowhere: the same in our own writing, what it may have been meant to be, and what there is.
pub(super) fn absent(schemas: &[&Value], key: &str) -> Option<String> {
    let dotted = dotted(key);
    if dotted != key && leads(schemas, &dotted) {
        return Some(format!("write `{dotted}`"));
    }
    if let Some(beside) = beside(schemas, key, |_, _| true) {
        return Some(format!("did you mean `{beside}`?"));
    }
    let mut names: Vec<&str> = schemas.iter().copied().flat_map(schema::names).collect();
    names.sort_unstable();
    names.dedup();
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let near = match suggest(first, &names).filter(|near| near != first) {
        Some(near) if rest.is_empty() => format!("did you mean `{near}`? "),
        Some(near) => format!("did you mean `{near}.{rest}`? "),
        None => String::new(),
    };
    let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    (!shown.is_empty()).then(|| format!("{near}arguments are {shown}{more}"))
}

/// For a value of another kind than the argument can have.
pub(super) fn other_kind(schemas: &[&Value], argument: &Argument) -> String {
    let fits = |schema: &Value, selector: &Selector| {
        argument.accepted.iter().all(|accepted| {
            accepted.kinds().iter().any(|kind| schema::can_be(schema, selector, kind))
        })
    };
    if let Some(beside) = beside(schemas, &argument.key, fits) {
        return format!("did you mean `{beside}`?");
    }
    let mut lists =
        schemas.iter().map(|schema| schema::can_be(schema, &argument.selector, "array"));
    if lists.any(|is_list| is_list) {
        let key = &argument.key;
        return format!("it is a list, and a condition is about one value: `{key}.0` is the first");
    }
    "the schema of the tool asks for another kind of value".to_owned()
}

/// The declared argument whose name begins with the first part of `key` and `_`, and that has what the rest of `key`
/// leads to: `env_values.STAGE` for `env.STAGE`, `stdin_bytes` for `stdin.bytes` and `stdin`.
pub(super) fn beside(
    schemas: &[&Value],
    key: &str,
    fits: impl Fn(&Value, &Selector) -> bool,
) -> Option<String> {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let joined = key.replace('.', "_");
    schemas.iter().find_map(|schema| {
        let begins =
            |name: &&str| name.strip_prefix(first).is_some_and(|rest| rest.starts_with('_'));
        let longer = schema::names(schema).filter(begins).map(|name| match rest {
            "" => name.to_owned(),
            rest => format!("{name}.{rest}"),
        });
        let exact = schema::names(schema).filter(|name| *name == joined).map(str::to_owned);
        exact.chain(longer).find(|candidate| {
            let selector = Selector::condition(candidate);
            selector.is_ok_and(|selector| {
                schema::presence(schema, &selector) == Presence::Declared && fits(schema, &selector)
            })
        })
    })
}

/// `argv.1` for `argv[1]`.
fn dotted(key: &str) -> String {
    key.replace('[', ".").replace(']', "")
}

fn leads(schemas: &[&Value], key: &str) -> bool {
    let Ok(selector) = Selector::condition(key) else { return false };
    schemas.iter().any(|schema| schema::presence(schema, &selector) == Presence::Declared)
}
