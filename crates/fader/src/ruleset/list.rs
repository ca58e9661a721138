//! Lists of ids, from a handful to millions.
//!
//! In memory a list is sorted 64-bit keys: `XXH3_64` of each id under a seed that each process draws for itself, so that
//! nobody can aim a collision at it. An accidental false hit costs one in 2^64 / n look-ups, 5·10⁻¹⁴ at a million ids;
//! an `exact` list keeps the texts beside the keys. Keys are spread evenly, so a table over their leading bits leads to
//! a bucket of about eight: a look-up is one hash and two cache lines at any size.

use crate::hash;

/// Eight keys in a bucket, on average.
const BUCKET_BITS: u32 = 3;

#[derive(Debug)]
pub(crate) struct IdList {
    keys: Box<[u64]>,
    /// The first key of each bucket, and the end.
    starts: Box<[u32]>,
    shift: u32,
    /// In the order of the keys; empty unless exact.
    texts: Box<[Box<str>]>,
    exact: bool,
    seed: u64,
}

impl IdList {
    pub(crate) fn new<'a>(ids: impl Iterator<Item = &'a str>, exact: bool, seed: u64) -> Self {
        let mut texts: Vec<Box<str>> = Vec::new();
        let mut keys: Vec<u64>;
        if exact {
            let mut pairs: Vec<(u64, Box<str>)> = ids
                .map(|id| (hash::list_key(id.as_bytes(), seed), Box::from(id)))
                .collect();
            pairs.sort_unstable();
            pairs.dedup();
            (keys, texts) = pairs.into_iter().unzip();
        } else {
            keys = ids.map(|id| hash::list_key(id.as_bytes(), seed)).collect();
            keys.sort_unstable();
            keys.dedup();
        }
        let bits = keys
            .len()
            .checked_ilog2()
            .unwrap_or(0)
            .saturating_sub(BUCKET_BITS);
        let shift = 64 - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for bucket in 0..1_u64 << bits {
            let start = keys.partition_point(|key| key.checked_shr(shift).unwrap_or(0) < bucket);
            starts.push(u32::try_from(start).unwrap_or(u32::MAX));
        }
        starts.push(u32::try_from(keys.len()).unwrap_or(u32::MAX));
        Self {
            keys: keys.into(),
            starts: starts.into(),
            shift,
            texts: texts.into(),
            exact,
            seed,
        }
    }

    #[inline]
    pub(crate) fn contains(&self, id: &[u8]) -> bool {
        let key = hash::list_key(id, self.seed);
        let bucket = usize::try_from(key.checked_shr(self.shift).unwrap_or(0)).unwrap_or(0);
        let Some([start, end]) = self.starts.get(bucket..bucket + 2) else {
            return false;
        };
        let start = *start as usize;
        let Some(keys) = self.keys.get(start..*end as usize) else {
            return false;
        };
        if !self.exact {
            return keys.contains(&key);
        }
        let same = |(at, found): (usize, &u64)| {
            *found == key
                && self
                    .texts
                    .get(start + at)
                    .is_some_and(|text| text.as_bytes() == id)
        };
        keys.iter().enumerate().any(same)
    }

    /// Returns the ids of an exact list, in no particular order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// Reads a list file: UTF-8, one id a line, LF or CRLF, a BOM ignored, spaces and tabs around an id trimmed, empty
/// lines and those that begin with `#` skipped. An error is the number of the line that is not UTF-8.
pub(crate) fn ids_of_file(content: &[u8]) -> Result<impl Iterator<Item = &str>, usize> {
    let text = std::str::from_utf8(content).map_err(|error| {
        let good = content.get(..error.valid_up_to()).unwrap_or_default();
        good.iter().filter(|byte| **byte == b'\n').count() + 1
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let ids = text
        .split('\n')
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            line.trim_matches([' ', '\t'])
        });
    Ok(ids.filter(|id| !id.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_id_and_no_other() {
        for size in [0_u32, 1, 2, 7, 8, 9, 100, 1_000, 20_000] {
            for exact in [false, true] {
                let ids: Vec<String> = (0..size).map(|n| format!("user-{n}")).collect();
                let list = IdList::new(ids.iter().chain(&ids).map(String::as_str), exact, 7);
                assert_eq!(list.len(), size as usize);
                assert!(ids.iter().all(|id| list.contains(id.as_bytes())), "{size}");
                assert!(
                    (0..1_000).all(|n| !list.contains(format!("other-{n}").as_bytes())),
                    "{size}"
                );
            }
        }
    }

    #[test]
    fn reads_list_files() {
        let file = "\u{feff}# team\r\na\r\n\t b \n\n  \n#c\n #d\né\r";
        let ids: Vec<_> = ids_of_file(file.as_bytes()).unwrap().collect();
        assert_eq!(ids, ["a", "b", "#d", "é"]);
        assert_eq!(ids_of_file(b"a\nb\xff\n").err(), Some(2));
    }
}
