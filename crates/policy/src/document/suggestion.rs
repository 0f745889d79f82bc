//! "Did you mean": the known name nearest to a mistyped one.
//!
//! Pure edit distance over short names. It makes no judgement on whether the name was wrong.

/// Longest input compared, in bytes; edit distance is quadratic, and nobody mistypes a page.
const INPUT_BYTES_MAX: usize = 128;

/// The candidate nearest to `input`, when it is near enough to be what was meant.
///
/// Near enough is one edit (transpositions count as one) for every three characters, at least
/// one. The first of equally near candidates wins, so the answer does not depend on chance.
#[must_use]
pub fn suggest(input: &str, candidates: &[&str]) -> Option<String> {
    if input.is_empty() || input.len() > INPUT_BYTES_MAX {
        return None;
    }
    let typed = input.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.iter().filter(|name| name.len() <= INPUT_BYTES_MAX) {
        let distance = strsim::osa_distance(&typed, &candidate.to_lowercase());
        let allowed = (candidate.chars().count().min(typed.chars().count()) / 3).max(1);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn nearest_name_or_none() {
        let names = ["name", "match", "action", "except", "reason"];
        for (input, expected) in [
            ("nmae", Some("name")),
            ("Name", Some("name")),
            ("acton", Some("action")),
            ("exept", Some("except")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(suggest(input, &names).as_deref(), expected, "{input}");
        }
        assert_eq!(suggest(&"x".repeat(200), &names), None);
    }
}
