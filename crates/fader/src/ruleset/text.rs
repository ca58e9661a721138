//! Text operators, with and without regard to case, none of which allocates.

use crate::packed::Packed;
use crate::ruleset::list::IdList;

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

/// A few short texts, compared as numbers.
///
/// Most sets are a few short words, and most texts are not among them: a filter over some bits of each word settles
/// that at once.
#[derive(Debug)]
pub(crate) struct Words {
    words: Box<[Packed]>,
    filter: u64,
}

impl Words {
    /// How many words are walked faster than hashed.
    const MOST: usize = 24;

    /// Makes a set; `None` if there are too many texts or one is too long.
    pub(crate) fn new(texts: &[&str]) -> Option<Self> {
        let words: Option<Box<[Packed]>> = texts
            .iter()
            .map(|text| Packed::new(text.as_bytes()))
            .collect();
        let words = words.filter(|words| words.len() <= Self::MOST)?;
        let filter = words
            .iter()
            .fold(0, |bits, word| bits | Self::filter_bit(*word));
        Some(Self { words, filter })
    }

    /// The bit of the filter that stands for a word.
    #[inline]
    fn filter_bit(word: Packed) -> u64 {
        1 << (word.mix() % 64)
    }

    #[inline]
    pub(crate) fn contains(&self, text: &str) -> bool {
        Packed::new(text.as_bytes()).is_some_and(|word| {
            self.filter & Self::filter_bit(word) != 0 && self.words.contains(&word)
        })
    }

    /// Returns the texts, sorted: for explanations.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |word: &Packed| {
            let (bytes, len) = word.bytes();
            String::from_utf8_lossy(bytes.get(..len).unwrap_or_default()).into_owned()
        };
        sorted(self.words.iter().map(text))
    }
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// A set of whole texts of any length and number.
#[derive(Debug)]
pub(crate) enum TextSet {
    /// Hashes lead to the texts.
    Exact(IdList),
    /// Sorted and mapped to lower case.
    Folded(Box<[Box<str>]>),
}

impl TextSet {
    pub(crate) fn new(values: &[&str], ignore_case: bool) -> Self {
        if !ignore_case {
            // Whoever writes a document has no need to aim collisions, and the texts are compared anyway.
            return Self::Exact(IdList::new(values.iter().copied(), true, 0));
        }
        let mut values: Vec<_> = values.iter().map(|value| stored(value, true)).collect();
        values.sort_unstable();
        values.dedup();
        Self::Folded(values.into())
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        match self {
            Self::Exact(ids) => ids.contains(text.as_bytes()),
            // Characters sort as their UTF-8 bytes do, so the order of the set holds for them as well.
            Self::Folded(values) => values
                .binary_search_by(|value| value.chars().cmp(fold(text)))
                .is_ok(),
        }
    }

    /// Returns the texts, sorted: for explanations.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Self::Exact(ids) => sorted(ids.texts().map(str::to_owned)),
            Self::Folded(values) => sorted(values.iter().map(ToString::to_string)),
        }
    }

    pub(crate) fn ignore_case(&self) -> bool {
        matches!(self, Self::Folded(_))
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
    operands: Box<[Operand]>,
    ignore_case: bool,
}

/// What a text begins with, ends with or contains.
#[derive(Debug)]
struct Operand {
    text: Box<str>,
    /// The eight bytes at the edge that is compared, if it has so many and their case counts: they settle most
    /// comparisons.
    edge: Option<[u8; 8]>,
}

impl TextMatch {
    pub(crate) fn new(operator: TextOperator, operands: &[&str], ignore_case: bool) -> Self {
        let operand = |operand: &&str| {
            let text = stored(operand, ignore_case);
            let edge = match operator {
                _ if ignore_case => None,
                TextOperator::StartsWith => text.as_bytes().first_chunk().copied(),
                TextOperator::EndsWith => text.as_bytes().last_chunk().copied(),
                TextOperator::Contains => None,
            };
            Operand { text, edge }
        };
        Self {
            operator,
            operands: operands.iter().map(operand).collect(),
            ignore_case,
        }
    }

    #[inline]
    pub(crate) fn holds(&self, text: &str) -> bool {
        if let [one] = &*self.operands
            && let Some(edge) = &one.edge
        {
            let found = match self.operator {
                TextOperator::EndsWith => text.as_bytes().last_chunk(),
                _ => text.as_bytes().first_chunk(),
            };
            if found != Some(edge) {
                return false;
            }
        }
        self.holds_in_full(text)
    }

    #[inline(never)]
    fn holds_in_full(&self, text: &str) -> bool {
        self.operands.iter().any(|operand| {
            let wanted = &*operand.text;
            match (self.operator, self.ignore_case) {
                (TextOperator::StartsWith, false) => text.starts_with(wanted),
                (TextOperator::EndsWith, false) => text.ends_with(wanted),
                (TextOperator::Contains, false) => text.contains(wanted),
                (TextOperator::StartsWith, true) => begins(fold(text), wanted.chars()),
                (TextOperator::EndsWith, true) => begins(fold(text).rev(), wanted.chars().rev()),
                (TextOperator::Contains, true) => contains_folded(text, wanted),
            }
        })
    }

    pub(crate) fn operator(&self) -> TextOperator {
        self.operator
    }

    pub(crate) fn operands(&self) -> impl Iterator<Item = &str> {
        self.operands.iter().map(|operand| &*operand.text)
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

    /// The eight bytes at an edge, which are compared first, change no answer: not of operands or texts that are shorter,
    /// just as long or longer.
    #[test]
    fn edges_are_compared_like_the_rest() {
        use TextOperator::{Contains, EndsWith, StartsWith};
        // Ten characters of one byte each; and a character of two bytes across the eighth place from either end.
        let whole = ["abcdefghij", "abcdefgéhijklmn"];
        let operands: Vec<&str> = whole
            .iter()
            .flat_map(|whole| {
                (0..=10).flat_map(|len| [whole.get(..len), whole.get(whole.len() - len..)])
            })
            .flatten()
            .collect();
        let mut texts: Vec<String> = Vec::new();
        for operand in &operands {
            texts.extend(["", "x", "abcdefgh"].map(|before| format!("{before}{operand}")));
            texts.extend(["x", "abcdefgh"].map(|behind| format!("{operand}{behind}")));
            texts.push(format!("x{operand}x"));
            // The same but for one character.
            for (at, _) in operand.char_indices() {
                let (before, rest) = operand.split_at(at);
                let behind = rest.chars().skip(1).collect::<String>();
                texts.push(format!("{before}X{behind}"));
            }
        }
        let by_hand = |operator, text: &str, operand: &str| match operator {
            StartsWith => text.starts_with(operand),
            EndsWith => text.ends_with(operand),
            Contains => text.contains(operand),
        };
        let mut counts = [0, 0];
        for operator in [StartsWith, EndsWith, Contains] {
            for (at, operand) in operands.iter().enumerate() {
                // Long ones beside short ones, the same twice among them.
                let several = [*operand, operands[(at + 7) % operands.len()], "abcdefg-"];
                let one = TextMatch::new(operator, &[operand], false);
                let any = TextMatch::new(operator, &several, false);
                for text in &texts {
                    let expected = by_hand(operator, text, operand);
                    assert_eq!(one.holds(text), expected, "{operator:?} {operand} {text}");
                    let expected_of_any = several
                        .iter()
                        .any(|operand| by_hand(operator, text, operand));
                    assert_eq!(
                        any.holds(text),
                        expected_of_any,
                        "{operator:?} {several:?} {text}"
                    );
                    counts[usize::from(expected)] += 1;
                }
            }
            let none = TextMatch::new(operator, &[], false);
            assert!(!none.holds("") && !none.holds("abcdefgh"));
        }
        assert!(counts.iter().all(|count| *count > 1_000), "{counts:?}");
    }

    #[test]
    fn sets_find_whole_texts() {
        let words = Words::new(&["b", "a", "é", "b"]).unwrap();
        assert!(words.contains("a") && words.contains("é"));
        assert!(!words.contains("A") && !words.contains(""));
        assert_eq!(words.texts(), ["a", "b", "é"]);
        let long = "a text of more than fifteen bytes";
        assert!(Words::new(&["b", long]).is_none());
        let set = TextSet::new(&["b", long], false);
        assert!(set.contains("b") && set.contains(long) && !set.contains("a text"));
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(Words::new(&many).is_none());
        let set = TextSet::new(&many, false);
        assert!(set.contains("0") && set.contains("99") && !set.contains("100"));
        let set = TextSet::new(&["NL", "de", "Éa"], true);
        assert!(
            set.contains("nl") && set.contains("DE") && set.contains("éA") && !set.contains("n")
        );
    }
}
