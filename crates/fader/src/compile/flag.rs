//! Flags and their rules.

use std::sync::Arc;

use crate::attributes::TARGETING_KEY;
use crate::compile::compiler::{Compiler, Part};
use crate::compile::references::flag_nesting;
use crate::compile::warnings;
use crate::document::compose::{Place, Places};
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{self, Seen};
use crate::document::model::{self, FlagEntry, FlagText, Serve, Share};
use crate::document::syntax::{self, Syntax};
use crate::document::text::Text;
use crate::document::{read_flag, slice};
use crate::hash::{self, Reach, Salt};
use crate::number::Number;
use crate::percent::Percent;
use crate::ruleset::one_draw::OneDraw;
use crate::ruleset::{
    self, Condition, DrawRule, Flag, FlagId, PercentPlace, Rule, Truth, Unit, Variant, Written,
    WrittenPercent,
};

/// Reads, checks and compiles a flag, or takes its form of before where its text is known. After an error in it the
/// result is not used. `None` if its text is not what the parser takes for one value.
pub(crate) fn compile_entry<'t>(
    entry: &FlagEntry<'t>,
    text: &Text<'_>,
    compiler: &mut Compiler<'_, 't>,
) -> Option<(FlagId, Arc<Flag>)> {
    let name = entry.name.value;
    let part = Part::Flag(name);
    let id = FlagId(compiler.registry.flags.number(name));
    let cut = match entry.value {
        FlagText::Cut(cut) => cut,
        FlagText::Parsed(value) => {
            compiler.enter(part, None);
            let model = read_flag(name, value, compiler.report);
            let flag = compile_flag(id, model, text.read(), compiler);
            return Some((id, flag));
        }
    };
    compiler.enter(part, Some(cut.whole.start));
    if let Some(known) = &cut.known {
        compiler.refer_again(known, entry.span);
        return (*known.name == *name).then(|| (id, Arc::clone(known)));
    }
    let written = slice(text.all(), cut.whole);
    let value = syntax::parse_scanned(written, Syntax::Document, None).ok()?;
    fields::duplicates(&value, compiler.report);
    let model = read_flag(name, &value, compiler.report);
    let flag = compile_flag(id, model, written, compiler);
    Some((id, flag))
}

/// Checks and compiles a flag that was read from a text.
fn compile_flag(
    id: FlagId,
    mut model: model::Flag<'_>,
    text: &str,
    compiler: &mut Compiler<'_, '_>,
) -> Arc<Flag> {
    let about = std::mem::take(&mut model.about);
    let model = &model;
    compiler.check_count(model.variants.len(), "variants", model.span);
    compiler.check_count(model.rules.len(), "rules", model.span);
    check_rule_names(model, compiler.report);
    let mark = compiler.mark();
    let rules: Box<[Rule]> = model
        .rules
        .iter()
        .enumerate()
        .map(|(at, rule)| compile_rule(model, at, rule, compiler))
        .collect();
    let variants = compile_variants(model, text, compiler);
    check_guarded_ramp(model, compiler);
    warnings::check(model, compiler.input.now, compiler.report);
    compiler.leave();
    let fingerprint = compiler.fingerprint(slice(text, model.span)).into();
    let unchanged = compiler
        .input
        .previous
        .flag(id)
        .filter(|old| old.fingerprint == fingerprint);
    if let Some(unchanged) = unchanged {
        return Arc::clone(unchanged);
    }
    let written = Written {
        references: compiler.references_since(mark),
        percents: written_percents(model),
    };
    let default = model
        .default
        .and_then(|name| variant_of(model, name.value))
        .unwrap_or(0);
    let flag = Flag {
        name: compiler
            .registry
            .flags
            .name(id.0)
            .cloned()
            .unwrap_or_default(),
        enabled: model.enabled,
        off: model.off.and_then(|name| variant_of(model, name.value)),
        default,
        // A document nests 128 levels at the most.
        depth: u8::try_from(flag_nesting(model)).unwrap_or(u8::MAX),
        variants,
        one_draw: OneDraw::of(&rules, default),
        rules,
        fingerprint,
        about: boxed(about),
        written: boxed(written),
    };
    Arc::new(flag)
}

/// Keeps what is not empty.
fn boxed<T: Default + PartialEq>(value: T) -> Option<Box<T>> {
    (value != T::default()).then(|| Box::new(value))
}

fn variant_of(flag: &model::Flag<'_>, name: &str) -> Option<u16> {
    flag.variants
        .iter()
        .position(|variant| variant.name == name)
        .and_then(|at| u16::try_from(at).ok())
}

fn check_rule_names(flag: &model::Flag<'_>, report: &mut Report) {
    let mut seen = Seen::default();
    for name in flag.rules.iter().filter_map(|rule| rule.name) {
        if !seen.insert(name.value) {
            report
                .error(
                    DiagnosticKind::DuplicateName,
                    name.span,
                    format!("a second rule is named `{}`", name.value),
                )
                .help("answers and overlays tell rules by their names");
        }
    }
}

/// Compiles a flag's variants, or shares those of a flag that writes them alike.
fn compile_variants(
    model: &model::Flag<'_>,
    text: &str,
    compiler: &mut Compiler<'_, '_>,
) -> Arc<[Variant]> {
    let compile = |compiler: &mut Compiler<'_, '_>| {
        let variants = model.variants.iter();
        variants
            .map(|variant| compile_variant(model, variant, compiler))
            .collect()
    };
    // A type of the service's own is decoded, and may fail, for each flag by itself. What is no flag at all has none.
    let is_decoded = compiler.input.decoders.contains_key(model.name);
    if is_decoded || model.variants.is_empty() {
        return compile(compiler);
    }
    let written = model.variants_span.map_or("", |span| slice(text, span));
    let fingerprint = hash::identity(written.as_bytes());
    let known = match compiler.variants.get(&fingerprint) {
        Some(known) => return Arc::clone(known),
        None => compiler.registry.variants.remove(&fingerprint),
    };
    let variants = known.unwrap_or_else(|| compile(compiler));
    compiler.variants.insert(fingerprint, Arc::clone(&variants));
    variants
}

fn compile_variant(
    flag: &model::Flag<'_>,
    model: &model::Variant<'_>,
    compiler: &mut Compiler<'_, '_>,
) -> Variant {
    let mut decoded = None;
    if let Some(decoder) = compiler.input.decoders.get(flag.name) {
        match decoder.decode(&model.value) {
            Ok(value) => decoded = Some(value),
            Err(reason) => {
                let message = format!(
                    "the variant `{}` does not fit the type that the service reads: {reason}",
                    model.name
                );
                compiler
                    .report
                    .error(DiagnosticKind::Decode, model.span, message);
            }
        }
    }
    let float = model.value.as_f64();
    let integer = match float.and_then(Number::from_f64) {
        Some(Number::Integer(integer)) => model.value.as_i64().or(Some(integer)),
        _ => model.value.as_i64(),
    };
    Variant {
        name: model.name.into(),
        value: model.value.clone(),
        decoded,
        integer,
        float,
    }
}

fn compile_rule(
    flag: &model::Flag<'_>,
    at: usize,
    model: &model::Rule<'_>,
    compiler: &mut Compiler<'_, '_>,
) -> Rule {
    let condition = model
        .condition
        .as_ref()
        .map_or(Condition::Constant(Truth::True), |model| {
            compiler.condition(model)
        });
    let share = match model.share.as_ref().map(|share| &share.value) {
        Some(Share::Percent(percent)) => Some(ruleset::Share::Percent(Reach::of(*percent))),
        Some(Share::Clock(ramp)) => Some(ruleset::Share::Clock(Box::new(*ramp))),
        Some(Share::Staged(ramp)) => {
            Some(ruleset::Share::Staged(compiler.staged(flag, model, ramp)))
        }
        Some(Share::Invalid) | None => match model.serve.value {
            Serve::Weights(_) => Some(ruleset::Share::Percent(Reach::EVERYONE)),
            _ => None,
        },
    };
    let draw = share.map(|share| {
        let by = unit_of(flag, model);
        let unit = match compiler.ambient(by) {
            Some(value) => Unit::Constant(Box::new(value.clone())),
            None => Unit::Attribute(compiler.attribute(by)),
        };
        DrawRule {
            unit,
            salt: Salt::new(salt_of(flag, model)),
            share,
        }
    });
    let serve = match &model.serve.value {
        Serve::Variant(name) => ruleset::Serve::One(variant_of(flag, name.value).unwrap_or(0)),
        Serve::Weights(weights) => ruleset::Serve::Split(cumulate(flag, weights)),
        Serve::Invalid => ruleset::Serve::One(0),
    };
    Rule {
        label: match model.name {
            Some(name) => compiler.label(name.value),
            None => compiler.registry.place_label(at),
        },
        condition,
        draw,
        serve,
    }
}

/// Sums weights up in document order; one of 0 gets nobody.
fn cumulate(flag: &model::Flag<'_>, weights: &[(model::Name<'_>, Percent)]) -> Box<[(Reach, u16)]> {
    let mut sum = 0;
    let parts = weights
        .iter()
        .filter(|(_, weight)| *weight > Percent::ZERO)
        .map(|(name, weight)| {
            sum += weight.micros();
            let reach = Percent::from_micros(sum).map_or(Reach::EVERYONE, Reach::of);
            (reach, variant_of(flag, name.value).unwrap_or(0))
        });
    parts.collect()
}

/// Returns the attribute whose value is a rule's unit.
pub(crate) fn unit_of<'t>(flag: &model::Flag<'t>, rule: &model::Rule<'t>) -> &'t str {
    rule.by
        .or(flag.by)
        .map_or(TARGETING_KEY, |by| by.name.value)
}

/// Returns a rule's salt.
pub(crate) fn salt_of<'t>(flag: &model::Flag<'t>, rule: &model::Rule<'t>) -> &'t str {
    rule.salt
        .or(flag.salt)
        .map_or(flag.name, |salt| salt.name.value)
}

/// Returns whether a rule hashes a unit.
pub(crate) fn draws(rule: &model::Rule<'_>) -> bool {
    rule.share.is_some() || matches!(rule.serve.value, Serve::Weights(_))
}

/// A guarded ramp is the last rule of its flag and its only draw, serves one variant, and shares its salt with no other
/// guarded ramp.
fn check_guarded_ramp(flag: &model::Flag<'_>, compiler: &mut Compiler<'_, '_>) {
    let kind = DiagnosticKind::GuardedRamp;
    let last = flag.rules.len().saturating_sub(1);
    for (at, rule) in flag.rules.iter().enumerate() {
        let Some(model::At {
            value: Share::Staged(_),
            span,
        }) = rule.share
        else {
            continue;
        };
        if at != last {
            compiler
                .report
                .error(
                    kind,
                    span,
                    "a ramp with stages is the last rule of its flag",
                )
                .help("rules for test accounts and partners stand before it");
        } else if flag.rules.iter().filter(|rule| draws(rule)).count() > 1 {
            compiler
                .report
                .error(
                    kind,
                    span,
                    "a ramp with stages is the only draw of its flag",
                )
                .help("another percent would hand it a selected part of the units");
        }
        if let Serve::Weights(_) = rule.serve.value {
            compiler
                .report
                .error(
                    kind,
                    rule.serve.span,
                    "a ramp with stages serves one variant",
                )
                .help("its guardrails compare that variant with the stable one");
        }
        let salt = salt_of(flag, rule);
        if let Some(other) = compiler.guard(salt) {
            let place = rule.salt.or(flag.salt).map_or(span, |salt| salt.name.span);
            compiler
                .report
                .error(
                    kind,
                    place,
                    format!("the ramp of `{other}` has the same salt, `{salt}`"),
                )
                .help("a salt of its own keeps two ramps independent");
        }
    }
}

/// Returns the percents of a flag's rules as its text has them.
fn written_percents(flag: &model::Flag<'_>) -> Box<[WrittenPercent]> {
    let percent = |(at, rule): (usize, &model::Rule<'_>)| match rule.share {
        Some(model::At {
            value: Share::Percent(percent),
            span,
        }) => Some(WrittenPercent {
            rule: u16::try_from(at).ok()?,
            percent,
            offset: u32::try_from(span.start - flag.span.start).ok()?,
        }),
        _ => None,
    };
    flag.rules.iter().enumerate().filter_map(percent).collect()
}

/// Returns where the percents of a flag's rules stand, so that an overlay which hides one can be shown there.
pub(crate) fn percent_places(
    id: FlagId,
    flag: &Flag,
    start: usize,
    places: &Places<'_>,
) -> impl Iterator<Item = PercentPlace> {
    let percents = flag.written.as_ref().map_or(&[][..], |it| &it.percents);
    percents.iter().map(move |written| {
        let Place { file, line, column } = places.place(start + written.offset as usize);
        PercentPlace {
            flag: id,
            rule: written.rule,
            percent: written.percent,
            file,
            line,
            column,
        }
    })
}
