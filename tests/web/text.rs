//! Texts of the data: bytes of a request, which need not be UTF-8.
//!
//! A character up to U+00FF is the byte of that number, so `\u00ff` is the byte 0xFF, and an `é` in UTF-8 is written
//! `\u00c3\u00a9`. Long texts are told as a repetition, visitor cookies by what they are made of.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

/// What earlier steps have kept, by name: mostly cookies as `NAME=VALUE`.
pub(crate) type Kept = BTreeMap<String, String>;

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Text {
    One(Piece),
    Several(Vec<Piece>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Piece {
    Literal(String),
    Repeat { repeat: String, times: usize },
    Kept { kept: String },
    Visitor { visitor: VisitorCookie },
}

/// The value of a visitor cookie, made by the recipe that the documentation gives and not by the library.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VisitorCookie {
    id: String,
    /// Seconds from now: -86400 is a day ago.
    #[serde(default)]
    born: i64,
    key: Option<String>,
    /// The name that was signed.
    name: Option<String>,
}

impl Text {
    pub(crate) fn bytes(&self, kept: &Kept) -> Vec<u8> {
        let pieces = match self {
            Self::One(piece) => std::slice::from_ref(piece),
            Self::Several(pieces) => pieces,
        };
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => bytes.extend(latin1(text)),
                Piece::Repeat { repeat, times } => bytes.extend(latin1(repeat).repeat(*times)),
                Piece::Kept { kept: name } => {
                    let text = kept.get(name);
                    bytes.extend(latin1(
                        text.unwrap_or_else(|| panic!("nothing is kept as `{name}`")),
                    ));
                }
                Piece::Visitor { visitor } => bytes.extend(visitor.value().into_bytes()),
            }
        }
        bytes
    }
}

impl VisitorCookie {
    fn value(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let born = i64::try_from(now.as_secs()).unwrap() + self.born;
        let payload = format!("1.{}.{born}", self.id);
        let Some(key) = &self.key else {
            return payload;
        };
        let name = self.name.as_deref().unwrap_or("fader_visitor");
        let mut signature = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        signature.update(format!("{name}={payload}").as_bytes());
        let signature = signature.finalize().into_bytes();
        format!("{payload}.{}", BASE64URL_NOPAD.encode(&signature[..16]))
    }
}

fn latin1(text: &str) -> Vec<u8> {
    let byte = |character| u8::try_from(u32::from(character)).expect("a character up to U+00FF");
    text.chars().map(byte).collect()
}
