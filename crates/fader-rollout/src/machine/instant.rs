//! Instants as RFC 3339, between 1970 and 9999.

use fader::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// 9999-12-31T23:59:59Z: what comes later can't be written in four digits.
const LAST: i128 = 253_402_300_799_000_000_000;

pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Timestamp::from_nanos(at.as_nanos().clamp(0, LAST)))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || D::Error::custom(format_args!("`{text}` is no instant"));
    Timestamp::parse(&text).ok_or_else(wrong)
}

pub(super) mod optional {
    use fader::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Instant(#[serde(with = "super")] Timestamp);

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(in super::super) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Instant).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let at = Option::<Instant>::deserialize(deserializer)?;
        Ok(at.map(|at| at.0))
    }
}
