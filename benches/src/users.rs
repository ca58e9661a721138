//! The users that every engine is asked about.

use fader::Context;

use crate::random::Random;

/// How many users there are: enough that no branch predictor learns them by heart, few enough to stay in the cache.
pub const USERS: usize = 1_024;

/// Two-letter codes of countries.
pub const COUNTRIES: [&str; 80] = [
    "AE", "AL", "AR", "AT", "AU", "BA", "BD", "BE", "BG", "BO", "BR", "CA", "CH", "CL", "CN", "CO",
    "CR", "CY", "CZ", "DE", "DK", "DO", "DZ", "EC", "EE", "EG", "ES", "FI", "FR", "GB", "GE", "GH",
    "GR", "GT", "HK", "HR", "HU", "ID", "IE", "IL", "IN", "IQ", "IS", "IT", "JO", "JP", "KE", "KR",
    "KW", "KZ", "LB", "LK", "LT", "LU", "LV", "MA", "MD", "MX", "MY", "NG", "NL", "NO", "NZ", "OM",
    "PA", "PE", "PH", "PK", "PL", "PT", "QA", "RO", "RS", "SA", "SE", "SG", "SI", "TH", "TR", "UA",
];

/// The companies whose suffixes rules ask for.
pub const COMPANIES: [&str; 8] = [
    "example.com",
    "acme.org",
    "initech.net",
    "umbrella.io",
    "globex.com",
    "hooli.dev",
    "stark.industries",
    "wayne.enterprises",
];

/// A user as a service's own code would hold him.
#[derive(Clone, Debug)]
pub struct User {
    pub id: String,
    pub country: &'static str,
    pub plan: &'static str,
    pub version: String,
    pub email: String,
    pub device: String,
}

impl User {
    /// Makes the context that the library is asked with.
    #[must_use]
    pub fn context(&self) -> Context {
        Context::new(self.id.as_str())
            .with("country", self.country)
            .with("plan", self.plan)
            .with("app.version", self.version.as_str())
            .with("user.email", self.email.as_str())
            .with("device", self.device.as_str())
    }
}

/// Makes the users; the same in every run.
#[must_use]
pub fn users() -> Vec<User> {
    let mut random = Random::new(7);
    let mut user = |number: usize| User {
        id: id(number),
        country: random.pick(&COUNTRIES),
        plan: random.pick(&[
            "free",
            "free",
            "free",
            "free",
            "pro",
            "pro",
            "pro",
            "enterprise",
        ]),
        version: random
            .pick(&[
                "1.0.3", "1.7.0", "1.12.4", "2.0.0", "2.1.9", "2.4.1", "3.0.0", "3.11.2",
            ])
            .to_string(),
        email: format!("user-{number}@{}", random.pick(&COMPANIES)),
        device: format!(
            "{}-{}{}",
            random.pick(&["pixel", "galaxy", "iphone", "moto"]),
            random.below(20),
            random.pick(&["", "", "", "-beta"])
        ),
    };
    (0..USERS).map(&mut user).collect()
}

/// Returns the id of a user, also of one beyond those that are asked about.
#[must_use]
pub fn id(number: usize) -> String {
    format!("user-{number:08}")
}
