//! JSON (RFC 8259) as far as disclosures need it: objects, arrays and texts; other values are passed over.
//! Written for this program alone. What has two readings is refused: a name that comes twice, half a surrogate.

use crate::{Checked, invalid};

/// Deepest nesting that is read.
const DEPTH_MOST: usize = 16;

/// A value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    /// A number, a truth value or nothing.
    Other,
}

impl Json {
    /// Reads a whole text.
    pub(crate) fn parse(text: &str) -> Checked<Self> {
        let mut rest = Rest { text };
        let value = rest.value(0)?;
        rest.space();
        if rest.text.is_empty() { Ok(value) } else { Err(wrong()) }
    }

    /// A field of an object.
    pub(crate) fn get(&self, name: &str) -> Checked<&Self> {
        let Self::Object(fields) = self else { return Err(wrong()) };
        let found = fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value).ok_or_else(|| invalid(format!("there is no `{name}`")))
    }

    /// A text that is a field of an object.
    pub(crate) fn text(&self, name: &str) -> Checked<&str> {
        match self.get(name)? {
            Self::Text(text) => Ok(text),
            _ => Err(invalid(format!("`{name}` is not a text"))),
        }
    }

    /// A list that is a field of an object.
    pub(crate) fn list(&self, name: &str) -> Checked<&[Self]> {
        match self.get(name)? {
            Self::List(items) => Ok(items),
            _ => Err(invalid(format!("`{name}` is not a list"))),
        }
    }
}

fn wrong() -> crate::Refusal {
    invalid("it is not JSON of the form that is expected")
}

struct Rest<'t> {
    text: &'t str,
}

impl Rest<'_> {
    fn space(&mut self) {
        self.text = self.text.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Whether a character is next; it is taken.
    fn is(&mut self, wanted: char) -> bool {
        self.space();
        let rest = self.text.strip_prefix(wanted);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Checked<Json> {
        if depth > DEPTH_MOST {
            return Err(wrong());
        }
        if self.is('"') {
            return self.string().map(Json::Text);
        }
        if self.is('[') {
            return self.items(']', |rest| rest.value(depth + 1)).map(Json::List);
        }
        if self.is('{') {
            let fields = self.items('}', |rest| {
                let name = if rest.is('"') { rest.string()? } else { return Err(wrong()) };
                if rest.is(':') { Ok((name, rest.value(depth + 1)?)) } else { Err(wrong()) }
            })?;
            let is_twice = |(place, (name, _)): (usize, &(String, Json))| {
                fields.iter().take(place).any(|(before, _)| before == name)
            };
            if fields.iter().enumerate().any(is_twice) {
                return Err(wrong());
            }
            return Ok(Json::Object(fields));
        }
        let end = self.text.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        let is_number = word.parse::<f64>().is_ok_and(f64::is_finite)
            && word.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if is_number || ["true", "false", "null"].contains(&word) {
            self.text = rest;
            return Ok(Json::Other);
        }
        Err(wrong())
    }

    fn items<T>(
        &mut self,
        end: char,
        mut item: impl FnMut(&mut Self) -> Checked<T>,
    ) -> Checked<Vec<T>> {
        let mut items = Vec::new();
        if self.is(end) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.is(end) {
                return Ok(items);
            }
            if !self.is(',') {
                return Err(wrong());
            }
        }
    }

    /// The rest of a text after its first quotation mark.
    fn string(&mut self) -> Checked<String> {
        let mut found = String::new();
        let mut rest = self.text.chars();
        loop {
            match rest.next() {
                Some('"') => break,
                Some('\\') => found.push(escaped(&mut rest)?),
                Some(plain) if plain >= ' ' => found.push(plain),
                _ => return Err(wrong()),
            }
        }
        self.text = rest.as_str();
        Ok(found)
    }
}

fn escaped(rest: &mut std::str::Chars<'_>) -> Checked<char> {
    let unit = |rest: &mut std::str::Chars<'_>| -> Checked<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = rest.next().and_then(|digit| digit.to_digit(16)).ok_or_else(wrong)?;
            unit = unit << 4 | digit;
        }
        Ok(unit)
    };
    Ok(match rest.next() {
        Some(same @ ('"' | '\\' | '/')) => same,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let first = unit(rest)?;
            let code = if (0xd800..0xdc00).contains(&first) {
                let second = match (rest.next(), rest.next()) {
                    (Some('\\'), Some('u')) => unit(rest)?,
                    _ => return Err(wrong()),
                };
                let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
                0x10000 + (first - 0xd800) * 0x400 + low.ok_or_else(wrong)?
            } else {
                first
            };
            char::from_u32(code).ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lists_and_objects_are_read_as_everybody_reads_them() {
        let read = Json::parse(
            " { \"a\" : \"x\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00ü\" , \"b\":[1,-2.5e3,true,null,{}],\"c\":[] } ",
        );
        let read = read.unwrap();
        assert_eq!(read.text("a").unwrap(), "x\"\\/\u{8}\u{c}\n\r\tä😀ü");
        let others = || Json::Other;
        let list = [others(), others(), others(), others(), Json::Object(Vec::new())];
        assert_eq!((read.list("b").unwrap(), read.list("c").unwrap()), (&list[..], &[][..]));
        assert!(read.text("b").is_err() && read.list("a").is_err() && read.text("d").is_err());
    }

    #[test]
    fn what_is_not_json_or_has_two_readings_is_refused() {
        let deep = "[".repeat(40);
        for bad in [
            "",
            "{",
            "}",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "\"a",
            "\"\\x\"",
            "\"\n\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "{\"a\":1,\"a\":2}",
            "1 2",
            "nul",
            "inf",
            "NaN",
            "+1",
            &deep,
        ] {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
    }
}
