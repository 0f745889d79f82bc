//! Plain scalars to values, by the core schema of YAML 1.2.2 (section 10.3.2).
//!
//! Quoted and block scalars never come here: they are texts. Nothing of YAML 1.1 is read, so `yes`,
//! `0777` as octal or `1_000` do not exist.

use super::node::Yaml;

/// Why a plain scalar that looks like a number is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScalarError {
    /// A silent change to another number, or to a text, would be worse than an error.
    #[error("the whole number is outside the range of 64 bits")]
    IntegerRange,
    /// JSON has no such numbers, so they could not leave the document.
    #[error("infinite and undefined numbers have no place in a document")]
    NotFinite,
}

/// Reads a plain scalar.
pub(super) fn resolve(text: &str) -> Result<Yaml, ScalarError> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Yaml::Null),
        "true" | "True" | "TRUE" => return Ok(Yaml::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Yaml::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err(ScalarError::NotFinite),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Err(ScalarError::NotFinite);
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Ok(Yaml::Text(text.to_owned()));
    }
    if let Some(number) = integer(text, unsigned) {
        return number.map(Yaml::Int);
    }
    if is_float(unsigned) {
        let value = text.parse::<f64>().unwrap_or(f64::INFINITY);
        return if value.is_finite() {
            Ok(Yaml::Float(value))
        } else {
            Err(ScalarError::NotFinite)
        };
    }
    Ok(Yaml::Text(text.to_owned()))
}

fn integer(text: &str, unsigned: &str) -> Option<Result<i64, ScalarError>> {
    let (digits, radix) = if let Some(octal) = text.strip_prefix("0o") {
        (octal, 8)
    } else if let Some(hex) = text.strip_prefix("0x") {
        (hex, 16)
    } else {
        let decimal = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
        return decimal.then(|| text.parse().map_err(|_| ScalarError::IntegerRange));
    };
    let valid = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    valid.then(|| i64::from_str_radix(digits, radix).map_err(|_| ScalarError::IntegerRange))
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !power.is_empty() && digits(power)
    });
    exponent_fits && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::node::Yaml;
    use super::{ScalarError, resolve};

    #[test]
    fn core_schema() {
        let text = |text: &str| Ok(Yaml::Text(text.to_owned()));
        for (input, expected) in [
            ("", Ok(Yaml::Null)),
            ("~", Ok(Yaml::Null)),
            ("nuLL", text("nuLL")),
            ("true", Ok(Yaml::Bool(true))),
            ("False", Ok(Yaml::Bool(false))),
            ("yes", text("yes")),
            ("no", text("no")),
            ("on", text("on")),
            ("off", text("off")),
            ("0", Ok(Yaml::Int(0))),
            ("007", Ok(Yaml::Int(7))),
            ("-12", Ok(Yaml::Int(-12))),
            ("+12", Ok(Yaml::Int(12))),
            ("0o17", Ok(Yaml::Int(15))),
            ("0xff", Ok(Yaml::Int(255))),
            ("0xfg", text("0xfg")),
            ("1_000", text("1_000")),
            ("9223372036854775807", Ok(Yaml::Int(i64::MAX))),
            ("9223372036854775808", Err(ScalarError::IntegerRange)),
            ("-9223372036854775808", Ok(Yaml::Int(i64::MIN))),
            ("0xffffffffffffffff", Err(ScalarError::IntegerRange)),
            ("1.5", Ok(Yaml::Float(1.5))),
            (".5", Ok(Yaml::Float(0.5))),
            ("5.", Ok(Yaml::Float(5.0))),
            ("1e3", Ok(Yaml::Float(1000.0))),
            ("1e", text("1e")),
            ("1.2.3", text("1.2.3")),
            (".", text(".")),
            ("..", text("..")),
            ("-", text("-")),
            ("10MiB", text("10MiB")),
            ("30s", text("30s")),
            ("1e999", Err(ScalarError::NotFinite)),
            (".inf", Err(ScalarError::NotFinite)),
            ("-.INF", Err(ScalarError::NotFinite)),
            (".nan", Err(ScalarError::NotFinite)),
            ("infinity", text("infinity")),
            ("nan", text("nan")),
        ] {
            assert_eq!(resolve(input), expected, "{input}");
        }
    }
}
