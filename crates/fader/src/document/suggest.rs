//! The nearest name: what somebody who misspelt it probably meant.

/// Words a suggestion for `found` out of `known`: the nearest name, else the list of all where that is short.
pub(crate) fn suggest(found: &str, known: &[&str]) -> Option<String> {
    if let Some(nearest) = nearest(found, known) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    match known {
        [one] => Some(format!("there is only `{one}`")),
        [_, ..] if known.len() <= 12 => Some(format!("one of `{}`", known.join("`, `"))),
        _ => None,
    }
}

/// Finds the name that differs from `found` by the fewest edits, a third of its length at the most.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let length = found.chars().count();
    // Long names are never typed by hand, and the distance costs their product.
    if length > 256 {
        return None;
    }
    let lower = found.to_lowercase();
    known
        .iter()
        .filter(|name| name.len() <= 1024)
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                *name,
            )
        })
        .filter(|(distance, name)| *distance <= 1.max(length.max(name.chars().count()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name() {
        assert_eq!(
            suggest("treatmnt", &["control", "treatment"]).unwrap(),
            "did you mean `treatment`?"
        );
        assert_eq!(
            suggest("Gray", &["gray", "stable"]).unwrap(),
            "did you mean `gray`?"
        );
        assert_eq!(
            suggest("xyz", &["gray", "stable"]).unwrap(),
            "one of `gray`, `stable`"
        );
        assert_eq!(suggest("xyz", &[]), None);
    }
}
