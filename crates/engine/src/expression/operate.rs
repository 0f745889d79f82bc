//! Operators and functions on plain values, one truth table each.
//!
//! They know no tree, no scope and no position: a mistake is a lower-case sentence the evaluator
//! places. Arithmetic is on 64-bit integers and checked; fractions can be compared and passed on
//! but not calculated with. Text compares by bytes.

use super::function::Function;
use super::shape::Kinds;
use super::syntax::Operator;
use serde_json::{Number, Value};
use std::cmp::Ordering;

type Result<T> = std::result::Result<T, String>;

/// The largest magnitude up to which a fraction without a remainder is surely a whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `left operator right` for every operator but `&&` and `||`, which the evaluator cuts short.
pub(super) fn binary(operator: Operator, left: &Value, right: &Value) -> Result<Value> {
    match operator {
        Operator::Or | Operator::And => Err(misfit(operator, left, right)),
        Operator::Equal => Ok(Value::Bool(equal(left, right))),
        Operator::NotEqual => Ok(Value::Bool(!equal(left, right))),
        Operator::Less => order(operator, left, right).map(|o| Value::Bool(o.is_lt())),
        Operator::LessOrEqual => order(operator, left, right).map(|o| Value::Bool(o.is_le())),
        Operator::Greater => order(operator, left, right).map(|o| Value::Bool(o.is_gt())),
        Operator::GreaterOrEqual => order(operator, left, right).map(|o| Value::Bool(o.is_ge())),
        Operator::In => within(left, right).map(Value::Bool),
        Operator::Add => add(left, right),
        Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => {
            calculate(operator, left, right)
        }
    }
}

/// What `left operator right` builds, in bytes.
pub(super) fn cost(operator: Operator, left: &Value, right: &Value) -> usize {
    match operator {
        Operator::Add => weight(left).saturating_add(weight(right)),
        _ => 0,
    }
}

/// About how many bytes a copy of the value takes.
pub(super) fn weight(value: &Value) -> usize {
    const ITEM: usize = size_of::<Value>();
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => ITEM,
        Value::String(text) => ITEM + text.len(),
        Value::Array(items) => ITEM + items.iter().map(weight).sum::<usize>(),
        Value::Object(map) => {
            ITEM + map.iter().map(|(key, value)| ITEM + key.len() + weight(value)).sum::<usize>()
        }
    }
}

/// The whole number a value is, if it is one.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| {
        let fraction = number.as_f64()?;
        let exact = fraction.trunc() == fraction && fraction.abs() <= EXACT;
        // The check of the range makes the conversion exact.
        exact.then_some(fraction as i64)
    })
}

/// `-value`.
pub(super) fn negate(value: &Value) -> Result<i64> {
    let whole = whole(value)
        .ok_or_else(|| format!("`-` takes an integer, and this is {}", Kinds::of(value)))?;
    whole.checked_neg().ok_or_else(too_large)
}

/// A function other than the status functions, with as many arguments as it takes.
pub(super) fn call(function: Function, arguments: &[&Value]) -> Result<Value> {
    match (function, arguments) {
        (Function::Size, [value]) => size(value).map(Value::from),
        (Function::Text, [value]) => text(value).map(Value::String),
        (Function::Int, [value]) => int(value).map(Value::from),
        (_, [Value::String(text), Value::String(part)]) => match function {
            Function::Contains => Ok(Value::Bool(text.contains(part.as_str()))),
            Function::StartsWith => Ok(Value::Bool(text.starts_with(part.as_str()))),
            Function::EndsWith => Ok(Value::Bool(text.ends_with(part.as_str()))),
            _ => Err(wrong_arguments(function, arguments)),
        },
        _ => Err(wrong_arguments(function, arguments)),
    }
}

fn wrong_arguments(function: Function, arguments: &[&Value]) -> String {
    let kinds: Vec<String> = arguments.iter().map(|value| Kinds::of(value).to_string()).collect();
    format!("`{}` cannot take {}", function.name(), kinds.join(" and "))
}

fn size(value: &Value) -> Result<u64> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => return Err(wrong_arguments(Function::Size, &[value])),
    };
    u64::try_from(size).map_err(|_| too_large())
}

fn text(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(wrong_arguments(Function::Text, &[value])),
    }
}

fn int(value: &Value) -> Result<i64> {
    match value {
        Value::String(text) => text.parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            format!("`{}` is not a 64-bit integer", shown.escape_debug())
        }),
        Value::Number(number) => {
            whole(value).ok_or_else(|| format!("`{number}` is not a 64-bit integer"))
        }
        _ => Err(wrong_arguments(Function::Int, &[value])),
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

fn order(operator: Operator, left: &Value, right: &Value) -> Result<Ordering> {
    let order = match (left, right) {
        (Value::Number(a), Value::Number(b)) => compare(a, b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    };
    order.ok_or_else(|| misfit(operator, left, right))
}

fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i64(), right.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn within(left: &Value, right: &Value) -> Result<bool> {
    match (left, right) {
        (_, Value::Array(items)) => Ok(items.iter().any(|item| equal(left, item))),
        (Value::String(key), Value::Object(map)) => Ok(map.contains_key(key)),
        _ => Err(misfit(Operator::In, left, right)),
    }
}

fn add(left: &Value, right: &Value) -> Result<Value> {
    match (left, right) {
        (Value::String(a), Value::String(b)) => Ok(Value::String(format!("{a}{b}"))),
        (Value::Array(a), Value::Array(b)) => {
            Ok(Value::Array(a.iter().chain(b).cloned().collect()))
        }
        _ => calculate(Operator::Add, left, right),
    }
}

fn calculate(operator: Operator, left: &Value, right: &Value) -> Result<Value> {
    let (Some(a), Some(b)) = (whole(left), whole(right)) else {
        return Err(misfit(operator, left, right));
    };
    if b == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
        return Err("division by zero".to_owned());
    }
    let value = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder => a.checked_rem(b),
        _ => return Err(misfit(operator, left, right)),
    };
    value.map(Value::from).ok_or_else(too_large)
}

fn too_large() -> String {
    "result does not fit in 64 bits".to_owned()
}

fn misfit(operator: Operator, left: &Value, right: &Value) -> String {
    let (left, right) = (Kinds::of(left), Kinds::of(right));
    format!("`{}` cannot take {left} and {right}", operator.spelling())
}
