//! The examples of the README and of the pages under `docs`, compiled and run as doc tests.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/GRAY-ROUTING.md")]
struct GrayRouting;

#[cfg(doctest)]
#[doc = include_str!("../docs/PROVIDERS.md")]
struct Providers;

#[cfg(doctest)]
#[doc = include_str!("../docs/GUARDED-RAMPS.md")]
struct GuardedRamps;

#[cfg(doctest)]
#[doc = include_str!("../docs/OPERATING.md")]
struct Operating;
