//! Compares what came with what was expected.

use std::collections::BTreeSet;
use std::fmt::Debug;

use serde_json::Value;

use crate::client::{Body, Head, Headers};
use crate::data::{Expect, HeaderValue, Like, Response, Statuses};
use crate::text::Kept;

type Result = std::result::Result<(), String>;

/// Tells whether both are the same.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, expected {expected:?}"))
}

/// A response of status 200 with a body.
pub(crate) fn plain(expected: &Expect, head: &Head, body: &Body) -> Result {
    let text = text(body);
    let expected = expected.body_alone().unwrap_or_default();
    same("status and body", &(head.status, &*text), &(200, expected))
}

pub(crate) fn response(expected: &Response, head: &Head, body: &Body, kept: &Kept) -> Result {
    let text = text(body);
    if expected.refused {
        return match head.status {
            400..600 => Ok(()),
            status => Err(format!("status {status}, expected to be refused")),
        };
    }
    if expected.agree {
        agree(head, &text)?;
    }
    let statuses = match &expected.status {
        None => &[200][..],
        Some(Statuses::One(status)) => std::slice::from_ref(status),
        Some(Statuses::Any(statuses)) => statuses,
    };
    if !statuses.contains(&head.status) {
        return Err(format!(
            "status {}, expected {statuses:?}: {text}",
            head.status
        ));
    }
    if let Some(like) = &expected.body {
        like.check("body", &text, kept)?;
    }
    if let Some(json) = &expected.json {
        same("body", &parsed(&text)?, json)?;
    }
    if !expected.attributes.is_empty() {
        let attributes = parsed(&text)?;
        for (name, value) in &expected.attributes {
            let found = attributes.get(name).and_then(Value::as_str);
            check(name, found, value.as_ref(), kept)?;
        }
    }
    headers(&head.headers, &expected.headers, kept)?;
    headers(&body.trailers, &expected.trailers, kept)
}

/// Tells whether all parts of a service have told the same variant.
fn agree(head: &Head, body: &str) -> Result {
    let middleware = head.headers.first("x-middleware").unwrap_or_default();
    let told = head.headers.first("x-fader").unwrap_or_default();
    let handler = if middleware == "on" {
        "new on"
    } else {
        "old off"
    };
    let expected = (handler, format!("new-checkout={middleware}"));
    same("body and x-fader", &(body, told.to_owned()), &expected)
}

/// Keeps what the response says to keep.
pub(crate) fn keep(expected: &Response, head: &Head, body: &Body, kept: &mut Kept) -> Result {
    for (name, cookie) in &expected.keep {
        let set: Vec<_> = head.headers.all("set-cookie").collect();
        let pair = set
            .iter()
            .filter_map(|line| line.split(';').next())
            .find(|pair| pair.split('=').next() == Some(cookie.as_str()));
        let attribute = || Some(parsed(&text(body)).ok()?.get(cookie)?.as_str()?.to_owned());
        let value = pair
            .map(|pair| (*pair).to_owned())
            .or_else(attribute)
            .ok_or_else(|| format!("there is no `{cookie}` to keep: {set:?}"))?;
        kept.insert(name.clone(), value);
    }
    Ok(())
}

/// Tells whether kept texts all differ.
pub(crate) fn distinct(names: &[String], kept: &Kept) -> Result {
    let values: BTreeSet<_> = names.iter().map(|name| &kept[name]).collect();
    same("different texts", &values.len(), &names.len())
}

fn headers(
    found: &Headers,
    expected: &std::collections::BTreeMap<String, Option<HeaderValue>>,
    kept: &Kept,
) -> Result {
    for (name, expected) in expected {
        let first = found.first(name);
        match expected {
            None => check(name, first, None, kept)?,
            Some(HeaderValue::Value(like)) => check(name, first, Some(like), kept)?,
            Some(HeaderValue::List { list }) => same(name, &members(found, name), list)?,
            Some(HeaderValue::Members { members: some }) => {
                let all = members(found, name);
                if !some.is_subset(&all) {
                    return Err(format!("{name}: {all:?}, expected at least {some:?}"));
                }
            }
        }
    }
    Ok(())
}

/// The members of a list, over all lines and in lower case.
fn members(found: &Headers, name: &str) -> BTreeSet<String> {
    let lines = found.all(name).flat_map(|line| line.split(','));
    lines.map(|it| it.trim().to_ascii_lowercase()).collect()
}

fn check(what: &str, found: Option<&str>, expected: Option<&Like>, kept: &Kept) -> Result {
    match (found, expected) {
        (None, None) => Ok(()),
        (Some(found), Some(like)) => like.check(what, found, kept),
        (found, _) => Err(format!("{what}: {found:?}, expected {expected:?}")),
    }
}

impl Like {
    fn check(&self, what: &str, found: &str, kept: &Kept) -> Result {
        let fits = match self {
            Self::Exact(exact) => found == exact,
            Self::Form { like } => fits(found, like),
            Self::Kept { kept: name } => kept.get(name).is_some_and(|kept| kept == found),
            Self::Length { length } => found.len() == *length,
        };
        if fits {
            return Ok(());
        }
        let start: String = found.chars().take(400).collect();
        Err(format!("{what}: {start:?}, expected {self:?}"))
    }
}

/// Tells whether a text has this form, in which `*` is for anything.
fn fits(text: &str, form: &str) -> bool {
    let Some((start, rest)) = form.split_once('*') else {
        return text == form;
    };
    let Some(after) = text.strip_prefix(start) else {
        return false;
    };
    (0..=after.len())
        .filter_map(|at| after.get(at..))
        .any(|after| fits(after, rest))
}

fn text(body: &Body) -> String {
    String::from_utf8_lossy(&body.bytes).into_owned()
}

fn parsed(text: &str) -> std::result::Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}: {text}"))
}
