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

fn text(value: ValueRef<'_>) -> Option<&str> {
    match value {
        ValueRef::Text(text) | ValueRef::Untyped(text) => Some(text),
        _ => None,
    }
}

impl Test {
    /// Tests an attribute that is present. Of a list one element has to pass: Kleene's `any` over them.
    pub(crate) fn holds<'r>(
        &self,
        value: ValueRef<'_>,
        list: &dyn Fn(ListId) -> Option<&'r IdList>,
    ) -> Truth {
        match (self, value) {
            (Self::Exists(wanted), _) => (*wanted).into(),
            (_, ValueRef::List(values)) => {
                let mut any = Truth::False;
                for value in values {
                    any = any.max(self.holds_for_one(value.as_ref(), list));
                    if any == Truth::True {
                        break;
                    }
                }
                any
            }
            _ => self.holds_for_one(value, list),
        }
    }

    fn holds_for_one<'r>(
        &self,
        value: ValueRef<'_>,
        list: &dyn Fn(ListId) -> Option<&'r IdList>,
    ) -> Truth {
        match self {
            Self::Exists(wanted) => (*wanted).into(),
            Self::Words(words) => text(value).map(|text| words.contains(text)).into(),
            Self::Equals(equals) => equals.holds(value),
            Self::InList(id) => {
                let mut digits = itoa::Buffer::new();
                match (list(*id), unit(value, &mut digits)) {
                    (Some(list), Some(id)) => list.contains(id).into(),
                    _ => Truth::Unknown,
                }
            }
            Self::Text(operator) => text(value).map(|text| operator.holds(text)).into(),
            Self::Matches(pattern) => text(value).map(|text| pattern.is_match(text)).into(),
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
            Self::Before(bound) => text(value)
                .and_then(Timestamp::parse)
                .map(|instant| instant < *bound)
                .into(),
            Self::After(bound) => text(value)
                .and_then(Timestamp::parse)
                .map(|instant| instant > *bound)
                .into(),
            Self::Version(requirements) => text(value)
                .and_then(|text| super::version::matches(requirements, text))
                .into(),
            Self::InNetwork(networks) => {
                text(value).and_then(|text| networks.contains(text)).into()
            }
        }
    }
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
