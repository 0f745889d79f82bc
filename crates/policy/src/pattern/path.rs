//! `path_glob` patterns, and the form of a path that they are held against.
//!
//! A pattern covers the whole path relative to the root, byte by byte: `*` stays within a segment and
//! matches dot files, `**` spans zero or more segments, a pattern without a slash floats, a leading
//! slash anchors. The root itself is `.`; only `.`, `**` and `/**` match it.
//! Nothing here touches a file system: links and `..` are the caller's to resolve.

use std::borrow::Cow;

use globset::Glob;

use super::glob::{check, path_glob};
use super::{PatternError, TEXT_BYTES_MAX};

/// A compiled `path_glob` entry.
#[derive(Debug, Clone)]
pub(crate) struct PathPattern {
    /// As written.
    pub(crate) text: String,
    /// For every path but the root.
    pub(crate) glob: Glob,
    /// Whether it matches the root.
    pub(crate) root: bool,
}

impl PathPattern {
    /// Reads one entry.
    pub(crate) fn parse(text: &str) -> Result<PathPattern, PatternError> {
        check(text)?;
        let anchored = text.strip_prefix('/').unwrap_or(text);
        let root = matches!(anchored, "." | "**");
        let never = anchored.split('/').any(|part| matches!(part, "" | "." | ".."));
        if never && !root {
            return Err(PatternError::NeverMatches(text.to_owned()));
        }
        let floats = !text.contains('/') && text != "**";
        let pattern = if floats { Cow::Owned(format!("**/{text}")) } else { anchored.into() };
        Ok(PathPattern { text: text.to_owned(), glob: path_glob(text, &pattern)?, root })
    }
}

/// A path argument in the one form that is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathValue<'a> {
    /// Beneath the root, without `.`, doubled or trailing slashes.
    Inside(Cow<'a, str>),
    /// The root.
    Root,
    /// Absolute: outside the root.
    Outside(Cow<'a, str>),
    /// Not resolved, too long, or not a path at all.
    Unknown,
}

/// Brings a path argument into its form.
///
/// A path with `..` has not been resolved: with a link in it, it could lead anywhere, so it is never
/// matched as written.
pub(crate) fn path_value(text: &str) -> PathValue<'_> {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains('\0') {
        return PathValue::Unknown;
    }
    let inner = text.strip_prefix('/').unwrap_or(text);
    let (mut clean, mut resolved) = (true, true);
    // A slash is one byte wherever it stands, and bytes are split faster than characters.
    for part in inner.as_bytes().split(|byte| *byte == b'/') {
        clean &= !matches!(part, b"" | b".");
        resolved &= part != b"..";
    }
    if !resolved {
        return PathValue::Unknown;
    }
    let path = if clean {
        Cow::Borrowed(inner)
    } else {
        let parts: Vec<&str> = inner.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        Cow::Owned(parts.join("/"))
    };
    if inner.len() != text.len() {
        PathValue::Outside(path)
    } else if path.is_empty() {
        PathValue::Root
    } else {
        PathValue::Inside(path)
    }
}

#[cfg(test)]
mod tests {
    use super::{PathPattern, PathValue, path_value};
    use globset::GlobSet;

    fn matches(pattern: &str, path: &str) -> bool {
        let pattern = PathPattern::parse(pattern).unwrap();
        let set = GlobSet::new([&pattern.glob]).unwrap();
        match path_value(path) {
            PathValue::Inside(path) => set.is_match(path.as_ref()),
            PathValue::Root => pattern.root,
            PathValue::Outside(_) | PathValue::Unknown => panic!("{path}"),
        }
    }

    /// The table of the rule language; each row is one sentence of it.
    #[test]
    fn patterns_and_paths() {
        for (pattern, yes, no) in [
            ("docs/**", &["docs/a", "docs/a/b", "docs/.x"][..], &["docs", "a/docs/b", "."][..]),
            ("docs/*", &["docs/a", "docs/.env"], &["docs", "docs/a/b"]),
            ("**", &["a", "a/b", ".env", "."], &[]),
            ("/**", &["a", "a/b", "."], &[]),
            (".", &["."], &["a", "a/b"]),
            ("*", &["a", "a/b", ".env"], &["."]),
            ("/*", &["a", ".env"], &["a/b", "."]),
            ("*.md", &["a.md", "x/y/a.md", ".md"], &["a.mdx", "a.MD", "a.md/b"]),
            (".env", &[".env", "a/.env", "./a/.env"], &["a.env", ".env/x"]),
            ("/.env", &[".env"], &["a/.env"]),
            ("a/b", &["a/b", "./a//b/"], &["x/a/b", "a/b/c"]),
            ("/a/b", &["a/b"], &["x/a/b"]),
            ("**/x", &["x", "a/x", "a/b/x"], &["ax", "x/a"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/bx", "x/a/b"]),
            ("a**b", &["ab", "axyb", "d/axb"], &["a/b"]),
            ("d/a?c", &["d/abc"], &["d/a/c", "d/ac", "d/a\u{e9}c"]),
            ("d/a??c", &["d/a\u{e9}c"], &[]),
            ("[ab].c", &["a.c", "x/b.c"], &["c.c"]),
            ("d/x[!a]y", &["d/xby"], &["d/xay", "d/x/y"]),
            ("d/x[!a-]y", &["d/xby"], &["d/xay", "d/x-y", "d/x/y"]),
            ("d/x[!-a]y", &["d/xby"], &["d/xay", "d/x-y", "d/x/y"]),
            ("d/[^/]x", &["d/ax"], &["d//x"]),
            ("{a,b/c}", &["a", "b/c"], &["x/a", "c"]),
            ("d/{a,b}/*", &["d/a/x", "d/b/x"], &["d/c/x"]),
            ("docs/a,b*.md", &["docs/a,b.md", "docs/a,bc.md"], &["docs/a", "b.md", "docs/b.md"]),
            ("d/*.{md,rs}", &["d/a.md", "d/a.rs"], &["d/a.mdx", "d/x/a.md"]),
            ("d/*.\\md", &["d/a.md"], &["d/a.m", "d/a.d"]),
            ("d/*.c++", &["d/a.c++"], &["d/a.c"]),
            ("\\*", &["*"], &["a"]),
            ("d/\\[x]", &["d/[x]"], &["d/x"]),
            ("Docs/*", &["Docs/a"], &["docs/a"]),
            ("caf\u{e9}", &["caf\u{e9}"], &["cafe\u{301}"]),
        ] {
            for path in yes {
                assert!(matches(pattern, path), "{pattern} must match {path}");
            }
            for path in no {
                assert!(!matches(pattern, path), "{pattern} must not match {path}");
            }
        }
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        for pattern in [
            "", "!a", "docs/", "/", "//a", "a//b", "./a", "a/./b", "../a", "a/..", "[a", "{a",
            "[]a]", "[+-0]", "[a/b]", "[\u{e9}]", "[!-a-]", "a\\",
        ] {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn paths_have_one_form() {
        let inside = |path: &'static str| PathValue::Inside(path.into());
        let outside = |path: &'static str| PathValue::Outside(path.into());
        for (text, expected) in [
            ("a/b", inside("a/b")),
            ("./a//b/", inside("a/b")),
            ("a/./b", inside("a/b")),
            (".", PathValue::Root),
            ("./", PathValue::Root),
            ("...", inside("...")),
            ("..a/b..", inside("..a/b..")),
            ("a\\b", inside("a\\b")),
            ("/a/b", outside("a/b")),
            ("/", outside("")),
            ("//a", outside("a")),
            ("..", PathValue::Unknown),
            ("../a", PathValue::Unknown),
            ("a/../b", PathValue::Unknown),
            ("a/..", PathValue::Unknown),
            ("/a/../b", PathValue::Unknown),
            ("", PathValue::Unknown),
            ("a\0b", PathValue::Unknown),
        ] {
            assert_eq!(path_value(text), expected, "{text}");
        }
        assert_eq!(path_value(&"a".repeat(4097)), PathValue::Unknown);
        assert_eq!(path_value(&"a".repeat(4096)), PathValue::Inside("a".repeat(4096).into()));
    }
}
