//! Files of rules: the built-in pack, and files of the form gitleaks reads (TOML).
//!
//! Of such a file are read `rules` with `id`, `regex`, `secretGroup`, `entropy`, `keywords` and `allowlists`, and
//! `allowlist`. `token` is ours: the form of a token alone, which is then looked for where a word can begin.
//! Rules about paths have no meaning for a stream and are passed over; so is everything only people read.

use serde::Deserialize;

use super::rule::{self, Allowed, Pattern, Rule, Target};

/// The built-in pack.
const BUILT_IN: &str = include_str!("../../rules/palisade.toml");
/// Most bytes of a file.
const FILE_BYTES: usize = 4 << 20;
/// Most rules of all files together.
pub(super) const MOST_RULES: usize = 4096;

/// Why a file of rules is not used. Nothing of it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It is larger than rules are.
    #[error("`{0}` is larger than {FILE_BYTES} bytes")]
    Large(String),
    /// It is not TOML, or not of the form of a rule file.
    #[error("`{file}` is not a file of rules: {reason}")]
    Form {
        /// Which file.
        file: String,
        /// What the reader said, with the line.
        reason: String,
    },
    /// An expression cannot be compiled.
    #[error("`{file}`: rule `{rule}`: {reason}")]
    Pattern {
        /// Which file.
        file: String,
        /// Which rule.
        rule: String,
        /// What the compiler said.
        reason: String,
    },
    /// A rule has nothing to look for.
    #[error("`{file}`: rule `{rule}` has no `regex`")]
    Empty {
        /// Which file.
        file: String,
        /// Which rule.
        rule: String,
    },
    /// More than 4096 rules.
    #[error("more than {MOST_RULES} rules")]
    Many,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rules: Vec<Written>,
    allowlist: Option<Allowance>,
    #[serde(default)]
    allowlists: Vec<Allowance>,
}

#[derive(Deserialize)]
struct Written {
    id: String,
    regex: Option<String>,
    token: Option<String>,
    path: Option<String>,
    #[serde(rename = "secretGroup")]
    group: Option<usize>,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    keywords: Vec<String>,
    allowlist: Option<Allowance>,
    #[serde(default)]
    allowlists: Vec<Allowance>,
}

#[derive(Deserialize)]
struct Allowance {
    #[serde(default, rename = "regexTarget")]
    target: String,
    #[serde(default)]
    condition: String,
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
}

/// The rules of the built-in pack, compiled when needed.
///
/// # Errors
/// Never: a test compiles all of them.
pub(super) fn built_in() -> Result<Vec<Rule>, RuleError> {
    read("the built-in rules", BUILT_IN, |_| Ok(()))
}

/// The rules of a file, every expression of it compiled.
///
/// # Errors
/// [`RuleError`] for the first thing that is wrong.
pub(super) fn given(name: &str, text: &str) -> Result<Vec<Rule>, RuleError> {
    read(name, text, |pattern| pattern.get().map(drop))
}

fn read(
    name: &str,
    text: &str,
    check: impl Fn(&Pattern) -> Result<(), String>,
) -> Result<Vec<Rule>, RuleError> {
    if text.len() > FILE_BYTES {
        return Err(RuleError::Large(name.to_owned()));
    }
    let file: File = toml::from_str(text)
        .map_err(|error| RuleError::Form { file: name.to_owned(), reason: error.to_string() })?;
    let everywhere: Vec<&Allowance> = file.allowlist.iter().chain(&file.allowlists).collect();
    let mut rules = Vec::with_capacity(file.rules.len());
    for written in &file.rules {
        let broken = |reason: String| RuleError::Pattern {
            file: name.to_owned(),
            rule: written.id.clone(),
            reason,
        };
        let Some(pattern) = expression(written) else {
            if written.path.is_some() {
                continue;
            }
            return Err(RuleError::Empty { file: name.to_owned(), rule: written.id.clone() });
        };
        check(&pattern).map_err(broken)?;
        let own = written.allowlist.iter().chain(&written.allowlists);
        let allowed = own.chain(everywhere.iter().copied()).map(allowed).collect::<Result<_, _>>();
        rules.push(Rule {
            name: written.id.clone(),
            keywords: written.keywords.iter().map(|word| word.to_ascii_lowercase()).collect(),
            pattern,
            group: written.group.filter(|group| *group > 0),
            entropy: written.entropy,
            allowed: allowed.map_err(broken)?,
        });
    }
    Ok(rules)
}

fn expression(written: &Written) -> Option<Pattern> {
    let token = written.token.as_ref().map(|token| format!("(?:^|[^A-Za-z0-9_])({token})"));
    token.or_else(|| written.regex.clone()).map(Pattern::new)
}

fn allowed(written: &Allowance) -> Result<Allowed, String> {
    let patterns = written.regexes.iter().map(|text| rule::compile(text));
    Ok(Allowed {
        target: match written.target.as_str() {
            "match" => Target::Match,
            "line" => Target::Line,
            _ => Target::Secret,
        },
        patterns: patterns.collect::<Result<_, _>>()?,
        words: written.stopwords.iter().map(|word| word.to_ascii_lowercase()).collect(),
        all: written.condition.eq_ignore_ascii_case("and"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Told {
        rules: Vec<Source>,
    }

    #[derive(Deserialize)]
    struct Source {
        id: String,
        vendor: String,
        source: String,
    }

    #[test]
    fn every_built_in_rule_compiles_and_says_whose_it_is() {
        let rules = given("the pack", BUILT_IN).unwrap();
        assert!(rules.len() >= 40, "{}", rules.len());
        assert!(rules.iter().all(|rule| !rule.keywords.is_empty()));
        let told: Told = toml::from_str(BUILT_IN).unwrap();
        for rule in &told.rules {
            assert!(!rule.vendor.is_empty() && rule.source.contains("://"), "{}", rule.id);
        }
        let mut names: Vec<&str> = told.rules.iter().map(|rule| rule.id.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rules.len(), "a name twice");
    }

    #[test]
    fn a_file_that_is_wrong_is_refused_whole() {
        let check = |text: &str, expect: &str| {
            let error = given("mine.toml", text).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{error}");
        };
        check("rules = 3", "`mine.toml` is not a file of rules");
        check("[[rules]]\nregex = 'x'", "`mine.toml` is not a file of rules");
        check("[[rules]]\nid = 'a'\nregex = '('", "`mine.toml`: rule `a`: regex parse error");
        check("[[rules]]\nid = 'a'", "`mine.toml`: rule `a` has no `regex`");
        check("[[rules]]\nid = 'a'\nregex = '(?:a{1000}){1000}'", "`mine.toml`: rule `a`");
        check(&" ".repeat(FILE_BYTES + 1), "`mine.toml` is larger");
        let path_only = "[[rules]]\nid = 'a'\npath = 'x'";
        assert_eq!(given("mine.toml", path_only).unwrap().len(), 0);
    }
}
