//! From the syntax tree to the [model](super::model): each field typed and checked by itself.
//!
//! Reading goes on after a mistake, so that one run finds all of them; what could not be read is marked invalid.

use std::borrow::Cow;

use jsonc_parser::ast;

use crate::document::canonical::canonical;
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{self, Fields, entries, number_beyond, wrong_type};
use crate::document::model::{
    At, Condition, ConditionKind, Flag, FlagEntry, FlagSet, FlagText, Ids, List, Name, Rule,
    Segment, Serve, Share, Variant,
};
use crate::document::read_condition::{read_condition, read_condition_or_all};
use crate::document::read_plan::read_freezes;
use crate::document::read_ramp::read_ramp;
use crate::document::syntax::Span;
use crate::document::text::Text;
use crate::number::Literal;
use crate::percent::{ParsePercentError, Percent};
use crate::ruleset::About;
use crate::time::Timestamp;

/// Reads a document up to its flags, of which it reads the names.
pub(crate) fn read<'t>(
    root: &'t ast::Value<'t>,
    text: &'t Text<'_>,
    report: &mut Report,
) -> FlagSet<'t> {
    let named = |(name, value): (Name<'t>, &'t ast::Value<'t>)| {
        let span = text.span_in_whole(name.span);
        (At { span, ..name }, value)
    };
    fields::duplicates(root, report);
    let mut set = FlagSet::default();
    let ast::Value::Object(object) = root else {
        let message = format!("a document is an object, not {}", fields::type_name(root));
        report
            .error(DiagnosticKind::WrongType, Span::of(root), message)
            .help("such as {\"flags\": {\"dark-mode\": true}}");
        return set;
    };
    let fields = Fields::new(object, &[fields::DOCUMENT], "the document", report);
    fields.string("$schema", report);
    set.revision = fields
        .get("revision")
        .and_then(|value| integer(value, "revision", report));
    set.metadata = read_metadata(&fields, report);
    set.freezes = read_freezes(&fields, report);
    if let Some(object) = fields
        .get("segments")
        .and_then(|value| fields::object(value, "segments", report))
    {
        set.segments = entries(object)
            .map(named)
            .map(|(name, value)| read_segment(name, value, report))
            .collect();
    }
    if let Some(object) = fields
        .get("lists")
        .and_then(|value| fields::object(value, "lists", report))
    {
        set.lists = entries(object)
            .map(named)
            .map(|(name, value)| read_list(name, value, report))
            .collect();
    }
    if let Some(object) = fields
        .get("flags")
        .and_then(|value| fields::object(value, "flags", report))
    {
        let entry = |(name, value)| flag_entry(name, value, text);
        set.flags = Vec::with_capacity(object.properties.len());
        set.flags.extend(entries(object).map(named).map(entry));
    }
    set
}

fn flag_entry<'t>(name: Name<'t>, value: &'t ast::Value<'t>, text: &'t Text<'_>) -> FlagEntry<'t> {
    let span = Span::of(value);
    match text.cut(span.start) {
        Some(cut) => FlagEntry {
            name,
            span: cut.whole,
            value: FlagText::Cut(cut),
        },
        None => FlagEntry {
            name,
            span: text.span_in_whole(span),
            value: FlagText::Parsed(value),
        },
    }
}

pub(crate) fn integer(value: &ast::Value<'_>, name: &str, report: &mut Report) -> Option<At<i64>> {
    let span = Span::of(value);
    match value {
        ast::Value::NumberLit(number) => match Literal::parse(number.value) {
            Some(Literal::Integer(value)) => Some(At { value, span }),
            _ => {
                let message = format!(
                    "`{name}` takes an integer within 64 bits, not `{}`",
                    number.value
                );
                report.error(DiagnosticKind::InvalidValue, span, message);
                None
            }
        },
        other => {
            wrong_type(other, name, "an integer", report);
            None
        }
    }
}

fn read_metadata(fields: &Fields<'_>, report: &mut Report) -> Option<serde_json::Value> {
    let value = fields.get("metadata")?;
    fields::object(value, "metadata", report)?;
    json(value, report)
}

/// Converts free-form JSON; `None` after reporting a number beyond f64's range.
pub(crate) fn json(value: &ast::Value<'_>, report: &mut Report) -> Option<serde_json::Value> {
    Some(match value {
        ast::Value::StringLit(text) => text.value.to_string().into(),
        ast::Value::BooleanLit(value) => value.value.into(),
        ast::Value::NullKeyword(_) => serde_json::Value::Null,
        ast::Value::NumberLit(number) => match Literal::parse(number.value) {
            Some(Literal::Integer(value)) => value.into(),
            Some(Literal::Float(value)) => value.into(),
            None => {
                number_beyond(number, report);
                return None;
            }
        },
        ast::Value::Array(array) => {
            let elements: Vec<_> = array
                .elements
                .iter()
                .map(|element| json(element, report))
                .collect();
            elements.into_iter().collect::<Option<Vec<_>>>()?.into()
        }
        ast::Value::Object(object) => {
            let properties: Vec<_> = entries(object)
                .map(|(name, value)| Some((name.value.to_owned(), json(value, report)?)))
                .collect();
            serde_json::Value::Object(properties.into_iter().collect::<Option<_>>()?)
        }
    })
}

fn read_segment<'t>(name: Name<'t>, value: &'t ast::Value<'t>, report: &mut Report) -> Segment<'t> {
    let span = Span::of(value);
    let mut condition = Condition {
        kind: ConditionKind::Invalid,
    };
    if let Some(object) = fields::object(value, "a segment", report) {
        let fields = Fields::new(object, &[fields::SEGMENT], "a segment", report);
        fields.string("description", report);
        if let Some(value) = fields.required("if", "a segment", report) {
            condition = read_condition_or_all(value, "if", report);
        }
    }
    Segment {
        name,
        span,
        condition,
    }
}

fn read_list<'t>(name: Name<'t>, value: &'t ast::Value<'t>, report: &mut Report) -> List<'t> {
    let mut list = List {
        name,
        span: Span::of(value),
        ids: Ids::Invalid,
        exact: false,
    };
    match value {
        ast::Value::Array(array) => {
            let ids = array
                .elements
                .iter()
                .filter_map(|element| read_id(element, report))
                .collect();
            list.ids = Ids::Inline(ids);
        }
        ast::Value::Object(object) => {
            let fields = Fields::new(object, &[fields::LIST], "a list", report);
            list.exact = fields.boolean("exact", report).unwrap_or(false);
            if fields.required("file", "a list", report).is_some() {
                list.ids = fields
                    .string("file", report)
                    .map_or(Ids::Invalid, Ids::File);
            }
        }
        other => {
            wrong_type(
                other,
                "a list",
                "an array of ids, or an object with a `file`",
                report,
            );
        }
    }
    list
}

fn read_id<'t>(value: &'t ast::Value<'t>, report: &mut Report) -> Option<Cow<'t, str>> {
    match value {
        ast::Value::StringLit(text) => return Some(Cow::Borrowed(&text.value)),
        ast::Value::NumberLit(number) => {
            if let Some(Literal::Integer(value)) = Literal::parse(number.value) {
                return Some(Cow::Owned(value.to_string()));
            }
        }
        _ => {}
    }
    let found = match value {
        ast::Value::NumberLit(number) => format!("`{}`", number.value),
        other => fields::type_name(other).to_owned(),
    };
    report.error(
        DiagnosticKind::ListId,
        Span::of(value),
        format!("an id is a string or an integer, not {found}"),
    );
    None
}

/// Reads a flag.
pub(crate) fn read_flag<'t>(
    name: &'t str,
    value: &'t ast::Value<'t>,
    report: &mut Report,
) -> Flag<'t> {
    let span = Span::of(value);
    let mut flag = Flag {
        name,
        span,
        variants: Vec::new(),
        variants_span: None,
        default: Some(At { value: "off", span }),
        enabled: true,
        off: None,
        by: None,
        salt: None,
        rules: Vec::new(),
        expires: None,
        about: About::default(),
    };
    let omitted = [("off", false), ("on", true)].map(|(name, value)| Variant {
        name,
        value: value.into(),
        span,
    });
    flag.variants.extend(omitted);
    match value {
        ast::Value::BooleanLit(on) => {
            flag.default = Some(At {
                value: if on.value { "on" } else { "off" },
                span,
            });
        }
        ast::Value::Object(object) => read_flag_fields(&mut flag, object, report),
        other => {
            flag.variants.clear();
            wrong_type(other, "a flag", "true, false or an object", report);
        }
    }
    flag
}

fn read_flag_fields<'t>(flag: &mut Flag<'t>, object: &'t ast::Object<'t>, report: &mut Report) {
    let fields = Fields::new(object, &[fields::FLAG], "a flag", report);
    flag.about = About {
        description: fields
            .string("description", report)
            .map(|text| text.value.into()),
        owner: fields.string("owner", report).map(|text| text.value.into()),
        expires: None,
        tags: read_tags(&fields, report),
        metadata: read_metadata(&fields, report),
    };
    flag.expires = fields
        .string("expires", report)
        .and_then(|text| read_expires(text, report));
    flag.about.expires = flag.expires.map(|expires| expires.value);
    flag.enabled = fields.boolean("enabled", report).unwrap_or(true);
    flag.by = fields.name("by", report);
    flag.salt = fields.name("salt", report);

    if let Some(value) = fields.get("variants") {
        flag.variants_span = Some(Span::of(value));
        flag.variants = fields::object(value, "variants", report)
            .map(|object| read_variants(object, report))
            .unwrap_or_default();
        flag.default = None;
        if fields.get("default").is_none() {
            report
                .error(
                    DiagnosticKind::MissingField,
                    flag.span,
                    "a flag with `variants` needs the field `default`",
                )
                .help("name the variant to serve when no rule decides");
        }
    }
    let variants = &flag.variants;
    let known = |name: Option<Name<'t>>, report: &mut Report| {
        name.filter(|name| is_variant(variants, *name, report))
    };
    if fields.get("default").is_some() {
        flag.default = known(fields.string("default", report), report);
    }
    flag.off = known(fields.string("off", report), report);
    if let Some(array) = fields.array("rules", report) {
        flag.rules = array
            .elements
            .iter()
            .map(|rule| read_rule(rule, variants, report))
            .collect();
    }
}

fn read_tags(fields: &Fields<'_>, report: &mut Report) -> Box<[Box<str>]> {
    let Some(array) = fields.array("tags", report) else {
        return Box::default();
    };
    array
        .elements
        .iter()
        .filter_map(|tag| fields::string(tag, "tags", report))
        .map(|tag| tag.value.into())
        .collect()
}

fn read_expires(text: Name<'_>, report: &mut Report) -> Option<At<Timestamp>> {
    let value = Timestamp::parse_end_of_day(text.value).or_else(|| Timestamp::parse(text.value));
    if value.is_none() {
        report
            .error(
                DiagnosticKind::Date,
                text.span,
                format!("`{}` is no date", text.value),
            )
            .help("such as `2027-03-31`, or `2027-03-31T09:00:00Z`");
    }
    Some(At {
        value: value?,
        span: text.span,
    })
}

fn read_variants<'t>(object: &'t ast::Object<'t>, report: &mut Report) -> Vec<Variant<'t>> {
    if object.properties.is_empty() {
        report
            .error(
                DiagnosticKind::InvalidValue,
                Span::of(object),
                "`variants` may not be empty",
            )
            .help("leave it out for `off` = false and `on` = true");
    }
    let mut first = None;
    let mut variants = Vec::with_capacity(object.properties.len());
    for (name, value) in entries(object) {
        let span = Span::of(value);
        if matches!(value, ast::Value::NullKeyword(_)) {
            report
                .error(
                    DiagnosticKind::WrongType,
                    span,
                    format!("the variant `{}` has no value", name.value),
                )
                .help("a variant is a boolean, a string, a number, an object or an array");
            variants.push(Variant {
                name: name.value,
                value: serde_json::Value::Null,
                span,
            });
            continue;
        }
        let kind = value_kind(value);
        let expected = *first.get_or_insert(kind);
        if kind != expected {
            report
                .error(
                    DiagnosticKind::MixedTypes,
                    span,
                    format!(
                        "the variant `{}` is {kind}, but the first one is {expected}",
                        name.value
                    ),
                )
                .help("all variants of a flag have one type");
        }
        let value = json(value, report).unwrap_or_default();
        variants.push(Variant {
            name: name.value,
            value,
            span,
        });
    }
    variants
}

/// Names the type of a variant: objects and arrays are one type.
fn value_kind(value: &ast::Value<'_>) -> &'static str {
    match value {
        ast::Value::Object(_) | ast::Value::Array(_) => "JSON",
        other => fields::type_name(other),
    }
}

/// Tells whether the flag has a variant, reporting where it has not.
fn is_variant(variants: &[Variant<'_>], name: Name<'_>, report: &mut Report) -> bool {
    // Without any variant the flag's own mistake is reported already.
    let known = variants.is_empty() || variants.iter().any(|variant| variant.name == name.value);
    if !known {
        report
            .error(
                DiagnosticKind::UnknownVariant,
                name.span,
                format!("unknown variant `{}`", name.value),
            )
            .suggest(name.value, variants.iter().map(|variant| variant.name));
    }
    known
}

fn read_rule<'t>(
    value: &'t ast::Value<'t>,
    variants: &[Variant<'t>],
    report: &mut Report,
) -> Rule<'t> {
    let span = Span::of(value);
    let mut rule = Rule {
        span,
        name: None,
        condition: None,
        share: None,
        by: None,
        salt: None,
        serve: At {
            value: Serve::Invalid,
            span,
        },
    };
    let Some(object) = fields::object(value, "a rule", report) else {
        return rule;
    };
    let fields = Fields::new(object, &[fields::RULE], "a rule", report);
    rule.name = fields.string("name", report);
    fields.string("description", report);
    rule.condition = fields
        .get("if")
        .map(|value| read_condition_or_all(value, "if", report));
    rule.by = fields.name("by", report);
    rule.salt = fields.name("salt", report);
    if let Some(value) = fields.get("percent") {
        let share = read_percent(value, "percent", report).map_or(Share::Invalid, Share::Percent);
        rule.share = Some(At {
            value: share,
            span: Span::of(value),
        });
    }
    if let Some(value) = fields.get("ramp") {
        if rule.share.is_some() {
            let key = fields.key("ramp").unwrap_or(span);
            report
                .error(
                    DiagnosticKind::Conflict,
                    key,
                    "`percent` and `ramp` exclude each other",
                )
                .help("keep `ramp`; the percent is its stages', or its `from` and `to`");
        }
        let mut share = read_ramp(value, report);
        if let Share::Staged(ramp) = &mut share {
            ramp.enrolment = canonical(&fields, &["if", "serve"]);
        }
        rule.share = Some(At {
            value: share,
            span: Span::of(value),
        });
    }
    if let Some(value) = fields.required("serve", "a rule", report) {
        rule.serve = At {
            value: read_serve(value, variants, report),
            span: Span::of(value),
        };
    }
    rule
}

/// Reads a percent from the exact decimal as written.
pub(crate) fn read_percent(
    value: &ast::Value<'_>,
    name: &str,
    report: &mut Report,
) -> Option<Percent> {
    match value {
        ast::Value::NumberLit(number) => match Percent::from_decimal(number.value) {
            Ok(percent) => Some(percent),
            Err(error) => {
                let message = match error {
                    ParsePercentError::Decimals => {
                        format!("`{}` has more than six decimals", number.value)
                    }
                    _ => format!("`{}` is not from 0 to 100", number.value),
                };
                report
                    .error(DiagnosticKind::Percent, Span::of(value), message)
                    .help(error.to_string());
                None
            }
        },
        ast::Value::StringLit(text) => {
            let is_percent = Percent::from_decimal(&text.value).is_ok();
            wrong_type(value, name, "a number", report).help_if(
                is_percent,
                &format!("write {} without the quotes", text.value),
            );
            None
        }
        other => {
            wrong_type(other, name, "a number", report);
            None
        }
    }
}

fn read_serve<'t>(
    value: &'t ast::Value<'t>,
    variants: &[Variant<'t>],
    report: &mut Report,
) -> Serve<'t> {
    match value {
        ast::Value::StringLit(_) => fields::string(value, "serve", report)
            .filter(|name| is_variant(variants, *name, report))
            .map_or(Serve::Invalid, Serve::Variant),
        ast::Value::Object(object) => read_weights(object, variants, report),
        other => {
            wrong_type(
                other,
                "serve",
                "a variant's name, or weights such as {\"a\": 50, \"b\": 50}",
                report,
            );
            Serve::Invalid
        }
    }
}

fn read_weights<'t>(
    object: &'t ast::Object<'t>,
    variants: &[Variant<'t>],
    report: &mut Report,
) -> Serve<'t> {
    let mut weights = Vec::with_capacity(object.properties.len());
    let mut valid = true;
    let mut exact = true;
    for (name, value) in entries(object) {
        valid &= is_variant(variants, name, report);
        match read_percent(value, name.value, report) {
            Some(weight) => weights.push((name, weight)),
            None => exact = false,
        }
    }
    let sum: u64 = weights
        .iter()
        .map(|(_, weight)| u64::from(weight.micros()))
        .sum();
    if exact && sum != u64::from(Percent::HUNDRED.micros()) {
        let message = format!("the weights sum to {}, not 100", decimal(sum));
        report
            .error(DiagnosticKind::Weights, Span::of(object), message)
            .help("a weight is a percent of those enrolled");
        valid = false;
    }
    if valid && exact {
        Serve::Weights(weights)
    } else {
        Serve::Invalid
    }
}

fn decimal(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads every condition of an array.
pub(crate) fn read_conditions<'t>(
    array: &'t ast::Array<'t>,
    report: &mut Report,
) -> Vec<Condition<'t>> {
    array
        .elements
        .iter()
        .map(|element| read_condition(element, report))
        .collect()
}
