//! The public API, item by item: an unmeant change of it does not compile.
//!
//! Functions are bound to their full signatures, inside generic functions with exactly the public bounds where they are
//! generic. Types are held to the traits that callers rely on, enums to their variants; the wildcard that follows these
//! is an error should an enum cease to be `#[non_exhaustive]`. The last tests read the sources: what is public there
//! has to be named here.

#![deny(unreachable_patterns)]

use std::error::Error;
use std::fmt::{Debug, Display};
use std::fs;
use std::hash::Hash;
use std::path::Path;

/// Every variant of an enum, with its stable name. Without `#[non_exhaustive]` the wildcard would be unreachable.
macro_rules! named {
    ($type:ident::as_str: $($variant:path = $name:literal),+ $(,)?) => {
        $crate::public_api::word::<$type>();
        let _: fn($type) -> &'static str = $type::as_str;
        $(
            const { assert!($variant.as_str().len() == $name.len()) };
            assert_eq!(($variant.as_str(), &*$variant.to_string()), ($name, $name));
        )+
        let _: fn($type) = |value| match value {
            $($variant)|+ => {}
            _ => {}
        };
    };
}

mod documents;
mod handle;
mod keys;
mod observe;
mod plan;
mod providers;
mod values;

fn shared<T: Debug + Send + Sync + 'static>() {}
fn cloned<T: Clone + Debug + Send + Sync + 'static>() {}
fn compared<T: Clone + Debug + PartialEq + Send + Sync + 'static>() {}
fn copied<T: Copy + Debug + Eq + Send + Sync + 'static>() {}
fn word<T: Copy + Debug + Eq + Hash + Display + Send + Sync + 'static>() {}
fn error<T: Error + Send + Sync + 'static>() {}
fn shown<T: Display>() {}
fn empty<T: Default>() {}
fn is<T>(_: T) {}

/// A method that lends items of `S` one by one.
fn lends<'a, S: 'a, T, I: Iterator<Item = T>>(_: fn(&'a S) -> I) {}

const FADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/fader/src");
const PROVIDERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/fader-providers/src");

/// The modules with paths in one form: `FlagType::key`, also where one says `<F as FlagType>::key`.
fn here() -> String {
    let modules = [
        include_str!("public_api/documents.rs"),
        include_str!("public_api/handle.rs"),
        include_str!("public_api/keys.rs"),
        include_str!("public_api/observe.rs"),
        include_str!("public_api/plan.rs"),
        include_str!("public_api/providers.rs"),
        include_str!("public_api/values.rs"),
    ];
    modules.concat().replace(">::", "::")
}

#[test]
fn every_type_is_named() {
    let here = here();
    for source in [FADER, PROVIDERS] {
        let lib = fs::read_to_string(format!("{source}/lib.rs")).unwrap();
        let uses = lib.split("\npub use ").skip(1);
        let names: Vec<_> = uses
            .filter_map(|rest| Some(rest.split_once(';')?.0))
            .flat_map(|names| names.split(|c: char| !is_word(c)))
            .filter(|name| name.starts_with(char::is_uppercase))
            .collect();
        assert!(!names.is_empty(), "{source} re-exports nothing");
        let missing: Vec<_> = names.iter().filter(|name| !is_named(&here, name)).collect();
        assert!(missing.is_empty(), "not in public_api: {missing:?}");
    }
}

#[test]
fn every_function_constant_and_variant_is_named() {
    let here = here();
    for source in [FADER, PROVIDERS] {
        let mut names = Vec::new();
        read_items(Path::new(source), &mut names);
        assert!(!names.is_empty(), "{source} has no items");
        let missing: Vec<_> = names.iter().filter(|name| !is_named(&here, name)).collect();
        assert!(missing.is_empty(), "not in public_api: {missing:?}");
    }
}

/// What the providers are built with may change, or have another version, without a word to who uses them.
#[test]
fn no_provider_shows_what_it_is_built_with() {
    let sample = "use reqwest::{\n    Url, header::HeaderMap,\n};\nimpl Shown {\n    pub fn at(\n        &self,\n    ) \
                  -> &Url {\n    }\n    pub(crate) fn hidden() -> Url {\n    }\n    pub fn plain() -> String {\n        \
                  Url::new()\n    }\n}\npub use notify::Event;\nimpl From<tokio::Error> for Shown {\n";
    let found = shown_of_others(sample);
    assert_eq!(
        found,
        [
            "pub fn at( &self, ) -> &Url",
            "pub use notify::Event",
            "impl From<tokio::Error> for Shown",
        ]
    );

    let mut sources = Vec::new();
    read_sources(Path::new(PROVIDERS), &mut sources);
    let found: Vec<_> = sources
        .iter()
        .flat_map(|source| shown_of_others(source))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

/// What is public in a formatted source, or converts into something, and names a type of another crate.
fn shown_of_others(source: &str) -> Vec<String> {
    const OTHERS: [&str; 5] = ["reqwest", "tokio", "rustls", "notify", "tempfile"];
    let named = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !is_word(c));
        words.map(ToOwned::to_owned).collect()
    };
    let mut theirs = OTHERS.map(ToOwned::to_owned).to_vec();
    for others in source.split("\nuse ").chain(source.strip_prefix("use ")) {
        let path = others.split(';').next().unwrap_or_default();
        let names = named(path);
        if OTHERS.contains(&&*names[0]) {
            let types = names
                .into_iter()
                .filter(|name| name.starts_with(char::is_uppercase));
            theirs.extend(types);
        }
    }
    let mut found = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let mut item = line.trim().to_owned();
        if !item.starts_with("pub ") && !item.starts_with("impl From<") {
            continue;
        }
        while !item.ends_with(['{', ';', ',', '}'])
            || item.matches('(').count() > item.matches(')').count()
        {
            let Some(next) = lines.next() else { break };
            item.push(' ');
            item.push_str(next.trim());
        }
        if named(&item).iter().any(|word| theirs.contains(word)) {
            found.push(item.trim_end_matches([' ', '{', ';', ',']).to_owned());
        }
    }
    found
}

fn read_items(folder: &Path, names: &mut Vec<String>) {
    let mut sources = Vec::new();
    read_sources(folder, &mut sources);
    names.extend(sources.iter().flat_map(|source| items(source)));
}

fn read_sources(folder: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// Where a line of a source stands.
enum Within {
    Nothing,
    Impl(String),
    EnumOrTrait(String),
}

/// The public functions, constants and variants of a formatted source, as `Owner::item`. What is `pub` without more
/// can be reached from outside: the lint `unreachable_pub` sees to that.
fn items(source: &str) -> Vec<String> {
    let mut within = Within::Nothing;
    let mut items = Vec::new();
    for line in source.lines() {
        let indented = line.strip_prefix("    ").unwrap_or(line);
        let name = indented.strip_prefix("pub ").and_then(|item| {
            let item = item.strip_prefix("const ").unwrap_or(item);
            let function = item.strip_prefix("fn ");
            function.or_else(|| item.starts_with(char::is_uppercase).then_some(item))
        });
        if let Some(owner) = line
            .strip_prefix("pub enum ")
            .or(line.strip_prefix("pub trait "))
        {
            within = Within::EnumOrTrait(word_of(owner));
        } else if line == "kinds! {" {
            within = Within::EnumOrTrait("DiagnosticKind".to_owned());
        } else if let Some(header) = line.strip_prefix("impl") {
            let owner = header.split_once("> ").map_or(header, |(_, owner)| owner);
            within = Within::Impl(word_of(owner.trim_start()));
        } else if line.starts_with('}') {
            within = Within::Nothing;
        } else if let Within::EnumOrTrait(owner) = &within {
            let variant = indented.starts_with(char::is_uppercase).then_some(indented);
            items.extend(
                indented
                    .strip_prefix("fn ")
                    .or(variant)
                    .map(|name| join(owner, name)),
            );
        } else if let Some(name) = name {
            items.push(match &within {
                Within::Impl(owner) => join(owner, name),
                _ => word_of(name),
            });
        }
    }
    items
}

fn join(owner: &str, item: &str) -> String {
    format!("{owner}::{}", word_of(item))
}

fn word_of(text: &str) -> String {
    text.chars().take_while(|c| is_word(*c)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a text says a name that is not a part of a longer one.
fn is_named(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(is_word) && !after.starts_with(is_word)
    })
}
