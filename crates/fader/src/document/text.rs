//! The text that is read of a document: all of it, or only what is not known already.
//!
//! Most new documents are the last one with a flag edited. A flag whose text was read before need not be parsed, read
//! and compiled again, so its text is cut down to `{}`, and the compiled form of before goes with the place.
//!
//! Nothing is believed of a text because of how it looks from outside: what [`scan`](super::scan) takes for a flag may
//! stand in a wrong place. The abridged text is parsed as any other, and a cut counts only where the parser then comes
//! to the value of that flag. There it would have read, in the whole text, the very bytes that it accepted before at the
//! same depth, and have gone on behind their last `}` as it now goes on behind `{}`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::document::syntax::Span;
use crate::ruleset::Flag;

/// A document's text, and what of it is read.
pub(crate) struct Text<'t> {
    whole: &'t str,
    read: Cow<'t, str>,
    /// In the order of the text.
    cuts: Vec<Cut>,
}

struct Cut {
    /// The place of `{}` in what is read.
    at: usize,
    /// What it stands for in the whole text.
    whole: Span,
    flag: Arc<Flag>,
}

impl<'t> Text<'t> {
    /// A text of which everything is read.
    pub(crate) fn whole(whole: &'t str) -> Self {
        Self {
            whole,
            read: Cow::Borrowed(whole),
            cuts: Vec::new(),
        }
    }

    /// A text without the flags that are known: objects in the order of the text.
    pub(crate) fn abridged(whole: &'t str, known: Vec<(Span, Arc<Flag>)>) -> Self {
        let cut: usize = known
            .iter()
            .map(|(span, _)| span.end.saturating_sub(span.start))
            .sum();
        let mut read = String::with_capacity(whole.len().saturating_sub(cut) + 2 * known.len());
        let mut cuts = Vec::with_capacity(known.len());
        let mut from = 0;
        for (span, flag) in known {
            read.push_str(whole.get(from..span.start).unwrap_or_default());
            cuts.push(Cut {
                at: read.len(),
                whole: span,
                flag,
            });
            read.push_str("{}");
            from = span.end;
        }
        read.push_str(whole.get(from..).unwrap_or_default());
        Self {
            whole,
            read: Cow::Owned(read),
            cuts,
        }
    }

    /// Returns the text that is read. All places of a syntax tree and of problems are places in it.
    pub(crate) fn read(&self) -> &str {
        &self.read
    }

    /// Returns the whole text.
    pub(crate) fn all(&self) -> &'t str {
        self.whole
    }

    /// Returns how many flags are cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.len()
    }

    /// Returns the flag that is known to stand at a place.
    pub(crate) fn known(&self, at: usize) -> Option<&Arc<Flag>> {
        let cut = self.cuts.binary_search_by_key(&at, |cut| cut.at).ok()?;
        self.cuts.get(cut).map(|cut| &cut.flag)
    }

    /// Returns where a place of what is read stands in the whole text.
    pub(crate) fn in_whole(&self, at: usize) -> usize {
        let before = self.cuts.partition_point(|cut| cut.at < at);
        let last = before.checked_sub(1).and_then(|last| self.cuts.get(last));
        last.map_or(at, |cut| cut.whole.end + at.saturating_sub(cut.at + 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_what_is_read_stands_in_the_whole_text() {
        let whole = r#"{ "a": { "long": 1 }, "b": {}, "c": 2 }"#;
        let flag = Arc::new(Flag::default());
        let known = [r#"{ "long": 1 }"#, "{}"].map(|object| {
            let start = whole.find(object).unwrap();
            let end = start + object.len();
            (Span { start, end }, Arc::clone(&flag))
        });
        let text = Text::abridged(whole, known.into());
        assert_eq!(text.read(), r#"{ "a": {}, "b": {}, "c": 2 }"#);
        for name in ["{ \"a\"", "\"b\"", "{}, \"c\"", "\"c\"", " }"] {
            let place = text.read().rfind(name).unwrap();
            assert_eq!(text.in_whole(place), whole.rfind(name).unwrap(), "{name}");
        }
        let cut = text.read().find("{}").unwrap();
        assert!(text.known(cut).is_some() && text.known(cut + 1).is_none());
        assert_eq!(text.in_whole(cut), whole.find("{ \"long").unwrap());
    }
}
