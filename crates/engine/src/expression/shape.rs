//! What is known at load about values that exist only in a run.
//!
//! A shape says which kinds of value are possible and, for maps and lists, what is inside. It is
//! used to refuse expressions that can never work, never to accept one blindly: the evaluator
//! checks every value again. Shapes of inputs come from the input schema (`workflow::inputs`).

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A set of kinds of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// The null value.
    pub const NULL: Self = Self(1);
    /// True and false.
    pub const BOOL: Self = Self(1 << 1);
    /// Whole numbers of 64 bits.
    pub const INT: Self = Self(1 << 2);
    /// Any other number; it can be passed on and compared, not calculated with.
    pub const FLOAT: Self = Self(1 << 3);
    /// Text.
    pub const TEXT: Self = Self(1 << 4);
    /// Lists.
    pub const LIST: Self = Self(1 << 5);
    /// Maps with text keys.
    pub const MAP: Self = Self(1 << 6);
    /// Numbers of both kinds.
    pub const NUMBER: Self = Self(Self::INT.0 | Self::FLOAT.0);
    /// Everything.
    pub const ANY: Self = Self(0x7f);

    const NAMES: [(Self, &'static str); 7] = [
        (Self::NULL, "null"),
        (Self::BOOL, "a boolean"),
        (Self::INT, "an integer"),
        (Self::FLOAT, "a fraction"),
        (Self::TEXT, "a string"),
        (Self::LIST, "a list"),
        (Self::MAP, "a map"),
    ];

    /// The kinds in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether some kind is in both sets.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The kinds but null, unless there is no other: what a message about operands should name.
    pub(super) const fn without_null(self) -> Self {
        let others = self.0 & !Self::NULL.0;
        if others == 0 { self } else { Self(others) }
    }

    /// The kind of one value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOL,
            Value::Number(number) if number.is_i64() => Self::INT,
            Value::Number(_) => Self::FLOAT,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::MAP,
        }
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return f.write_str("any value");
        }
        let number = self.0 & Self::NUMBER.0 == Self::NUMBER.0;
        let single = Self(if number { self.0 & !Self::NUMBER.0 } else { self.0 });
        let names = Self::NAMES.iter().filter(|(kind, _)| single.meets(*kind));
        let names = names.map(|(_, name)| *name).chain(number.then_some("a number"));
        f.write_str(&names.collect::<Vec<&str>>().join(" or "))
    }
}

/// The possible kinds of a value and, for maps and lists, of what is inside.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The kinds the value can have.
    pub kinds: Kinds,
    /// The known fields of a map.
    pub fields: BTreeMap<String, Shape>,
    /// Whether a map may have other fields than the known ones.
    pub extra: Extra,
    /// The items of a list; absent where nothing is known.
    pub item: Option<Box<Shape>>,
}

/// Whether a map may have fields that are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// Other fields are possible.
    Open,
    /// The listed fields are all there can be.
    Closed,
}

impl Shape {
    /// A value of which nothing is known.
    pub fn any() -> Self {
        Self::of(Kinds::ANY)
    }

    /// A value of these kinds, with nothing known inside.
    pub fn of(kinds: Kinds) -> Self {
        Self { kinds, fields: BTreeMap::new(), extra: Extra::Open, item: None }
    }

    /// A map of these fields and no others.
    pub fn closed(fields: BTreeMap<String, Self>) -> Self {
        Self { kinds: Kinds::MAP, fields, extra: Extra::Closed, item: None }
    }
}
