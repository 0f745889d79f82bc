//! The small changes of a rule: what a slip of the hand or a hasty edit would make of it.
//!
//! Another action, the rule or an exception gone, a field forgotten, one entry of a list less, a bound or
//! a pattern a little wider or narrower. A change that leaves a pattern as it was is none.

use crate::decision::Action;
use crate::document::Span;
use crate::pattern::{NamePattern, PathPattern};
use crate::rule::{Accepted, Bound, Condition, Except, Operator, Rule, Tools};
use crate::units::Quantity;

/// A rule's parts as they are after one change.
pub(super) struct Change {
    pub(super) span: Span,
    /// What was changed, as a fragment.
    pub(super) what: String,
    pub(super) action: Action,
    pub(super) condition: Condition,
    pub(super) except: Vec<Except>,
}

/// Every change of one rule.
pub(super) fn changes(rule: &Rule) -> Vec<Change> {
    let change = |span: Span, what: String| Change {
        span,
        what,
        action: rule.action,
        condition: rule.condition.clone(),
        except: rule.except.clone(),
    };
    let (action, word) = match rule.action {
        Action::Allow => (Action::Deny, "deny"),
        Action::Deny | Action::RequireReview => (Action::Allow, "allow"),
    };
    let mut found = vec![
        Change { action, ..change(rule.span, format!("action becomes {word}")) },
        Change {
            condition: Condition { tools: Tools::Named(Vec::new()), ..rule.condition.clone() },
            ..change(rule.span, "the rule is gone".to_owned())
        },
    ];
    for (span, what, condition) in conditions(&rule.condition, rule.span) {
        found.push(Change { condition, ..change(span, what) });
    }
    for (item, except) in rule.except.iter().enumerate() {
        let mut fewer = rule.except.clone();
        fewer.remove(item);
        let gone = format!("except item {} is gone", item + 1);
        found.push(Change { except: fewer, ..change(rule.span, gone) });
        for (span, what, condition) in conditions(&except.condition, rule.span) {
            let mut items = rule.except.clone();
            if let Some(changed) = items.get_mut(item) {
                changed.condition = condition;
            }
            let what = format!("except item {}: {what}", item + 1);
            found.push(Change { except: items, ..change(span, what) });
        }
    }
    found
}

/// One changed condition: where, what, and the whole of it.
type Changed = (Span, String, Condition);

fn conditions(condition: &Condition, span: Span) -> Vec<Changed> {
    let mut found = Vec::new();
    entries(condition, ("caller_tag", span), |condition| &mut condition.caller_tags, &mut found);
    entries(condition, ("role", span), |condition| &mut condition.roles, &mut found);
    entries(condition, ("mode", span), |condition| &mut condition.modes, &mut found);
    entries(condition, ("state", span), |condition| &mut condition.states, &mut found);
    entries(condition, ("principal", span), |condition| &mut condition.principals, &mut found);
    entries(
        condition,
        ("host", condition.hosts_span),
        |condition| &mut condition.hosts,
        &mut found,
    );
    tools(condition, span, &mut found);
    paths(condition, &mut found);
    arguments(condition, &mut found);
    found
}

/// Without the field, and without each of several entries.
fn entries<T>(
    condition: &Condition,
    (name, span): (&str, Span),
    list: impl Fn(&mut Condition) -> &mut Vec<T>,
    found: &mut Vec<Changed>,
) {
    let mut without = condition.clone();
    let count = list(&mut without).len();
    list(&mut without).clear();
    if count > 0 {
        found.push((span, format!("{name} is forgotten"), without));
    }
    for entry in (0..count).filter(|_| count > 1) {
        let mut fewer = condition.clone();
        list(&mut fewer).remove(entry);
        found.push((span, format!("{name} without entry {}", entry + 1), fewer));
    }
}

fn tools(condition: &Condition, span: Span, found: &mut Vec<Changed>) {
    let Tools::Named(names) = &condition.tools else { return };
    let with = |tools: Tools| Condition { tools, ..condition.clone() };
    found.push((span, "tool is forgotten".to_owned(), with(Tools::Any)));
    for (place, (name, at)) in names.iter().enumerate() {
        let replaced = |other: Option<NamePattern>| {
            let mut names = names.clone();
            match (other, names.get_mut(place)) {
                (Some(other), Some(entry)) => entry.0 = other,
                _ => drop(names.remove(place)),
            }
            with(Tools::Named(names))
        };
        if names.len() > 1 {
            found.push((*at, format!("tool without `{}`", name.text()), replaced(None)));
        }
        let siblings = name.text().rsplit_once('.').map(|(family, _)| format!("{family}.*"));
        let wider = siblings.and_then(|text| NamePattern::parse(&text).ok());
        if let Some(wider) = wider.filter(|wider| wider != name) {
            let what = format!("tool `{}` becomes `{}`", name.text(), wider.text());
            found.push((*at, what, replaced(Some(wider))));
        }
    }
}

fn paths(condition: &Condition, found: &mut Vec<Changed>) {
    let Some(paths) = &condition.paths else { return };
    let span = condition.paths_span;
    let with = |paths: Option<Vec<PathPattern>>| Condition { paths, ..condition.clone() };
    found.push((span, "path_glob is forgotten".to_owned(), with(None)));
    for (place, path) in paths.iter().enumerate() {
        if paths.len() > 1 {
            let mut fewer = paths.clone();
            fewer.remove(place);
            let what = format!("path_glob without `{}`", path.text);
            found.push((span, what, with(Some(fewer))));
        }
        for text in [wider_path(&path.text), path.text.replacen("**", "*", 1)] {
            if let Some(other) = PathPattern::parse(&text).ok().filter(|_| text != path.text) {
                let mut others = paths.clone();
                if let Some(entry) = others.get_mut(place) {
                    *entry = other;
                }
                let what = format!("path_glob `{}` becomes `{text}`", path.text);
                found.push((span, what, with(Some(others))));
            }
        }
    }
}

/// The last segment without a star becomes one.
fn wider_path(text: &str) -> String {
    let mut parts: Vec<&str> = text.split('/').collect();
    let plain = |part: &&mut &str| !part.is_empty() && !part.contains('*');
    if let Some(part) = parts.iter_mut().rev().find(plain) {
        *part = "*";
    }
    parts.join("/")
}

fn arguments(condition: &Condition, found: &mut Vec<Changed>) {
    for (place, argument) in condition.arguments.iter().enumerate() {
        let key = &argument.key;
        let mut without = condition.clone();
        without.arguments.remove(place);
        found.push((argument.span, format!("args.{key} is forgotten"), without));
        let changed = |change: &dyn Fn(&mut Vec<Accepted>)| {
            let mut other = condition.clone();
            if let Some(argument) = other.arguments.get_mut(place) {
                change(&mut argument.accepted);
            }
            other
        };
        for (entry, accepted) in argument.accepted.iter().enumerate() {
            if argument.accepted.len() > 1 {
                let fewer = changed(&|all| drop(all.remove(entry)));
                found.push((argument.span, format!("args.{key} without `{accepted}`"), fewer));
            }
            let Accepted::Bound(bound) = accepted else { continue };
            let others = [beside(*bound), wider(*bound)].map(Accepted::Bound);
            for other in others.into_iter().filter(|other| other != accepted) {
                let what = format!("args.{key} `{accepted}` becomes `{other}`");
                let other = changed(&|all| {
                    all.iter_mut().skip(entry).take(1).for_each(|it| *it = other.clone())
                });
                found.push((argument.span, what, other));
            }
        }
    }
}

/// The same bound with its own limit on the other side.
fn beside(Bound { operator, quantity }: Bound) -> Bound {
    let operator = match operator {
        Operator::Less => Operator::AtMost,
        Operator::AtMost => Operator::Less,
        Operator::Greater => Operator::AtLeast,
        Operator::AtLeast => Operator::Greater,
    };
    Bound { operator, quantity }
}

/// A bound that lets twice as much through.
fn wider(Bound { operator, quantity }: Bound) -> Bound {
    let scaled = |limit: u64| match operator {
        Operator::Less | Operator::AtMost => limit.saturating_mul(2).max(1),
        Operator::Greater | Operator::AtLeast => limit / 2,
    };
    let quantity = match quantity {
        Quantity::Bytes(limit) => Quantity::Bytes(scaled(limit)),
        Quantity::Micros(limit) => Quantity::Micros(scaled(limit)),
    };
    Bound { operator, quantity }
}

#[cfg(test)]
mod tests {
    use super::{beside, wider, wider_path};
    use crate::rule::{Bound, Operator};
    use crate::units::Quantity;

    #[test]
    fn patterns_widen_by_one_segment() {
        for (text, expected) in [
            ("docs/**", "*/**"),
            ("/docs/a", "/docs/*"),
            ("**/x", "**/*"),
            ("*.md", "*.md"),
            ("a", "*"),
        ] {
            assert_eq!(wider_path(text), expected, "{text}");
        }
    }

    #[test]
    fn bounds_move_by_one_and_by_half() {
        let bound = |operator, limit| Bound { operator, quantity: Quantity::Bytes(limit) };
        assert_eq!(beside(bound(Operator::AtMost, 4)), bound(Operator::Less, 4));
        assert_eq!(wider(bound(Operator::AtMost, 4)), bound(Operator::AtMost, 8));
        assert_eq!(wider(bound(Operator::Greater, 4)), bound(Operator::Greater, 2));
    }
}
