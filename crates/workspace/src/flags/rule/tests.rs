//! Each kind of file is known by its names, and honest work is not flagged.
//! Patterns are tried through the table, as they are used.

use super::{RULES, of};
use crate::path::fold;

fn check(path: &str, expect: &str) {
    assert_eq!(of(path).map_or("", |rule| rule.name), expect, "{path}");
}

#[test]
fn what_runs_later_is_known_by_name() {
    check(".git/hooks/pre-commit", "git-hooks");
    check("sub/.git/modules/x/y/hooks/post-checkout", "git-hooks");
    check(".git/hooks", "git-hooks");
    check(".git/config", "git-config");
    check(".git/modules/deep/er/config", "git-config");
    check(".git", "git-pointer");
    check("vendor/lib/.git", "git-pointer");
    check(".gitmodules", "git-submodules");
    check(".git/refs/heads/main", "git-record");
    check(".envrc", "direnv");
    check("env/pyvenv.cfg", "venv");
    check("env/bin/activate.fish", "venv");
    check("lib/python3/site-packages/evil.pth", "venv");
    check(".github/workflows/ci.yml", "ci");
    check(".gitlab-ci.yaml", "ci");
    check("CLAUDE.md", "agent");
    check("AGENTS.override.md", "agent");
    check(".claude/settings.json", "agent");
    check(".codex/config.toml", "agent");
    check(".cursor/rules/x.mdc", "agent");
    check(".vscode/tasks.json", "editor");
    check(".cargo/config.toml", "installer");
    check("node_modules/x/index.js", "node-modules");
}

#[test]
fn what_is_sensitive_is_known_by_name() {
    check("package.json", "package-scripts");
    check("sub/Makefile", "build");
    check("build.rs", "build");
    check("Dockerfile.prod", "image");
    check(".env.local", "secret");
    check("certs/server.KEY", "secret");
    check("CODEOWNERS", "trust");
    check("Cargo.lock", "lockfile");
}

#[test]
fn spelling_does_not_hide_a_name() {
    check(".GIT/Hooks/pre-commit", "git-hooks");
    check("GIT~1/config", "git-config");
    check(".g\u{131}t/config", "git-config");
    check(".CLAUDE/settings.json", "agent");
    check(".en\u{1e7f}rc", "");
}

#[test]
fn honest_work_is_not_flagged() {
    for path in [
        "src/main.rs",
        "README.md",
        "docs/ci/notes.md",
        "git/hooks.md",
        "a/config",
        "keys/readme.txt",
        "lib/environment.py",
        "hooks/useState.ts",
        "digits.txt",
    ] {
        check(path, "");
    }
}

#[test]
fn patterns_are_written_as_names_are_compared() {
    for rule in RULES {
        for pattern in rule.patterns {
            assert_eq!(&fold(pattern), pattern, "{}", rule.name);
        }
    }
}
