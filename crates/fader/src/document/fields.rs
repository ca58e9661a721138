//! The fields of each object, and the reading of them.
//!
//! The tables are the one place that says which fields exist: the reader refuses others by them, and a test holds
//! `schema/flags.schema.json` to them.

use std::collections::HashSet;

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report, Reported};
use crate::document::model::{At, Field, Name};
use crate::document::syntax::Span;
use crate::hash::NameHashing;
use crate::number::Literal;

pub(crate) const DOCUMENT: &[&str] = &[
    "$schema", "segments", "lists", "flags", "metadata", "revision", "freezes",
];
pub(crate) const FLAG: &[&str] = &[
    "description",
    "owner",
    "expires",
    "tags",
    "variants",
    "default",
    "enabled",
    "off",
    "by",
    "salt",
    "rules",
    "metadata",
];
pub(crate) const RULE: &[&str] = &[
    "name",
    "description",
    "if",
    "percent",
    "ramp",
    "by",
    "salt",
    "serve",
];
pub(crate) const SEGMENT: &[&str] = &["if", "description"];
pub(crate) const LIST: &[&str] = &["file", "exact"];
pub(crate) const CLOCK_RAMP: &[&str] = &["from", "to", "start", "over", "curve"];
pub(crate) const STAGED_RAMP: &[&str] = &[
    "stages",
    "start",
    "guardrails",
    "false_alarm",
    "min_units",
    "min_bad_units",
    "count",
    "windows",
    "warmup",
    "shadow",
    "group",
    "requires",
];
pub(crate) const STAGE: &[&str] = &[
    "percent",
    "segment",
    "sets",
    "of",
    "width",
    "bake",
    "idle",
    "approve",
    "irreversible",
];
pub(crate) const GUARDRAIL: &[&str] = &[
    "metric",
    "no_worse_than",
    "below",
    "for",
    "on_breach",
    "require",
];
pub(crate) const WINDOW: &[&str] = &["days", "from", "to", "zone"];
pub(crate) const REQUIREMENT: &[&str] = &["flag", "fact", "is", "gt", "gte", "lt", "lte"];
pub(crate) const FREEZE: &[&str] = &["from", "until", "reason"];
pub(crate) const TIME: &[&str] = &["from", "until"];
/// What a condition is about: exactly one of these.
pub(crate) const CONDITION_KINDS: &[&str] =
    &["attribute", "segment", "flag", "time", "all", "any", "not"];
/// Beside `attribute`: exactly one of these.
pub(crate) const OPERATORS: &[&str] = &[
    "is",
    "in",
    "in_list",
    "starts_with",
    "ends_with",
    "contains",
    "matches",
    "lt",
    "lte",
    "gt",
    "gte",
    "between",
    "before",
    "after",
    "version",
    "in_network",
    "exists",
];
/// What a condition may have beside those.
pub(crate) const CONDITION_OPTIONS: &[&str] = &["ignore_case"];
pub(crate) const OVERLAY: &[&str] = &["version", "flags", "commands"];
pub(crate) const OVERLAY_FLAG: &[&str] = &["rules", "killed", "by", "reason", "at"];
pub(crate) const OVERLAY_RULE: &[&str] = &["percent", "waves"];

/// Names a value's JSON type, with its article.
pub(crate) fn type_name(value: &ast::Value<'_>) -> &'static str {
    match value {
        ast::Value::StringLit(_) => "a string",
        ast::Value::NumberLit(_) => "a number",
        ast::Value::BooleanLit(_) => "a boolean",
        ast::Value::Object(_) => "an object",
        ast::Value::Array(_) => "an array",
        ast::Value::NullKeyword(_) => "null",
    }
}

/// The known fields of one object.
pub(crate) struct Fields<'t> {
    pub(crate) span: Span,
    /// Whether a field was reported as unknown.
    pub(crate) has_unknown: bool,
    properties: &'t [ast::ObjectProp<'t>],
}

impl<'t> Fields<'t> {
    /// Finds the fields that one of some tables has, reporting others; `x-` keys are ignored.
    pub(crate) fn new(
        object: &'t ast::Object<'t>,
        known: &[&[&str]],
        what: &str,
        report: &mut Report,
    ) -> Self {
        let mut fields = Self {
            span: Span::of(object),
            has_unknown: false,
            properties: &object.properties,
        };
        for property in &object.properties {
            let name = property.name.as_str();
            if known.iter().any(|table| table.contains(&name)) {
                continue;
            }
            if !name.starts_with("x-") {
                fields.has_unknown = true;
                report
                    .error(
                        DiagnosticKind::UnknownField,
                        Span::of(&property.name),
                        format!("unknown field `{name}` in {what}"),
                    )
                    .suggest(name, known.iter().copied().flatten().copied());
            } else {
                numbers(&property.value, report);
            }
        }
        fields
    }

    /// Finds a known field. A second one of the name is reported elsewhere; the first one is read.
    fn property(&self, name: &str) -> Option<&'t ast::ObjectProp<'t>> {
        self.properties
            .iter()
            .find(|property| property.name.as_str() == name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'t ast::Value<'t>> {
        self.property(name).map(|property| &property.value)
    }

    /// Returns where a field's name stands.
    pub(crate) fn key(&self, name: &str) -> Option<Span> {
        self.property(name).map(|property| Span::of(&property.name))
    }

    /// Returns those of some known names that are there, in the order of the text.
    pub(crate) fn among(
        &self,
        names: &[&str],
    ) -> impl Iterator<Item = (&'t str, &'t ast::Value<'t>)> {
        let among = |(at, property): &(usize, &'t ast::ObjectProp<'t>)| {
            let name = property.name.as_str();
            let mut earlier = self.properties.iter().take(*at);
            names.contains(&name) && !earlier.any(|earlier| earlier.name.as_str() == name)
        };
        self.properties
            .iter()
            .enumerate()
            .filter(among)
            .map(|(_, property)| (property.name.as_str(), &property.value))
    }

    /// Returns a field that has to be there.
    pub(crate) fn required(
        &self,
        name: &str,
        what: &str,
        report: &mut Report,
    ) -> Option<&'t ast::Value<'t>> {
        let value = self.get(name);
        if value.is_none() {
            report.error(
                DiagnosticKind::MissingField,
                self.span,
                format!("{what} needs the field `{name}`"),
            );
        }
        value
    }

    pub(crate) fn string(&self, name: &str, report: &mut Report) -> Option<Name<'t>> {
        string(self.get(name)?, name, report)
    }

    /// Reads a string together with the place of the field's name.
    pub(crate) fn name(&self, name: &str, report: &mut Report) -> Option<Field<'t>> {
        Some(Field {
            key: self.key(name)?,
            name: self.string(name, report)?,
        })
    }

    pub(crate) fn boolean(&self, name: &str, report: &mut Report) -> Option<bool> {
        match self.get(name)? {
            ast::Value::BooleanLit(value) => Some(value.value),
            other => {
                wrong_type(other, name, "a boolean", report);
                None
            }
        }
    }

    pub(crate) fn array(&self, name: &str, report: &mut Report) -> Option<&'t ast::Array<'t>> {
        array(self.get(name)?, name, report)
    }
}

pub(crate) fn wrong_type<'r>(
    value: &ast::Value<'_>,
    name: &str,
    expected: &str,
    report: &'r mut Report,
) -> Reported<'r> {
    let message = format!("`{name}` takes {expected}, not {}", type_name(value));
    report.error(DiagnosticKind::WrongType, Span::of(value), message)
}

pub(crate) fn string<'t>(
    value: &'t ast::Value<'t>,
    name: &str,
    report: &mut Report,
) -> Option<Name<'t>> {
    match value {
        ast::Value::StringLit(text) => Some(At {
            value: &text.value,
            span: Span::of(value),
        }),
        other => {
            wrong_type(other, name, "a string", report);
            None
        }
    }
}

pub(crate) fn array<'t>(
    value: &'t ast::Value<'t>,
    name: &str,
    report: &mut Report,
) -> Option<&'t ast::Array<'t>> {
    match value {
        ast::Value::Array(array) => Some(array),
        other => {
            wrong_type(other, name, "an array", report);
            None
        }
    }
}

pub(crate) fn object<'t>(
    value: &'t ast::Value<'t>,
    name: &str,
    report: &mut Report,
) -> Option<&'t ast::Object<'t>> {
    match value {
        ast::Value::Object(object) => Some(object),
        other => {
            wrong_type(other, name, "an object", report);
            None
        }
    }
}

/// Returns the entries of an object whose keys are names; of a name that comes twice the first.
pub(crate) fn entries<'t>(
    object: &'t ast::Object<'t>,
) -> impl Iterator<Item = (Name<'t>, &'t ast::Value<'t>)> {
    let mut seen = Seen::default();
    object.properties.iter().filter_map(move |property| {
        let name = property.name.as_str();
        seen.insert(name).then(|| {
            (
                At {
                    value: name,
                    span: Span::of(&property.name),
                },
                &property.value,
            )
        })
    })
}

/// Tells which names came before: by a look at each while they are few, which most objects keep them.
#[derive(Default)]
pub(crate) struct Seen<'t> {
    few: [&'t str; 8],
    count: usize,
    many: HashSet<&'t str, NameHashing>,
}

impl<'t> Seen<'t> {
    /// Notes a name; returns whether it is new.
    pub(crate) fn insert(&mut self, name: &'t str) -> bool {
        let few = self.few.get(..self.count).unwrap_or(&self.few);
        if few.contains(&name) {
            return false;
        }
        match self.few.get_mut(self.count) {
            Some(free) => *free = name,
            None => return self.many.insert(name),
        }
        self.count += 1;
        true
    }
}

/// Reports every key that comes twice in one object, at any depth, at its second place.
pub(crate) fn duplicates(value: &ast::Value<'_>, report: &mut Report) {
    match value {
        ast::Value::Object(object) => {
            let mut seen = Seen::default();
            for property in &object.properties {
                let name = property.name.as_str();
                if !seen.insert(name) {
                    let mut namesakes = object.properties.iter();
                    let first = namesakes.find(|other| other.name.as_str() == name);
                    report
                        .error(
                            DiagnosticKind::DuplicateKey,
                            Span::of(&property.name),
                            format!("`{name}` comes a second time"),
                        )
                        .second_of(Span::of(&first.unwrap_or(property).name))
                        .help("keep one of the two");
                }
                duplicates(&property.value, report);
            }
        }
        ast::Value::Array(array) => array
            .elements
            .iter()
            .for_each(|element| duplicates(element, report)),
        _ => {}
    }
}

/// Reports numbers that no float holds, in a value that is read no further.
fn numbers(value: &ast::Value<'_>, report: &mut Report) {
    match value {
        ast::Value::NumberLit(number) if Literal::parse(number.value).is_none() => {
            number_beyond(number, report);
        }
        ast::Value::Array(array) => array
            .elements
            .iter()
            .for_each(|element| numbers(element, report)),
        ast::Value::Object(object) => object
            .properties
            .iter()
            .for_each(|property| numbers(&property.value, report)),
        _ => {}
    }
}

/// Reports a number beyond f64's range.
pub(crate) fn number_beyond(number: &ast::NumberLit<'_>, report: &mut Report) {
    let message = format!(
        "the number `{}` is beyond the range of 64-bit floats",
        number.value
    );
    report.error(DiagnosticKind::InvalidValue, Span::of(number), message);
}

/// Returns the text of a stretch.
pub(crate) fn slice(text: &str, span: Span) -> &str {
    text.get(span.start..span.end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema's object types and the tables they have to agree with.
    const TYPES: &[(&str, &[&[&str]])] = &[
        ("document", &[DOCUMENT]),
        ("flag", &[FLAG]),
        ("rule", &[RULE]),
        ("segment", &[SEGMENT]),
        ("listFile", &[LIST]),
        ("clockRamp", &[CLOCK_RAMP]),
        ("stagedRamp", &[STAGED_RAMP]),
        ("stage", &[STAGE]),
        ("guardrail", &[GUARDRAIL]),
        ("window", &[WINDOW]),
        ("requirement", &[REQUIREMENT]),
        ("freeze", &[FREEZE]),
        ("time", &[TIME]),
        (
            "attributeCondition",
            &[&["attribute"], CONDITION_OPTIONS, OPERATORS],
        ),
        ("flagCondition", &[&["flag", "is"]]),
        ("segmentCondition", &[&["segment"]]),
        ("timeCondition", &[&["time"]]),
        ("allCondition", &[&["all"]]),
        ("anyCondition", &[&["any"]]),
        ("notCondition", &[&["not"]]),
    ];

    #[test]
    fn tells_which_names_came_before_however_many() {
        let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let mut seen = Seen::default();
        assert!(names.iter().all(|name| seen.insert(name)));
        assert!(!names.iter().any(|name| seen.insert(name)));
    }

    #[test]
    fn the_schema_has_the_fields_of_the_reader_and_no_others() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../schema/flags.schema.json"
        );
        let schema: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for (name, tables) in TYPES {
            let definition = &schema["$defs"][name];
            let properties = definition["properties"]
                .as_object()
                .unwrap_or_else(|| panic!("no {name} in the schema"));
            let mut in_schema: Vec<&str> = properties.keys().map(String::as_str).collect();
            let mut in_reader: Vec<&str> = tables.iter().copied().flatten().copied().collect();
            in_schema.sort_unstable();
            in_reader.sort_unstable();
            assert_eq!(in_schema, in_reader, "{name}");
            assert_eq!(definition["additionalProperties"], false, "{name}");
        }
        let kinds = schema["$defs"]["condition"]["oneOf"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(kinds, CONDITION_KINDS.len());
    }
}
