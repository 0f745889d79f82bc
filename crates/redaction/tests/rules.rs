//! The rules: what each is for is found, what only looks like it is not, and files of the usual form are read.
//! No token stands here as it is: each is drawn from its own form, or put together.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use redaction::{Known, Patterns, Redactor, Tagger};

const PACK: &str = include_str!("../rules/palisade.toml");

fn with(files: &[(&str, &str)]) -> Redactor {
    let tagger = Tagger::new([5; 32]);
    let known = Known::new([], &tagger).unwrap();
    let patterns = Patterns::new(files.iter().copied()).unwrap();
    Redactor::new(Arc::new(known), Some(Arc::new(patterns)), tagger)
}

#[derive(serde::Deserialize)]
struct Pack {
    rules: Vec<Rule>,
}

#[derive(serde::Deserialize)]
struct Rule {
    id: String,
    token: Option<String>,
    #[serde(default)]
    entropy: f64,
}

/// Tokens are drawn from their own form, so no token stands in the source.
#[test]
fn every_token_of_every_vendor_is_found_in_text_and_json() {
    let redactor = with(&[]);
    let pack: Pack = toml::from_str(PACK).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut tried = 0;
    for rule in pack.rules {
        let Some(token) = rule.token else { continue };
        let form = string_regex(&token).unwrap();
        for _ in 0..20 {
            let token = form.new_tree(&mut runner).unwrap().current();
            for text in [token.clone(), format!("a {token} b\n"), format!("{{\"k\":\"{token}\"}}")]
            {
                let redacted = redactor.text(&text);
                // What is drawn may by chance be too even for a rule with an entropy gate.
                assert!(!redacted.contains(&token) || rule.entropy > 0.0, "{}: {text}", rule.id);
            }
            tried += 1;
        }
    }
    assert!(tried >= 40 * 20, "{tried}");
}

#[track_caller]
fn check(text: &str, rule: Option<&str>, left: &str) {
    let redacted = with(&[]).text(text);
    match rule {
        Some(rule) => assert!(redacted.contains(&format!("‹redacted:{rule}:")), "{redacted}"),
        None => assert_eq!(redacted, text),
    }
    assert!(redacted.contains(left), "{redacted}");
}

#[test]
fn the_value_goes_and_what_is_around_it_stays() {
    check("password=hunter22!", Some("password-assignment"), "password=‹");
    check("{\"password\": \"hunter22!\"}", Some("password-assignment"), "{\"password\": \"‹");
    check("api_key: 8sKd93jfKs02LmQp77", Some("secret-assignment"), "api_key: ‹");
    check("postgres://app:s3cr3tpw@db/x", Some("url-password"), "postgres://app:‹");
    check("Authorization: Bearer abcDEF123456.ghiJKL", Some("authorization-header"), "Bearer ‹");
    let jwt = format!(
        "{}.{}.{}",
        "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "c2lnbmF0dXJlMTIz"
    );
    check(&format!("jwt {jwt}"), Some("jwt"), "jwt ‹");
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\nAAAA\n-----END OPENSSH PRIVATE KEY-----";
    check(&format!("a\n{key}\nb\n"), Some("private-key"), "a\n‹");
    check("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nnever ends", Some("private-key"), "‹");
    check(&format!("id {}{}", "AKIA", "Q3EGWKFOXT5ZV7YN"), Some("aws-access-key-id"), "id ‹");
}

#[test]
fn what_only_looks_like_one_stays() {
    check("task-aaaaaaaaaaaaaaaaaaaaaaaa", None, "");
    check("sk-aaaaaaaaaaaaaaaaaaaaaaaa", None, "");
    check("password: required", None, "");
    check("the token is in the vault", None, "");
    check("AKIA and nothing after", None, "");
    check("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n", None, "");
    check("https://example.org/a:b@c", None, "");
    check("commit 8f3c2b1a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a", None, "");
}

/// What people and programs write about passwords and tokens, and names that only stand where a value could.
#[test]
fn ordinary_output_survives() {
    for text in [
        "HOME=/home/me\nPWD=/home/me/project\nOLDPWD=/tmp/tmp.Xy12AbCd\nSHLVL=1\n",
        "pwd: /home/me/project",
        "OLD_PWD=/home/me/project",
        "pwd = os.getcwd()",
        "password: incorrect",
        "Password: incorrect.",
        "sudo: password: required",
        "passwd: /etc/passwd",
        "password: /run/secrets/db-password",
        "let passwd = read_file(x)",
        "password = getpass.getpass(\"Password: \")",
        "password := base64.b64decode(text)",
        "self.password = password",
        "password: process.env.DB_PASSWORD",
        "password=$DB_PASSWORD",
        "password: string",
        "  password: Option<String>,",
        "token: ubuntu-latest-x86_64-runner",
        "token: ubuntu-latest-x86_64-runner.",
        "secret: projects/foo/secrets/bar/versions/1",
        "secret: projects/123456789012/secrets/bar",
        "secret: kv/data/my-app/config",
        "secret: /run/secrets/kubernetes.io/serviceaccount/token-x7k2p",
        "api_key: process.env.GITHUB_API_KEY",
        "token: CancellationToken",
        "const token = generateRandomToken(32);",
        "let token = request.headers.get(name)",
        "credentials: application-default-credentials.json",
    ] {
        check(text, None, "");
    }
}

/// The controls: what stands beside them, and is a secret, goes.
#[test]
fn a_password_or_token_among_ordinary_output_goes() {
    let password = |text: &str, left: &str| check(text, Some("password-assignment"), left);
    password("PGPASSWORD=hunter22", "PGPASSWORD=‹");
    password("MYSQL_PWD=hunter22", "MYSQL_PWD=‹");
    password("Server=db;Uid=app;Pwd=hunter22;", "Pwd=‹");
    password("dbPwd: hunter22", "dbPwd: ‹");
    password("password: /xK3d9fQ/aa", "password: ‹");
    password("password: incorrect7", "password: ‹");
    password("password = \"read_file(x)\"", "password = \"‹");
    password("password=$ecret-Word", "password=‹");
    password("password: my.config.pass", "password: ‹");
    let secret = |text: &str, left: &str| check(text, Some("secret-assignment"), left);
    secret("secret: 9/xKqTr0pLmZ/77dQwEr+tYuIoPaSdFg", "secret: ‹");
    secret("secret: qzxbtrmwpkdlvnsghcfj", "secret: ‹");
    secret("token: 8f14e45f-ceea-467f-a9c7-0a1b2c3d4e5f", "token: ‹");
    secret("token: ab12-cd34-ef56-gh78-jk90", "token: ‹");
    secret("token: projects/8f14e45fceea467fa9c7", "token: ‹");
    secret("api_key: \"k9XwQ2mTz7LpR4vB\"", "api_key: \"‹");
}

#[test]
fn the_same_secret_has_the_same_tag() {
    let redacted =
        with(&[]).text("password=hunter22!\nother password=hunter22!\npassword=hunter23!\n");
    let tags: Vec<&str> = redacted.lines().map(|line| &line[line.find('‹').unwrap()..]).collect();
    assert_eq!(tags[0], tags[1]);
    assert_ne!(tags[0], tags[2]);
}

#[test]
fn files_of_the_usual_form_are_read() {
    let file = r#"
        title = "ours"
        [allowlist]
        description = "not these"
        stopwords = ["sample"]
        [[rules]]
        id = "staff-badge"
        description = "badges"
        regex = '''badge-([0-9a-z]{6})-x'''
        secretGroup = 1
        keywords = ["BADGE"]
        [[rules.allowlists]]
        regexTarget = "match"
        regexes = ['''badge-0{6}''']
        [[rules]]
        id = "anything"
        regex = '''zz[0-9]{4}'''
        entropy = 1.0
    "#;
    let redactor = with(&[("ours.toml", file)]);
    let check = |text: &str, hidden: bool| {
        let redacted = redactor.text(text);
        assert_eq!(redacted != text, hidden, "{redacted}");
    };
    check("badge-12ab34-x", true);
    assert!(redactor.text("badge-12ab34-x").starts_with("badge-‹redacted:staff-badge:"));
    check("badge-000000-x", false);
    check("badge-sample-x", false);
    check("no keyword needed: zz1234", true);
    check("zz1111 is too even", false);
    check("zzzz", false);
}

/// A find at the end of what is first looked at goes on to its own end.
#[test]
fn a_long_secret_goes_whole() {
    let secret = format!("sl.{}", "aB3".repeat(490));
    let file = "[[rules]]\nid = 'long'\nregex = 'long:([a-z0-9]+)'\nkeywords = ['long:']\n";
    let redactor = with(&[("mine", file)]);
    assert!(!redactor.text(&secret).contains("aB3aB3"));
    let redacted = redactor.text(&format!("long:{} after", "a1".repeat(9000)));
    assert!(redacted.ends_with("› after") && redacted.len() < 60, "{redacted:.200}");
}

#[path = "../../../fuzz/checks/rules.rs"]
mod fuzzed;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn the_seeds_of_the_fuzz_target_and_what_is_near_them_hold() {
    let read = |text: &str| {
        let read = Patterns::new([("rules.toml", text)]);
        read.map(drop).map_err(|error| error.to_string())
    };
    assert!(seeds::replay("rules", &|data| fuzzed::check(data, &read)) > 1_000);
}
