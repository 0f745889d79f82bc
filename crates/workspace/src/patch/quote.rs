//! File names in a patch, so that none can be read as anything but one name.
//!
//! Names of letters, digits and harmless signs stand as they are; every other one is quoted the
//! way git quotes. Control characters cannot occur in a path of a changeset.

use crate::path::RelPath;

/// The name after `prefix`, quoted where it holds anything a header could be confused by.
pub(super) fn quoted(prefix: &str, path: &RelPath) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%=,~#^:".contains(c);
    let text = path.as_str();
    if text.chars().all(plain) {
        return format!("{prefix}{text}");
    }
    let mut quoted = format!("\"{prefix}");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use crate::path::RelPath;

    #[test]
    fn a_name_is_one_name() {
        let check = |path: &str, expect: &str| {
            assert_eq!(quoted("a/", &RelPath::new(path).unwrap()), expect);
        };
        check("src/main.rs", "a/src/main.rs");
        check("ä/é.txt", "a/ä/é.txt");
        check("x b/y", "\"a/x b/y\"");
        check("say \"hi\"\\", "\"a/say \\\"hi\\\"\\\\\"");
    }
}
