//! A condition in its cheapest form.

use std::sync::Arc;

use crate::attributes::ValueRef;
use crate::number::{Literal, Number};
use crate::ruleset::list::IdList;
use crate::ruleset::network::NetworkSet;
use crate::ruleset::pattern::Pattern;
use crate::ruleset::text::{TextMatch, TextSet, Words};
use crate::ruleset::version::Requirement;
use crate::ruleset::{Attribute, FlagId, ListId, SegmentId};
use crate::time::Timestamp;

/// Kleene's three values of truth, in the order that makes `all` a minimum and `any` a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    False,
    Unknown,
    True,
}

impl Truth {
    /// Returns the two bits that a memo keeps: 1, 2, 3, where 0 is for nothing kept.
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::False => 1,
            Self::Unknown => 2,
            Self::True => 3,
        }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Truth {
    #[inline(always)]
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Unknown where there is no answer.
impl From<Option<bool>> for Truth {
    #[inline(always)]
    fn from(value: Option<bool>) -> Self {
        value.map_or(Self::Unknown, Self::from)
    }
}

#[derive(Debug)]
#[repr(u8)]
pub(crate) enum Condition {
    Constant(Truth),
    All(Box<[Self]>),
    Any(Box<[Self]>),
    Not(Box<Self>),
    Segment(SegmentId),
    /// Holds if the flag serves one of these variants. They are compared by name, so that a flag which kept an earlier
    /// form (ADR 0003) still means the same.
    Flag {
        flag: FlagId,
        variants: Box<[Box<str>]>,
    },
    Time {
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    },
    Attribute {
        attribute: Arc<Attribute>,
        test: Test,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderOperator {
    Below,
    AtMost,
    Above,
    AtLeast,
}

#[derive(Debug)]
#[repr(u8)]
pub(crate) enum Test {
    Exists(bool),
    /// Equal to one of these texts.
    Words(Words),
    /// Equal to one of these; an empty set is of no type and false for any scalar.
    Equals(Box<Equals>),
    InList(ListId),
    Text(TextMatch),
    Matches(Pattern),
    Order(OrderOperator, Number),
    Between(Number, Number),
    Before(Timestamp),
    After(Timestamp),
    /// Matching one of these, shared with other flags that write them alike.
    Version(Arc<[Requirement]>),
    InNetwork(Box<NetworkSet>),
}

#[derive(Debug)]
pub(crate) enum Equals {
    Nothing,
    Bools {
        yes: bool,
        no: bool,
    },
    Texts(TextSet),
    /// Sorted by value.
    Numbers(Box<[Number]>),
}

impl Equals {
    pub(crate) fn numbers(mut values: Vec<Number>) -> Self {
        values.sort_by(|a, b| a.compare(*b));
        values.dedup();
        Self::Numbers(values.into())
    }

    fn holds(&self, value: ValueRef<'_>) -> Truth {
        match (self, value) {
            (_, ValueRef::Opaque | ValueRef::List(_)) => Truth::Unknown,
            (Self::Nothing, _) => Truth::False,
            (Self::Bools { yes, no }, ValueRef::Bool(value)) => {
                (if value { *yes } else { *no }).into()
            }
            (Self::Texts(texts), ValueRef::Text(text) | ValueRef::Untyped(text)) => {
                texts.contains(text).into()
            }
            (Self::Numbers(numbers), value) => number(value)
                .map(|number| {
                    numbers
                        .binary_search_by(|candidate| candidate.compare(number))
                        .is_ok()
                })
                .into(),
            _ => Truth::Unknown,
        }
    }
}

/// Returns the number that a value is, if it is one.
fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Integer(value) => Some(Number::Integer(value)),
        ValueRef::Float(value) => Number::from_f64(value),
        ValueRef::Untyped(text) => Literal::parse(text).map(Literal::number),
        _ => None,
    }
}

/// Finds the ids of a list.
pub(crate) trait Lists {
    fn ids(&self, list: ListId) -> Option<&IdList>;
}

impl Test {
    /// Tests an attribute, present or missing.
    ///
    /// Most attributes are texts and most tests are about texts: that is a way of its own, with little else at hand.
    #[inline(always)]
    pub(crate) fn holds(&self, value: Option<ValueRef<'_>>, lists: &impl Lists) -> Truth {
        if let Some(ValueRef::Text(text) | ValueRef::Untyped(text)) = value
            && let Some(truth) = self.holds_for_text(text, lists)
        {
            return truth;
        }
        self.holds_for_other(value, lists)
    }

    /// Tests a text, of either kind alike; `None` where the kind matters, or the test is not about texts.
    #[inline(always)]
    fn holds_for_text(&self, text: &str, lists: &(impl Lists + ?Sized)) -> Option<Truth> {
        Some(match self {
            Self::Words(words) => words.contains(text).into(),
            Self::Text(operator) => operator.holds(text).into(),
            Self::Matches(pattern) => pattern.is_match(text).into(),
            Self::Version(requirements) => super::version::matches(requirements, text).into(),
            Self::InNetwork(networks) => networks.contains(text).into(),
            Self::Before(bound) => Timestamp::parse(text).map(|at| at < *bound).into(),
            Self::After(bound) => Timestamp::parse(text).map(|at| at > *bound).into(),
            Self::InList(list) => in_list(lists.ids(*list), text.as_bytes()),
            _ => return None,
        })
    }

    /// Of a list one element has to pass: Kleene's `any` over them.
    #[inline(never)]
    fn holds_for_other(&self, value: Option<ValueRef<'_>>, lists: &dyn Lists) -> Truth {
        match (self, value) {
            (Self::Exists(wanted), value) => (value.is_some() == *wanted).into(),
            (_, None) => Truth::Unknown,
            (_, Some(ValueRef::List(values))) => {
                let mut any = Truth::False;
                for value in values {
                    any = any.max(self.holds_for_one(value.as_ref(), lists));
                    if any == Truth::True {
                        break;
                    }
                }
                any
            }
            (_, Some(value)) => self.holds_for_one(value, lists),
        }
    }

    fn holds_for_one(&self, value: ValueRef<'_>, lists: &dyn Lists) -> Truth {
        if let ValueRef::Text(text) | ValueRef::Untyped(text) = value
            && let Some(truth) = self.holds_for_text(text, lists)
        {
            return truth;
        }
        match self {
            Self::Equals(equals) => equals.holds(value),
            Self::InList(list) => {
                let mut digits = itoa::Buffer::new();
                match unit(value, &mut digits) {
                    Some(id) => in_list(lists.ids(*list), id),
                    None => Truth::Unknown,
                }
            }
            Self::Order(operator, bound) => number(value)
                .map(|number| {
                    let order = number.compare(*bound);
                    match operator {
                        OrderOperator::Below => order.is_lt(),
                        OrderOperator::AtMost => order.is_le(),
                        OrderOperator::Above => order.is_gt(),
                        OrderOperator::AtLeast => order.is_ge(),
                    }
                })
                .into(),
            Self::Between(low, high) => number(value)
                .map(|number| number.compare(*low).is_ge() && number.compare(*high).is_le())
                .into(),
            // The others are about texts, and this is none.
            _ => Truth::Unknown,
        }
    }
}

/// A list that is gone is known only to a flag that kept an earlier form (ADR 0003).
#[inline(never)]
fn in_list(ids: Option<&IdList>, id: &[u8]) -> Truth {
    ids.map(|ids| ids.contains(id)).into()
}

/// Returns the bytes of a value that can be a unit or an id: text as it is, an integer as its decimal digits.
#[inline(always)]
pub(crate) fn unit<'a>(value: ValueRef<'a>, digits: &'a mut itoa::Buffer) -> Option<&'a [u8]> {
    match value {
        ValueRef::Text(text) | ValueRef::Untyped(text) => Some(text.as_bytes()),
        ValueRef::Integer(value) => Some(digits.format(value).as_bytes()),
        _ => None,
    }
}
