//! What a text says, alike however it is formatted: for fingerprints that outlive a process and a release.
//!
//! Keys stand in the order of the alphabet and texts behind their length; `x-` keys are left out, and so is
//! `ignore_case` where it is false and a condition without parts, which are the defaults. Numbers count by value.

use std::fmt::Write as _;

use jsonc_parser::ast;

use crate::document::fields::{Fields, entries};
use crate::number::{Literal, Number};

/// Writes some fields of an object down, in this order.
pub(super) fn canonical(fields: &Fields<'_>, names: &[&str]) -> String {
    let mut text = String::new();
    for name in names {
        match fields.get(name) {
            None => {}
            Some(ast::Value::Array(array)) if array.elements.is_empty() => {}
            Some(value) => {
                put(name, &mut text);
                write(value, &mut text);
            }
        }
    }
    text
}

/// Writes a text so that nothing in it can be taken for what stands behind it.
fn put(value: &str, text: &mut String) {
    // Writing to a `String` never fails.
    let _ = write!(text, "{}:{value}", value.len());
}

fn write(value: &ast::Value<'_>, text: &mut String) {
    match value {
        ast::Value::Object(object) => {
            let is_default = |name: &str, value: &ast::Value<'_>| match value {
                ast::Value::BooleanLit(value) => name == "ignore_case" && !value.value,
                _ => false,
            };
            let mut all: Vec<_> = entries(object)
                .map(|(name, value)| (name.value, value))
                .filter(|(name, value)| !name.starts_with("x-") && !is_default(name, value))
                .collect();
            all.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in all {
                put(name, text);
                write(value, text);
            }
            text.push('}');
        }
        ast::Value::Array(array) => {
            text.push('[');
            for element in &array.elements {
                write(element, text);
            }
            text.push(']');
        }
        ast::Value::StringLit(string) => {
            text.push('"');
            put(&string.value, text);
        }
        ast::Value::NumberLit(number) => {
            let _ = match Literal::parse(number.value).map(Literal::number) {
                Some(Number::Integer(value)) => write!(text, "{value};"),
                Some(Number::Float(value)) => write!(text, "{value:?};"),
                None => Ok(()),
            };
        }
        ast::Value::BooleanLit(value) => text.push(if value.value { 't' } else { 'f' }),
        ast::Value::NullKeyword(_) => text.push('n'),
    }
}
