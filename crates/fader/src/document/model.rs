//! A document as written, typed: every field with its place, names not yet looked up.

use jsonc_parser::ast;

use crate::document::syntax::Span;
use crate::document::text::Cut;
use crate::number::Number;
use crate::percent::Percent;
use crate::plan::{Freeze, Plan};
use crate::ruleset::About;
use crate::ruleset::condition::OrderOperator;
use crate::ruleset::network::Network;
use crate::ruleset::ramp::ClockRamp;
use crate::ruleset::text::TextOperator;
use crate::ruleset::version::Requirement;
use crate::time::Timestamp;

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A name as written, and where.
pub(crate) type Name<'t> = At<&'t str>;

/// A field that holds a name, with the place of the field's own name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'t> {
    pub(crate) key: Span,
    pub(crate) name: Name<'t>,
}

#[derive(Default)]
pub(crate) struct FlagSet<'t> {
    pub(crate) revision: Option<At<i64>>,
    pub(crate) metadata: Option<serde_json::Value>,
    pub(crate) segments: Vec<Segment<'t>>,
    pub(crate) lists: Vec<List<'t>>,
    pub(crate) flags: Vec<FlagEntry<'t>>,
    pub(crate) freezes: Vec<Freeze>,
}

/// A flag of which only the name is read. Its places are those of the whole text.
pub(crate) struct FlagEntry<'t> {
    pub(crate) name: Name<'t>,
    /// The place of the flag's value.
    pub(crate) span: Span,
    pub(crate) value: FlagText<'t>,
}

pub(crate) enum FlagText<'t> {
    Parsed(&'t ast::Value<'t>),
    Cut(&'t Cut),
}

pub(crate) struct Segment<'t> {
    /// With its place in the whole text.
    pub(crate) name: Name<'t>,
    pub(crate) span: Span,
    pub(crate) condition: Condition<'t>,
}

pub(crate) struct List<'t> {
    /// With its place in the whole text.
    pub(crate) name: Name<'t>,
    pub(crate) span: Span,
    pub(crate) ids: Ids<'t>,
    pub(crate) exact: bool,
}

pub(crate) enum Ids<'t> {
    Inline(Vec<std::borrow::Cow<'t, str>>),
    File(Name<'t>),
    /// Reported already.
    Invalid,
}

/// A flag. Its places are those of the text that it was parsed from: its own, or the document's.
pub(crate) struct Flag<'t> {
    pub(crate) name: &'t str,
    /// The place of the flag's whole value.
    pub(crate) span: Span,
    /// In the order of the text; `off` and `on` where omitted. Empty only after an error.
    pub(crate) variants: Vec<Variant<'t>>,
    /// The place of all variants; none where they are omitted.
    pub(crate) variants_span: Option<Span>,
    pub(crate) default: Option<Name<'t>>,
    pub(crate) enabled: bool,
    pub(crate) off: Option<Name<'t>>,
    pub(crate) by: Option<Field<'t>>,
    pub(crate) salt: Option<Field<'t>>,
    pub(crate) rules: Vec<Rule<'t>>,
    pub(crate) expires: Option<At<Timestamp>>,
    pub(crate) about: About,
}

pub(crate) struct Variant<'t> {
    pub(crate) name: &'t str,
    pub(crate) value: serde_json::Value,
    /// The place of the value; of the flag where the variants are omitted.
    pub(crate) span: Span,
}

pub(crate) struct Rule<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Name<'t>>,
    pub(crate) condition: Option<Condition<'t>>,
    pub(crate) share: Option<At<Share<'t>>>,
    pub(crate) by: Option<Field<'t>>,
    pub(crate) salt: Option<Field<'t>>,
    pub(crate) serve: At<Serve<'t>>,
}

/// How many units a rule takes.
pub(crate) enum Share<'t> {
    Percent(Percent),
    Clock(ClockRamp),
    Staged(Box<StagedRamp<'t>>),
    /// Reported already.
    Invalid,
}

/// A ramp that a controller runs.
pub(crate) struct StagedRamp<'t> {
    /// What the ramp says of itself; what follows from its rule is filled in when that is compiled.
    pub(crate) plan: Plan,
    /// Who its waves are, in the order of the stages.
    pub(crate) waves: Vec<Condition<'t>>,
    /// The flags whose plans have to be completed.
    pub(crate) required: Vec<Name<'t>>,
    /// What the rule says of who is enrolled, however it is formatted.
    pub(crate) enrolment: String,
    /// Where the guardrails stand, or the ramp without them.
    pub(crate) guardrails_span: Span,
    pub(crate) has_absolute_guardrail: bool,
}

pub(crate) enum Serve<'t> {
    Variant(Name<'t>),
    Weights(Vec<(Name<'t>, Percent)>),
    /// Reported already.
    Invalid,
}

pub(crate) struct Condition<'t> {
    pub(crate) kind: ConditionKind<'t>,
}

pub(crate) enum ConditionKind<'t> {
    All(At<Vec<Condition<'t>>>),
    Any(At<Vec<Condition<'t>>>),
    Not(Box<Condition<'t>>),
    Segment(Name<'t>),
    Flag {
        flag: Name<'t>,
        variants: At<Vec<Name<'t>>>,
    },
    Time {
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    },
    Attribute {
        name: &'t str,
        test: At<Test<'t>>,
    },
    /// Reported already.
    Invalid,
}

/// An operator with its operands.
pub(crate) enum Test<'t> {
    Exists(bool),
    InNumbers(Vec<Number>),
    InText {
        values: Vec<&'t str>,
        ignore_case: bool,
    },
    InBools(Vec<bool>),
    InNothing,
    InList(Name<'t>),
    Text {
        operator: TextOperator,
        operands: Vec<&'t str>,
        ignore_case: bool,
    },
    Matches {
        patterns: Vec<Name<'t>>,
        ignore_case: bool,
    },
    Order {
        operator: OrderOperator,
        bound: Number,
    },
    Between(Number, Number),
    Before(Timestamp),
    After(Timestamp),
    Version(Vec<Requirement>),
    InNetwork(Vec<Network>),
}
