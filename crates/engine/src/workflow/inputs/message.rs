//! Validation errors in plain words.
//!
//! One sentence per kind of mistake, without repeating the value (it may be long or private) and
//! without the validator's own wording, so that texts stay the same when the library changes.

use super::{InputError, escape};
use crate::expression::Kinds;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use policy::document::suggest;
use serde_json::Value;

/// The longest list of allowed values that is shown, in characters.
const OPTIONS_SHOWN_MAX: usize = 200;

/// What is wrong with a value: at least one entry, several where several properties are unexpected.
/// `inputs` is the whole the error was found in.
pub(super) fn of_value(
    error: &ValidationError<'_>,
    schema: &Value,
    inputs: &Value,
) -> Vec<InputError> {
    use ValidationErrorKind as Kind;
    let pointer = error.instance_path().to_string();
    let one = |message: String| vec![InputError { pointer: pointer.clone(), message, hint: None }];
    let below = |name: &str, message: &str, hint: Option<String>| InputError {
        pointer: format!("{pointer}/{}", escape(name)),
        message: message.to_owned(),
        hint,
    };
    let entries = match error.kind() {
        Kind::Required { property } => {
            vec![below(property.as_str().unwrap_or_default(), "is required", None)]
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let near = |name: &String| near_property(&pointer, name, schema);
            let each = unexpected.iter();
            each.map(|name| below(name, "is not a known input", near(name))).collect()
        }
        // Without any `properties` the validator names only the first member.
        Kind::FalseSchema if is_additional(error) => {
            let object = inputs.pointer(&pointer).and_then(Value::as_object);
            let names = object.into_iter().flat_map(|object| object.keys());
            let near = |name: &String| near_property(&pointer, name, schema);
            names.map(|name| below(name, "is not a known input", near(name))).collect()
        }
        Kind::Type { kind } => {
            one(format!("must be {}, found {}", types(kind), Kinds::of(error.instance())))
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
pub(super) fn of_schema(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Type { kind } => {
            let found = Kinds::of(error.instance());
            format!("input schema is not valid: must be {}, found {found}", types(kind))
        }
        Kind::Format { format } if format == "regex" => {
            "input schema is not valid: `pattern` is not a regular expression without look-around \
             and back-references"
                .to_owned()
        }
        Kind::AnyOf { .. } if error.instance_path().to_string().ends_with("/type") => {
            "input schema is not valid: the types are string, integer, number, boolean, array, \
             object and null"
                .to_owned()
        }
        Kind::Referencing(_) => {
            "input schema is not valid: a reference cannot be resolved".to_owned()
        }
        _ => format!("input schema is not valid: the value {}", constraint(error)),
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

/// The declared input a misspelled one was probably meant to be; only of the outermost object,
/// where the schema says which names there are.
fn near_property(pointer: &str, name: &str, schema: &Value) -> Option<String> {
    if !pointer.is_empty() {
        return None;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let names: Vec<&str> =
        properties.into_iter().flat_map(|names| names.keys()).map(String::as_str).collect();
    match suggest(name, &names) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if names.is_empty() => Some("the workflow has no inputs".to_owned()),
        None => Some(format!("the inputs are {}", names.join(", "))),
    }
}
