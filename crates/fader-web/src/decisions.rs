//! The header that tells a client which variants it was served.

use fader::{Attributes, Scope};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The name of the response header whose value [`decisions`] makes.
pub const DECISIONS_HEADER: &str = "x-fader";

/// The most bytes of a header's value; a decision that does not fit is left out.
const MAX_BYTES: usize = 1024;

/// What is no character of an HTTP token is percent-encoded, and so is `%` itself.
const NO_TOKEN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Returns the decisions of a request as a header's value, such as `new-checkout=gray, search-ranker=a`; `None` where no
/// flag was asked for.
///
/// It names the flags that the service asked for until now, in the order of the document, each with its variant. A flag
/// that served the caller's own default (it is set aside, or disabled without an `off`) has no variant and stands alone,
/// without `=`; one that the document lacks is not named. Characters that HTTP allows in no token are percent-encoded. The value has at most 1,024
/// bytes: a decision that does not fit is left out whole.
#[must_use]
pub fn decisions<A: Attributes>(scope: &Scope<A>) -> Option<String> {
    let mut value = String::new();
    for (flag, variant) in scope.asked() {
        push(&mut value, flag, variant);
    }
    (!value.is_empty()).then_some(value)
}

fn push(value: &mut String, flag: &str, variant: Option<&str>) {
    let before = value.len();
    if before > 0 {
        value.push_str(", ");
    }
    value.extend(utf8_percent_encode(flag, NO_TOKEN));
    if let Some(variant) = variant {
        value.push('=');
        value.extend(utf8_percent_encode(variant, NO_TOKEN));
    }
    if value.len() > MAX_BYTES {
        value.truncate(before);
    }
}

#[cfg(test)]
mod tests {
    use fader::{Context, Flags, Source};

    use super::*;

    fn joined(decisions: &[(&str, Option<&str>)]) -> String {
        let mut value = String::new();
        for (flag, variant) in decisions {
            push(&mut value, flag, *variant);
        }
        value
    }

    #[test]
    fn names_flags_that_were_asked_for_in_the_document_s_order() {
        let flags = Flags::builder().build();
        let document = r#"{ "flags": { "a": true, "b": { "enabled": false }, "c": false } }"#;
        flags.load(document, &Source::new("flags.json")).unwrap();
        let scope = flags.scope(Context::anonymous());
        assert_eq!(decisions(&scope), None);
        for flag in ["c", "a"] {
            let _ = scope.resolve(flag);
        }
        assert_eq!(decisions(&scope).as_deref(), Some("a=on, c=off"));
        let _ = scope.resolve("b");
        assert_eq!(decisions(&scope).as_deref(), Some("a=on, b, c=off"));
    }

    #[test]
    fn encodes_what_is_no_token() {
        assert_eq!(
            joined(&[("new checkout", Some("a=b,c"))]),
            "new%20checkout=a%3Db%2Cc"
        );
        assert_eq!(
            joined(&[("café%", Some("\r\nx: y"))]),
            "caf%C3%A9%25=%0D%0Ax%3A%20y"
        );
        assert_eq!(
            joined(&[("a.b_c-d~e!#$&'*+^`|", None)]),
            "a.b_c-d~e!#$&'*+^`|"
        );
    }

    #[test]
    fn leaves_out_what_does_not_fit() {
        let long = "x".repeat(1020);
        assert_eq!(
            joined(&[("a", Some("on")), (&long, Some("on")), ("b", None)]),
            "a=on, b"
        );
        assert_eq!(joined(&[(&long, None)]).len(), 1020);
        assert_eq!(joined(&[("é".repeat(1000).as_str(), None)]), "");
    }
}
