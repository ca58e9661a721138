//! Text operators, with and without regard to case, none of which allocates.

/// Maps a text to lower case character by character, without locale, word context or normalisation.
fn fold(text: &str) -> impl DoubleEndedIterator<Item = char> + Clone + '_ {
    text.chars().flat_map(char::to_lowercase)
}

fn stored(text: &str, ignore_case: bool) -> Box<str> {
    if ignore_case {
        fold(text).collect::<String>().into()
    } else {
        text.into()
    }
}

/// A set of whole texts, sorted.
#[derive(Debug)]
pub(crate) struct TextSet {
    values: Box<[Box<str>]>,
    ignore_case: bool,
}

impl TextSet {
    pub(crate) fn new(values: &[&str], ignore_case: bool) -> Self {
        let mut values: Vec<_> = values
            .iter()
            .map(|value| stored(value, ignore_case))
            .collect();
        values.sort_unstable();
        values.dedup();
        Self {
            values: values.into(),
            ignore_case,
        }
    }

    #[inline]
    pub(crate) fn contains(&self, text: &str) -> bool {
        match (&*self.values, self.ignore_case) {
            ([one], false) => **one == *text,
            (values, false) => values.binary_search_by(|value| (**value).cmp(text)).is_ok(),
            // Characters sort as their UTF-8 bytes do, so the order of the set holds for them as well.
            (values, true) => values
                .binary_search_by(|value| value.chars().cmp(fold(text)))
                .is_ok(),
        }
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }

    pub(crate) fn ignore_case(&self) -> bool {
        self.ignore_case
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextOperator {
    StartsWith,
    EndsWith,
    Contains,
}

/// A text operator with operands of which one has to match.
#[derive(Debug)]
pub(crate) struct TextMatch {
    operator: TextOperator,
    operands: Box<[Box<str>]>,
    ignore_case: bool,
}

impl TextMatch {
    pub(crate) fn new(operator: TextOperator, operands: &[&str], ignore_case: bool) -> Self {
        let operands = operands
            .iter()
            .map(|operand| stored(operand, ignore_case))
            .collect();
        Self {
            operator,
            operands,
            ignore_case,
        }
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        let holds = |operand: &str| match (self.operator, self.ignore_case) {
            (TextOperator::StartsWith, false) => text.starts_with(operand),
            (TextOperator::EndsWith, false) => text.ends_with(operand),
            (TextOperator::Contains, false) => text.contains(operand),
            (TextOperator::StartsWith, true) => begins(fold(text), operand.chars()),
            (TextOperator::EndsWith, true) => begins(fold(text).rev(), operand.chars().rev()),
            (TextOperator::Contains, true) => contains_folded(text, operand),
        };
        self.operands.iter().any(|operand| holds(operand))
    }

    pub(crate) fn operator(&self) -> TextOperator {
        self.operator
    }

    pub(crate) fn operands(&self) -> impl Iterator<Item = &str> {
        self.operands.iter().map(|operand| &**operand)
    }

    pub(crate) fn ignore_case(&self) -> bool {
        self.ignore_case
    }
}

fn begins(mut text: impl Iterator<Item = char>, operand: impl Iterator<Item = char>) -> bool {
    operand
        .into_iter()
        .all(|wanted| text.next() == Some(wanted))
}

/// Searches the folded text. It costs at most the product of both lengths; the operand is the document's, not the
/// request's.
fn contains_folded(text: &str, operand: &str) -> bool {
    let mut rest = fold(text);
    loop {
        if begins(rest.clone(), operand.chars()) {
            return true;
        }
        if rest.next().is_none() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: TextOperator, operand: &str, ignore_case: bool, text: &str) -> bool {
        TextMatch::new(operator, &[operand], ignore_case).holds(text)
    }

    #[test]
    fn ignoring_case_maps_both_sides_by_character() {
        use TextOperator::{Contains, EndsWith, StartsWith};
        for (operator, operand, text, expected) in [
            (StartsWith, "ÄB", "äbc", true),
            (EndsWith, "BC", "äbc", true),
            (Contains, "B", "äbc", true),
            (Contains, "", "", true),
            (Contains, "ss", "STRASSE", true),
            (Contains, "ß", "STRASSE", false),
            // Final sigma is not folded to the other one.
            (EndsWith, "ς", "ΟΔΟΣ", false),
            (EndsWith, "Σ", "οδοσ", true),
            // İ maps to two characters; each is found.
            (EndsWith, "\u{307}", "İ", true),
            (Contains, "k", "\u{212a}", true),
            (Contains, "abc", "ABABC", true),
        ] {
            assert_eq!(
                holds(operator, operand, true, text),
                expected,
                "{operator:?} {operand} {text}"
            );
        }
    }

    #[test]
    fn sets_find_whole_texts() {
        let set = TextSet::new(&["b", "a", "é", "b"], false);
        assert!(set.contains("a") && set.contains("é") && !set.contains("A") && !set.contains(""));
        let set = TextSet::new(&["NL", "de", "Éa"], true);
        assert!(
            set.contains("nl") && set.contains("DE") && set.contains("éA") && !set.contains("n")
        );
    }
}
