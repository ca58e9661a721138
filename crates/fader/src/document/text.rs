//! The text that is read of a document at once: all of it, or what is left with its flags cut out.
//!
//! A document is long because it has many flags, and few of them are looked at together. So their texts are cut down to
//! `{}`, what is left is parsed, and each flag then by itself: its syntax tree is small, and gone before the next one's
//! is made. Most new documents are the last one with a flag edited: a flag whose text was read before is not parsed
//! again at all, and the compiled form of before goes with the place.
//!
//! Nothing is believed of a text because of how it looks from outside: what [`scan`](super::scan) takes for a flag may
//! stand in a wrong place. The abridged text is parsed as any other, and a cut counts only where the parser then comes
//! to the value of that flag. There it would have read, in the whole text, the very bytes that it accepts by themselves,
//! now or before, and have gone on behind their last `}` as it goes on behind `{}`. Where that does not hold of a cut,
//! the whole text is read at once.

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

/// A flag's object that is cut out.
#[derive(Clone)]
pub(crate) struct Cut {
    /// The place of `{}` in what is read.
    at: usize,
    /// What it stands for in the whole text.
    pub(crate) whole: Span,
    /// The compiled form of before, if the text is the same.
    pub(crate) known: Option<Arc<Flag>>,
}

impl Cut {
    pub(crate) fn new(whole: Span, known: Option<Arc<Flag>>) -> Self {
        let at = whole.start;
        Self { at, whole, known }
    }
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

    /// A text without some flags: objects in the order of the text.
    pub(crate) fn abridged(whole: &'t str, mut cuts: Vec<Cut>) -> Self {
        let length = |cut: &Cut| cut.whole.end.saturating_sub(cut.whole.start);
        let cut: usize = cuts.iter().map(length).sum();
        let mut read = String::with_capacity(whole.len().saturating_sub(cut) + 2 * cuts.len());
        let mut from = 0;
        for cut in &mut cuts {
            read.push_str(whole.get(from..cut.whole.start).unwrap_or_default());
            cut.at = read.len();
            read.push_str("{}");
            from = cut.whole.end;
        }
        read.push_str(whole.get(from..).unwrap_or_default());
        Self {
            whole,
            read: Cow::Owned(read),
            cuts,
        }
    }

    /// Returns the text that is read at once: the places of its syntax tree are places in it.
    pub(crate) fn read(&self) -> &str {
        &self.read
    }

    /// Returns the whole text.
    pub(crate) fn all(&self) -> &'t str {
        self.whole
    }

    /// Returns the flags that are cut out.
    pub(crate) fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    /// Returns the flag that is cut out at a place of what is read.
    pub(crate) fn cut(&self, at: usize) -> Option<&Cut> {
        let cut = self.cuts.binary_search_by_key(&at, |cut| cut.at).ok()?;
        self.cuts.get(cut)
    }

    /// Returns where a place of what is read stands in the whole text.
    pub(crate) fn in_whole(&self, at: usize) -> usize {
        let before = self.cuts.partition_point(|cut| cut.at < at);
        let last = before.checked_sub(1).and_then(|last| self.cuts.get(last));
        last.map_or(at, |cut| cut.whole.end + at.saturating_sub(cut.at + 2))
    }

    /// Returns where a stretch of what is read stands in the whole text.
    pub(crate) fn span_in_whole(&self, span: Span) -> Span {
        let start = self.in_whole(span.start);
        let end = start + span.end.saturating_sub(span.start);
        Span { start, end }
    }

    /// Returns where a place of the whole text stands in what is read, and the flag that is cut out there.
    pub(crate) fn in_read(&self, at: usize) -> (usize, Option<&Cut>) {
        let before = self.cuts.partition_point(|cut| cut.whole.start <= at);
        match before.checked_sub(1).and_then(|last| self.cuts.get(last)) {
            None => (at, None),
            Some(cut) if at < cut.whole.end => (cut.at, Some(cut)),
            Some(cut) => (cut.at + 2 + (at - cut.whole.end), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_what_is_read_stands_in_the_whole_text() {
        let whole = r#"{ "a": { "long": 1 }, "b": {}, "c": 2 }"#;
        let flag = Arc::new(Flag::default());
        let cuts = [r#"{ "long": 1 }"#, "{}"].map(|object| {
            let start = whole.find(object).unwrap();
            let end = start + object.len();
            Cut::new(Span { start, end }, Some(Arc::clone(&flag)))
        });
        let text = Text::abridged(whole, cuts.into());
        assert_eq!(text.read(), r#"{ "a": {}, "b": {}, "c": 2 }"#);
        for name in ["{ \"a\"", "\"b\"", "{}, \"c\"", "\"c\"", " }"] {
            let place = text.read().rfind(name).unwrap();
            let in_whole = whole.rfind(name).unwrap();
            assert_eq!(text.in_whole(place), in_whole, "{name}");
            assert_eq!(text.in_read(in_whole).0, place, "{name}");
        }
        let cut = text.read().find("{}").unwrap();
        assert!(text.cut(cut).is_some() && text.cut(cut + 1).is_none());
        let in_whole = whole.find("{ \"long").unwrap();
        assert_eq!(text.in_whole(cut), in_whole);
        let (at, inside) = text.in_read(in_whole + 5);
        assert!(at == cut && inside.is_some());
    }
}
