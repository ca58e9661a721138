//! The engines, each in the ways it is asked.

pub mod configcat;
pub mod eppo;
pub mod fader;
pub mod feature_probe;
pub mod flagd;
pub mod growthbook;
pub mod launchdarkly;
pub mod yggdrasil;
