//! Validation errors in plain words.
//!
//! One sentence per kind of mistake, without repeating the value (it may be long or private) and
//! without the validator's own wording, so that texts stay the same when the library changes.

use crate::mistake::Mistake;
use crate::pointer::escape;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

/// The longest list of allowed values that is shown, in characters.
const OPTIONS_SHOWN_MAX: usize = 200;

/// What is wrong with a value: at least one entry, several where several properties are unexpected.
/// `whole` is what the error was found in.
pub(crate) fn of_value(error: &ValidationError<'_>, whole: &Value) -> Vec<Mistake> {
    use ValidationErrorKind as Kind;
    let pointer = error.instance_path().to_string();
    let one = |message: String| vec![Mistake::new(whole, pointer.clone(), message)];
    let below = |name: &str, message: &str| {
        Mistake::new(whole, format!("{pointer}/{}", escape(name)), message.to_owned())
    };
    let unknown = |name: &String| Mistake {
        unknown: Some(name.clone()),
        ..below(name, "is not a known field")
    };
    let entries = match error.kind() {
        Kind::Required { property } => {
            vec![below(property.as_str().unwrap_or_default(), "is required")]
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(unknown).collect()
        }
        // Without any `properties` the validator names only the first member.
        Kind::FalseSchema if is_additional(error) => {
            let object = whole.pointer(&pointer).and_then(Value::as_object);
            object.into_iter().flat_map(|object| object.keys()).map(unknown).collect()
        }
        Kind::Type { kind } => {
            one(format!("must be {}, found {}", types(kind), found(error.instance())))
        }
        _ => one(constraint(error)),
    };
    // An error must never be lost, because no errors means that the value is accepted.
    if entries.is_empty() { one(constraint(error)) } else { entries }
}

fn is_additional(error: &ValidationError<'_>) -> bool {
    error.schema_path().to_string().ends_with("/additionalProperties")
}

/// What is wrong with a schema that does not compile.
pub(crate) fn of_schema(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Type { kind } => {
            let found = found(error.instance());
            format!("schema is not valid: must be {}, found {found}", types(kind))
        }
        Kind::Format { format } if format == "regex" => {
            "schema is not valid: `pattern` is not a regular expression without look-around \
             and back-references"
                .to_owned()
        }
        Kind::AnyOf { .. } if error.instance_path().to_string().ends_with("/type") => {
            "schema is not valid: the types are string, integer, number, boolean, array, \
             object and null"
                .to_owned()
        }
        Kind::Referencing(_) => "schema is not valid: a reference cannot be resolved".to_owned(),
        _ => format!("schema is not valid: the value {}", constraint(error)),
    }
}

fn constraint(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Enum { options } => match options.as_array() {
            Some(options) => format!("must be one of {}", listed(options)),
            None => "must be one of the allowed values".to_owned(),
        },
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} fields"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} fields"),
        Kind::UniqueItems => "must not have the same item twice".to_owned(),
        Kind::Pattern { pattern } => format!("must match `{pattern}`"),
        Kind::Format { format } => format!("must be a {format}"),
        Kind::FalseSchema => "is not allowed".to_owned(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "fits none of the allowed forms".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => "fits more than one of the exclusive forms".to_owned(),
        kind => format!("does not satisfy `{}`", kind.keyword()),
    }
}

fn types(kind: &TypeKind) -> String {
    let name = |kind: &str| match kind {
        "null" => "null".to_owned(),
        "integer" | "array" | "object" => format!("an {kind}"),
        kind => format!("a {kind}"),
    };
    match kind {
        TypeKind::Single(kind) => name(&kind.to_string()),
        TypeKind::Multiple(kinds) => {
            let names: Vec<String> = kinds.iter().map(|kind| name(&kind.to_string())).collect();
            names.join(" or ")
        }
    }
}

fn listed(options: &[Value]) -> String {
    let texts: Vec<String> = options.iter().map(Value::to_string).collect();
    let all = texts.join(", ");
    if all.chars().count() <= OPTIONS_SHOWN_MAX { all } else { format!("{} values", options.len()) }
}

/// The kind of a value, in the words of our documents.
fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_i64() => "an integer",
        Value::Number(_) => "a fraction",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
