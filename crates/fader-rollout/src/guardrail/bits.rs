//! Numbers as their bits: a text format may round the last digit, and a test resumed must answer as if it never
//! stopped.

use serde::{Deserialize, Deserializer, Serializer};

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(value.to_bits())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    u64::deserialize(deserializer).map(f64::from_bits)
}

/// The same for as many as there are.
pub(super) mod many {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer, const N: usize>(
        values: &[f64; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.map(f64::to_bits))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[f64; N], D::Error> {
        let bits = Vec::<u64>::deserialize(deserializer)?;
        let bits = <[u64; N]>::try_from(bits);
        let bits = bits.map_err(|found| {
            D::Error::custom(format!("expected {N} numbers, found {}", found.len()))
        })?;
        Ok(bits.map(f64::from_bits))
    }
}
