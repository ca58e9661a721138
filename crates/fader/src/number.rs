//! Numbers as a document means them: integers and floats of one type, compared by exact mathematical value.

use std::cmp::Ordering;

/// An i64 or a float; a float that is a whole number within i64 is held as the integer, so that equal values are
/// equal in form. Never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Float(f64),
}

/// 2^63: the first float beyond i64.
const BEYOND_I64: f64 = 9_223_372_036_854_775_808.0;

impl Number {
    /// Returns the number of a float; `None` for NaN.
    pub(crate) fn from_f64(value: f64) -> Option<Self> {
        if value.is_nan() {
            None
        } else if value.fract() == 0.0 && (-BEYOND_I64..BEYOND_I64).contains(&value) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a whole number within i64, checked above"
            )]
            let integer = value as i64;
            Some(Self::Integer(integer))
        } else {
            Some(Self::Float(value))
        }
    }

    /// Orders by exact value: 9007199254740993 is above 9007199254740992.0.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(&b),
            (Self::Integer(a), Self::Float(b)) => compare_mixed(a, b),
            (Self::Float(a), Self::Integer(b)) => compare_mixed(b, a).reverse(),
        }
    }
}

/// Orders an integer against a float that is not itself an integer within i64.
fn compare_mixed(integer: i64, float: f64) -> Ordering {
    if float >= BEYOND_I64 {
        return Ordering::Less;
    }
    if float < -BEYOND_I64 {
        return Ordering::Greater;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the floor of a float within i64, checked above"
    )]
    let floor = float.floor() as i64;
    // The float lies strictly between its floor and the next integer, since it is no integer itself.
    if integer <= floor {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

/// A JSON number as written: an integer where it has neither fraction nor exponent and fits i64, else the nearest
/// float.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Literal {
    Integer(i64),
    Float(f64),
}

impl Literal {
    /// Reads a text that is wholly a JSON number; `None` for any other text and for one beyond f64's range.
    ///
    /// Does not allocate.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match grammar(text.as_bytes())? {
            Grammar::Integer => text
                .parse()
                .map(Self::Integer)
                .ok()
                .or_else(|| finite(text)),
            Grammar::Float => finite(text),
        }
    }

    pub(crate) fn number(self) -> Number {
        match self {
            Self::Integer(value) => Number::Integer(value),
            Self::Float(value) => Number::from_f64(value).unwrap_or(Number::Float(value)),
        }
    }
}

fn finite(text: &str) -> Option<Literal> {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .map(Literal::Float)
}

enum Grammar {
    Integer,
    Float,
}

/// Checks RFC 8259's grammar of a number: Rust's own parsers take more (`+1`, `.5`, `inf`).
fn grammar(text: &[u8]) -> Option<Grammar> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(unsigned);
    if whole.is_empty() || (whole.len() > 1 && whole.first() == Some(&b'0')) {
        return None;
    }
    let mut kind = Grammar::Integer;
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix(b".") {
        let (fraction, after) = digits(after);
        if fraction.is_empty() {
            return None;
        }
        (kind, rest) = (Grammar::Float, after);
    }
    if let [b'e' | b'E', after @ ..] = rest {
        let unsigned = match after {
            [b'+' | b'-', unsigned @ ..] | unsigned => unsigned,
        };
        let (exponent, after) = digits(unsigned);
        if exponent.is_empty() {
            return None;
        }
        (kind, rest) = (Grammar::Float, after);
    }
    rest.is_empty().then_some(kind)
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_exact_value() {
        let float = |value| Number::from_f64(value).unwrap();
        assert_eq!(float(1.0), Number::Integer(1));
        assert_eq!(float(-0.0), Number::Integer(0));
        assert_eq!(
            Number::Integer(9_007_199_254_740_993).compare(float(9_007_199_254_740_992.0)),
            Ordering::Greater
        );
        assert_eq!(
            Number::Integer(i64::MAX).compare(float(9.223_372_036_854_776e18)),
            Ordering::Less
        );
        assert_eq!(
            Number::Integer(i64::MIN).compare(float(-9.223_372_036_854_776e18)),
            Ordering::Equal
        );
        assert_eq!(Number::Integer(2).compare(float(2.5)), Ordering::Less);
        assert_eq!(Number::Integer(3).compare(float(2.5)), Ordering::Greater);
        assert_eq!(Number::Integer(-2).compare(float(-2.5)), Ordering::Greater);
        assert_eq!(Number::Integer(-3).compare(float(-2.5)), Ordering::Less);
        assert_eq!(
            Number::Integer(i64::MIN).compare(float(f64::NEG_INFINITY)),
            Ordering::Greater
        );
        assert_eq!(Number::from_f64(f64::NAN), None);
    }

    #[test]
    fn reads_json_numbers_only() {
        assert_eq!(Literal::parse("-0"), Some(Literal::Integer(0)));
        assert_eq!(Literal::parse("1.0"), Some(Literal::Float(1.0)));
        assert_eq!(
            Literal::parse("9223372036854775808"),
            Some(Literal::Float(BEYOND_I64))
        );
        for text in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "inf", "NaN", " 1", "1 ", "1_0",
            "1e400",
        ] {
            assert_eq!(Literal::parse(text), None, "{text}");
        }
    }
}
