//! The table of names: what runs later, and what is sensitive, each with its reason.
//!
//! First match wins, so the graver rules come first. What a pattern means is in `pattern`.

use super::FlagKind;
use super::FlagKind::{ExecutesLater, Sensitive};
use super::pattern::matches;
use crate::path::fold;

/// A kind of file by name.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) kind: FlagKind,
    pub(super) patterns: &'static [&'static str],
    pub(super) why: &'static str,
}

const fn rule(
    name: &'static str,
    kind: FlagKind,
    patterns: &'static [&'static str],
    why: &'static str,
) -> Rule {
    Rule { name, kind, patterns, why }
}

/// The first rule a path falls under.
pub(super) fn of(path: &str) -> Option<&'static Rule> {
    let folded = fold(path);
    let names: Vec<&str> = folded.split('/').map(plain).collect();
    RULES.iter().find(|rule| rule.patterns.iter().any(|pattern| matches(pattern, &names)))
}

/// The short name by which Windows file systems also know `.git`.
fn plain(name: &str) -> &str {
    if name == "git~1" { ".git" } else { name }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "git-hooks",
        ExecutesLater,
        &[
            ".git/hooks/**",
            ".git/modules/**/hooks/**",
            ".husky/**",
            ".githooks/**",
            "lefthook.y*ml",
        ],
        "git runs it at the next commit, merge, checkout or push",
    ),
    rule(
        "git-config",
        ExecutesLater,
        &[
            ".git/config",
            ".git/config.worktree",
            ".git/modules/**/config",
            ".git/info/attributes",
            ".git/objects/info/alternates",
            ".git/commondir",
            ".git/worktrees/**",
        ],
        "git's own settings name programs that git runs, and other places it trusts",
    ),
    rule(
        "git-pointer",
        ExecutesLater,
        &[".git"],
        "a file, link or folder that makes git use a repository, settings and hooks from there",
    ),
    rule("git-submodules", ExecutesLater, &[".gitmodules"], "git fetches and trusts what it names"),
    rule(
        "git-attributes",
        ExecutesLater,
        &[".gitattributes", ".gitconfig", ".lfsconfig"],
        "it chooses filters, drivers and settings that git runs or obeys",
    ),
    rule("git-record", Sensitive, &[".git/**"], "git's own record of history, index and branches"),
    rule(
        "direnv",
        ExecutesLater,
        &[".envrc", ".direnv/**", ".mise.toml", "mise.toml", ".tool-versions"],
        "a shell evaluates it when somebody enters the folder",
    ),
    rule(
        "venv",
        ExecutesLater,
        &[
            "pyvenv.cfg",
            "bin/activate*",
            "scripts/activate*",
            ".venv/**",
            "venv/**",
            "site-packages/*.pth",
            "sitecustomize.py",
            "usercustomize.py",
        ],
        "the next Python or shell that uses this environment runs it",
    ),
    rule(
        "ci",
        ExecutesLater,
        &[
            ".github/workflows/**",
            ".github/actions/**",
            ".gitlab-ci.y*ml",
            ".gitlab/ci/**",
            ".circleci/**",
            ".travis.yml",
            ".drone.yml",
            ".woodpecker/**",
            ".woodpecker.y*ml",
            ".buildkite/**",
            ".forgejo/workflows/**",
            ".gitea/workflows/**",
            ".ci/**",
            "^ci/**",
            "jenkinsfile*",
            "azure-pipelines*.y*ml",
            "bitbucket-pipelines.yml",
            "appveyor.yml",
            ".appveyor.yml",
            "cloudbuild.y*ml",
            "buildspec.y*ml",
            ".pre-commit-config.y*ml",
            "action.y*ml",
        ],
        "a build server or commit hook runs it, often with secrets at hand",
    ),
    rule(
        "agent",
        ExecutesLater,
        &[
            ".claude/**",
            ".claude.json",
            "claude*.md",
            ".codex/**",
            ".cursor/**",
            ".cursorrules",
            ".cursorignore",
            ".agents/**",
            "agents*.md",
            "gemini*.md",
            ".gemini/**",
            ".aider*",
            ".windsurf/**",
            ".windsurfrules",
            ".clinerules",
            ".clinerules/**",
            ".roo/**",
            ".roorules*",
            ".continue/**",
            ".amazonq/**",
            ".kiro/**",
            ".goosehints",
            ".opencode/**",
            "opencode.json*",
            ".mcp.json",
            "mcp.json",
            ".github/copilot-instructions.md",
            ".github/instructions/**",
            ".github/prompts/**",
            ".github/chatmodes/**",
            ".github/agents/**",
            "skill.md",
            "palisade.y*ml",
        ],
        "an agent reads it as instructions or starts what it names",
    ),
    rule(
        "editor",
        ExecutesLater,
        &[
            ".vscode/**",
            "*.code-workspace",
            ".idea/**",
            ".fleet/**",
            ".zed/**",
            ".devcontainer/**",
            ".devcontainer.json",
            ".gitpod.yml",
            ".exrc",
            ".vimrc",
            ".nvimrc",
            ".nvim.lua",
            ".lvimrc",
            ".dir-locals.el",
            ".emacs",
            ".sublime-project",
        ],
        "an editor reads it when the project is opened, and runs tasks it names",
    ),
    rule(
        "shell",
        ExecutesLater,
        &[
            ".bashrc",
            ".bash_profile",
            ".bash_login",
            ".bash_logout",
            ".profile",
            ".zshrc",
            ".zshenv",
            ".zprofile",
            ".zlogin",
            ".kshrc",
            ".cshrc",
            ".tcshrc",
            ".inputrc",
            "config.fish",
            ".gdbinit",
            ".lldbinit",
            ".pythonrc*",
            ".irbrc",
            ".pryrc",
            ".perldb",
            ".psqlrc",
            ".sqliterc",
        ],
        "a shell or debugger runs it when it starts here",
    ),
    rule(
        "installer",
        ExecutesLater,
        &[
            ".npmrc",
            ".yarnrc*",
            ".yarn/**",
            ".pnpmfile.*",
            ".pnp.*",
            "pip.conf",
            ".pypirc",
            "bunfig.toml",
            ".bunfig.toml",
            ".cargo/config",
            ".cargo/config.toml",
            ".gemrc",
            ".bundle/config",
            ".mvn/**",
            "nuget.config",
            ".condarc",
            "rust-toolchain",
            "rust-toolchain.toml",
        ],
        "a package manager or toolchain obeys it: where from, with which programs, which hooks",
    ),
    rule(
        "node-modules",
        ExecutesLater,
        &["node_modules/**"],
        "installed code that the next start of the project runs",
    ),
    rule(
        "package-scripts",
        Sensitive,
        &["package.json", "composer.json", "deno.json*"],
        "it names scripts that run at install, build and test",
    ),
    rule(
        "lockfile",
        Sensitive,
        &[
            "package-lock.json",
            "npm-shrinkwrap.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "bun.lock*",
            "cargo.lock",
            "poetry.lock",
            "uv.lock",
            "pipfile.lock",
            "gemfile.lock",
            "go.sum",
            "composer.lock",
            "flake.lock",
        ],
        "it decides which foreign code is fetched and trusted",
    ),
    rule(
        "build",
        Sensitive,
        &[
            "makefile",
            "makefile.*",
            "gnumakefile",
            "*.mk",
            "build.rs",
            "cmakelists.txt",
            "*.cmake",
            "setup.py",
            "setup.cfg",
            "pyproject.toml",
            "conftest.py",
            "noxfile.py",
            "tox.ini",
            "tasks.py",
            "justfile",
            ".justfile",
            "taskfile.y*ml",
            "rakefile",
            "gemfile",
            "*.gemspec",
            "build.gradle*",
            "settings.gradle*",
            "gradlew*",
            "gradle/wrapper/**",
            "pom.xml",
            "mvnw*",
            "build.xml",
            "configure",
            "configure.ac",
            "meson.build",
            "sconstruct",
            "build.bazel",
            "workspace.bazel",
            "module.bazel",
            ".bazelrc",
            "build.zig",
            "magefile.go",
            "gulpfile.*",
            "gruntfile.*",
            "webpack.config.*",
            "vite.config.*",
            "rollup.config.*",
            "jest.config.*",
            "vitest.config.*",
            "babel.config.*",
            ".babelrc*",
            ".eslintrc*",
            "eslint.config.*",
            ".prettierrc*",
            "next.config.*",
            "cargo.toml",
            "flake.nix",
            "default.nix",
            "shell.nix",
            "vagrantfile",
            "procfile",
            "tiltfile",
            "earthfile",
        ],
        "it runs, or names what runs, when somebody builds or tests",
    ),
    rule(
        "image",
        Sensitive,
        &[
            "dockerfile*",
            "*.dockerfile",
            "containerfile*",
            "docker-compose*.y*ml",
            "compose*.y*ml",
            ".dockerignore",
        ],
        "it decides what an image holds and how containers are started",
    ),
    rule(
        "secret",
        Sensitive,
        &[
            ".env",
            ".env.*",
            "*.env",
            "*.pem",
            "*.key",
            "*.p12",
            "*.pfx",
            "*.jks",
            "*.keystore",
            "*.kdbx",
            "*.ppk",
            "id_rsa*",
            "id_dsa*",
            "id_ecdsa*",
            "id_ed25519*",
            "authorized_keys",
            "known_hosts",
            ".ssh/**",
            ".gnupg/**",
            ".aws/**",
            ".azure/**",
            ".gcloud/**",
            ".kube/**",
            ".docker/config.json",
            ".netrc",
            "_netrc",
            ".git-credentials",
            ".htpasswd",
            ".pgpass",
            ".my.cnf",
            "credentials",
            "credentials.*",
            "secrets",
            "secrets.*",
            "secret.*",
            "*.tfstate",
            "*.tfvars",
            "service-account*.json",
            ".vault-token",
            ".vault*pass*",
            ".dockercfg",
            ".dockerconfigjson",
            "kubeconfig",
        ],
        "a name that keys, tokens or passwords have",
    ),
    rule(
        "trust",
        Sensitive,
        &[
            "codeowners",
            ".github/dependabot.y*ml",
            "renovate.json*",
            ".renovaterc*",
            ".gitignore",
            ".git-blame-ignore-revs",
            ".mailmap",
            "security.md",
            "*.rego",
            "*.sudoers",
            "crontab",
            "*.service",
            "*.timer",
            "*.desktop",
        ],
        "it decides who or what is trusted, shown or started",
    ),
];

#[cfg(test)]
mod tests {
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
}
