//! Why a flag resolved as it did: the same evaluation, with an observer that writes everything down.

use std::fmt;
use std::sync::Arc;

use crate::attributes::ValueRef;
use crate::decision::Resolution;
use crate::evaluate::{Observer, Outcome};
use crate::hash::Reach;
use crate::number::Number;
use crate::ruleset::condition::{Equals, OrderOperator, Test};
use crate::ruleset::text::TextOperator;
use crate::ruleset::{Condition, Flag, Ruleset, Truth};

/// Lines kept of one explanation; what a huge document adds beyond is left out, and said so.
const MAX_LINES: usize = 2_000;
/// Items shown of a long operand.
const MAX_ITEMS: usize = 5;

/// Why a flag resolved as it did: every rule, also those that did not decide, with each condition and what it found.
///
/// It shows values of attributes, so it is for the eyes of whoever may see those.
#[derive(Clone, Debug)]
pub struct Explanation {
    flag: String,
    resolution: Resolution,
    lines: Vec<Line>,
    truncated: bool,
}

#[derive(Clone, Debug)]
struct Line {
    depth: usize,
    text: String,
}

impl Explanation {
    pub(crate) fn new(
        flag: &str,
        resolution: Resolution,
        recorder: Recorder,
        compiled: Option<&Arc<Flag>>,
    ) -> Self {
        let mut lines = recorder.lines;
        for rule in compiled
            .iter()
            .flat_map(|flag| flag.rules.iter())
            .skip(recorder.rules)
        {
            lines.push(Line {
                depth: 0,
                text: format!("rule `{}`: not reached", rule.label),
            });
        }
        Self {
            flag: flag.to_owned(),
            resolution,
            lines,
            truncated: recorder.truncated,
        }
    }

    /// Returns the resolution that it explains.
    #[must_use]
    pub fn resolution(&self) -> &Resolution {
        &self.resolution
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            flag, resolution, ..
        } = self;
        match resolution.value() {
            Some(value) => write!(f, "{flag} = {value}")?,
            None => write!(f, "{flag} = the caller's default")?,
        }
        if let Some(variant) = resolution.variant() {
            write!(f, " (variant `{variant}`)")?;
        }
        write!(f, ", reason {}", resolution.reason())?;
        if let Some(code) = resolution.error_code() {
            write!(f, " {code}")?;
        }
        if let Some(rule) = resolution.rule() {
            write!(f, ", rule `{rule}`")?;
        }
        write!(
            f,
            ", version {}",
            if resolution.version().is_empty() {
                "none"
            } else {
                resolution.version()
            }
        )?;
        for line in &self.lines {
            write!(
                f,
                "\n{:indent$}{}",
                "",
                line.text,
                indent = 2 + line.depth * 2
            )?;
        }
        if self.truncated {
            f.write_str("\n  … and more")?;
        }
        Ok(())
    }
}

/// Writes an evaluation down.
#[derive(Default)]
pub(crate) struct Recorder {
    lines: Vec<Line>,
    /// The rules of the flag itself that were tried.
    rules: usize,
    truncated: bool,
    depth: usize,
    /// What stands before the next condition.
    prefix: String,
    /// How many flags deep the evaluation is: 0 in the flag itself.
    flags: usize,
    /// Lines whose text waits for an outcome: of rules, and of conditions.
    open_rules: Vec<Option<usize>>,
    open: Vec<Option<usize>>,
}

impl Recorder {
    fn push(&mut self, text: String) -> Option<usize> {
        if self.lines.len() >= MAX_LINES {
            self.truncated = true;
            return None;
        }
        self.lines.push(Line {
            depth: self.depth,
            text,
        });
        Some(self.lines.len() - 1)
    }

    fn complete(&mut self, line: Option<usize>, text: &str) {
        if let Some(line) = line.and_then(|line| self.lines.get_mut(line)) {
            line.text.push_str(text);
        }
    }

    fn end_rule(&mut self) {
        if self.open_rules.pop().is_some() {
            self.depth = self.depth.saturating_sub(1);
        }
    }
}

impl Observer for Recorder {
    const RECORDS: bool = true;

    fn rule(&mut self, flag: &Flag, index: u16) {
        if self.flags == 0 {
            self.rules = usize::from(index) + 1;
        }
        let label = flag
            .rules
            .get(usize::from(index))
            .map_or("", |rule| &rule.label);
        let of = if self.flags == 0 {
            String::new()
        } else {
            format!(" of `{}`", flag.name)
        };
        let line = self.push(format!("rule `{label}`{of}: "));
        self.open_rules.push(line);
        self.depth += 1;
    }

    fn outcome(&mut self, outcome: Outcome) {
        let text = match outcome {
            Outcome::Decided => "decides".to_owned(),
            Outcome::NotMatched(Truth::Unknown) => "its condition is unknown".to_owned(),
            Outcome::NotMatched(_) => "its condition does not hold".to_owned(),
            Outcome::NoUnit => "there is no unit to draw with".to_owned(),
            Outcome::Wave => "decides, the unit is in an open wave".to_owned(),
            Outcome::Drew {
                enrolled,
                position,
                reach,
            } => {
                #[expect(clippy::cast_precision_loss, reason = "shown to six decimals")]
                let percent = |n: u64| n as f64 * 100.0 / 18_446_744_073_709_551_616.0;
                let reach = match reach {
                    Reach { everyone: true, .. } => 100.0,
                    Reach { below, .. } => percent(below),
                };
                let (verb, inside) = if enrolled {
                    ("decides", "inside")
                } else {
                    ("passes", "outside")
                };
                format!(
                    "{verb}, the unit is at {:.6} %, {inside} the first {reach:.6} %",
                    percent(position)
                )
            }
        };
        let line = self.open_rules.last().copied().flatten();
        self.complete(line, &text);
        self.end_rule();
    }

    fn wave(&mut self, number: u32) {
        self.prefix = format!("wave {number}: ");
    }

    fn enter(&mut self) {
        let prefix = std::mem::take(&mut self.prefix);
        let line = self.push(prefix);
        self.open.push(line);
        self.depth += 1;
    }

    fn leave(
        &mut self,
        ruleset: &Ruleset,
        condition: &Condition,
        truth: Truth,
        found: Option<ValueRef<'_>>,
    ) {
        self.depth = self.depth.saturating_sub(1);
        let mut text = describe(ruleset, condition);
        text.push_str(match truth {
            Truth::True => ": holds",
            Truth::False => ": does not hold",
            Truth::Unknown => ": unknown",
        });
        if let Condition::Attribute { .. } = condition {
            match found {
                Some(value) => text.extend([", it is ", &*show(value)]),
                None => text.push_str(", it is missing"),
            }
        }
        let line = self.open.pop().flatten();
        self.complete(line, &text);
    }

    fn enter_flag(&mut self) {
        self.flags += 1;
    }

    fn leave_flag(&mut self) {
        self.flags = self.flags.saturating_sub(1);
    }
}

fn show(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Bool(value) => value.to_string(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Float(value) => value.to_string(),
        ValueRef::Text(text) => format!("{:?}", shorten(text)),
        ValueRef::Untyped(text) => format!("{:?} (untyped)", shorten(text)),
        ValueRef::List(values) => list(values.iter().map(|value| show(value.as_ref()))),
        ValueRef::Opaque => "of no type".to_owned(),
    }
}

fn shorten(text: &str) -> String {
    const MAX: usize = 100;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn list(mut items: impl Iterator<Item = String>) -> String {
    let shown: Vec<_> = items.by_ref().take(MAX_ITEMS).collect();
    let more = items.count();
    if more == 0 {
        format!("[{}]", shown.join(", "))
    } else {
        format!("[{}, and {more} more]", shown.join(", "))
    }
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>, ignore_case: bool) -> String {
    let shown = list(texts.map(|text| format!("{:?}", shorten(text))));
    if ignore_case {
        format!("{shown}, case ignored")
    } else {
        shown
    }
}

fn number(number: Number) -> String {
    match number {
        Number::Integer(value) => value.to_string(),
        Number::Float(value) => value.to_string(),
    }
}

/// Words a condition from its compiled form.
fn describe(ruleset: &Ruleset, condition: &Condition) -> String {
    match condition {
        Condition::Constant(_) => "a constant".to_owned(),
        Condition::All(_) => "all of".to_owned(),
        Condition::Any(_) => "any of".to_owned(),
        Condition::Not(_) => "not".to_owned(),
        Condition::Segment(id) => {
            format!(
                "segment `{}`",
                ruleset.segment(*id).map_or("", |segment| &segment.name)
            )
        }
        Condition::Flag { flag, variants } => {
            let variants = list(variants.iter().map(|variant| format!("`{variant}`")));
            format!(
                "flag `{}` serves one of {variants}",
                ruleset.flag_name(*flag).unwrap_or("")
            )
        }
        Condition::Time { from, until } => match (from, until) {
            (Some(from), Some(until)) => format!("time from {from} until {until}"),
            (Some(from), None) => format!("time from {from}"),
            (None, Some(until)) => format!("time until {until}"),
            (None, None) => "any time".to_owned(),
        },
        Condition::Attribute { attribute, test } => {
            format!("`{}` {}", attribute.name, describe_test(ruleset, test))
        }
    }
}

fn described(values: &[String], ignore_case: bool) -> String {
    format!(
        "in {}",
        texts(values.iter().map(String::as_str), ignore_case)
    )
}

fn describe_equals(equals: &Equals) -> String {
    match equals {
        Equals::Nothing => "in []".to_owned(),
        Equals::Bools {
            yes: true,
            no: true,
        } => "in [true, false]".to_owned(),
        Equals::Bools { yes, .. } => format!("is {yes}"),
        Equals::Texts(set) => described(&set.texts(), set.ignore_case()),
        Equals::Numbers(numbers) => {
            format!("in {}", list(numbers.iter().map(|value| number(*value))))
        }
    }
}

fn describe_test(ruleset: &Ruleset, test: &Test) -> String {
    match test {
        Test::Exists(true) => "exists".to_owned(),
        Test::Exists(false) => "is missing".to_owned(),
        Test::Words(words) => described(&words.texts(), false),
        Test::Equals(equals) => describe_equals(equals),
        Test::InList(id) => match ruleset.list(*id) {
            Some(list) => format!("in list `{}` of {}", list.name, list.ids.len()),
            None => "in a list that is gone".to_owned(),
        },
        Test::Text(operator) => {
            let name = match operator.operator() {
                TextOperator::StartsWith => "starts with",
                TextOperator::EndsWith => "ends with",
                TextOperator::Contains => "contains",
            };
            format!(
                "{name} one of {}",
                texts(operator.operands(), operator.ignore_case())
            )
        }
        Test::Matches(pattern) => format!(
            "matches one of {}",
            texts(pattern.sources(), pattern.ignore_case())
        ),
        Test::Order(operator, bound) => {
            let sign = match operator {
                OrderOperator::Below => "<",
                OrderOperator::AtMost => "<=",
                OrderOperator::Above => ">",
                OrderOperator::AtLeast => ">=",
            };
            format!("{sign} {}", number(*bound))
        }
        Test::Between(low, high) => format!("between {} and {}", number(*low), number(*high)),
        Test::Before(instant) => format!("before {instant}"),
        Test::After(instant) => format!("after {instant}"),
        Test::Version(requirements) => format!(
            "version {}",
            list(requirements.iter().map(ToString::to_string))
        ),
        Test::InNetwork(networks) => format!(
            "in network {}",
            list(networks.networks().iter().map(ToString::to_string))
        ),
    }
}
