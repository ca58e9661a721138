//! Flags as code names them, and the traits and macros behind.

use std::borrow::Borrow;
use std::fmt::Debug;
use std::hash::Hash;

use fader::{Decoded, FlagKey, FlagType, FlagValue, Json, Key, VariantRef};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::named_flags::{Ranker, checkout};
use super::{cloned, shared};

static HEADLINE: FlagKey<str> = FlagKey::new("headline", "hello");
const NAME: &str = FlagKey::new("retries", &3_i64).name();
const DEFAULT: &i64 = FlagKey::new("retries", &3_i64).default_value();

#[test]
fn flag_key() {
    fn key<T: ?Sized + 'static>() {
        let _: fn(&'static str, &'static T) -> FlagKey<T> = FlagKey::new;
        let _: fn(&FlagKey<T>) -> &'static str = FlagKey::name;
        let _: fn(&FlagKey<T>) -> &'static T = FlagKey::default_value;
        let _: fn(&FlagKey<T>) -> &str = AsRef::as_ref;
    }
    fn any_key<K: Key + ?Sized>() {
        let _: fn(&K) -> &'static str = Key::key_name;
        let _: fn(&K, VariantRef<'_>) -> bool = Key::reads;
        fn shared_between_threads<K: Send + Sync + ?Sized>() {}
        shared_between_threads::<K>();
    }
    fn key_of<T: FlagValue + ?Sized>() {
        any_key::<FlagKey<T>>();
    }
    key::<str>();
    key_of::<str>();
    any_key::<dyn Key>();
    shared::<FlagKey<str>>();
    assert_eq!(
        (HEADLINE.name(), NAME, *DEFAULT),
        ("headline", "retries", 3)
    );
}

#[test]
fn flag_value() {
    fn value<T: FlagValue<Owned = O> + ?Sized, O: Borrow<T> + Send + Sync + 'static>() {
        let _: for<'a> fn(VariantRef<'a>) -> Option<&'a T> = FlagValue::read;
        let _: fn(&T) -> (Option<&'static str>, Json) = FlagValue::describe;
        fn of_threads<T: Send + Sync + 'static + ?Sized>() {}
        of_threads::<T>();
    }
    fn decoded<T: Decoded>() {
        fn of_serde<T: DeserializeOwned + Send + Sync + 'static>() {}
        of_serde::<T>();
        value::<T, T>();
    }
    fn variant<'a>(_: &'a str) {
        let _: fn(VariantRef<'a>) -> &'a str = VariantRef::name;
        let _: fn(VariantRef<'a>) -> &'a Json = VariantRef::value;
    }
    value::<bool, bool>();
    value::<i64, i64>();
    value::<f64, f64>();
    value::<str, String>();
    value::<Ranker, Ranker>();
    value::<Upper, Upper>();
    decoded::<Limits>();
    variant("on");
    cloned::<VariantRef<'static>>();
}

#[test]
fn flag_types() {
    fn flag<F: FlagType<Value = T> + Send + Sync + 'static, T: FlagValue + ?Sized>() {
        let _: fn() -> &'static FlagKey<T> = <F as FlagType>::key;
    }
    fn made<F: FlagType + Copy + Debug>(_: F, _: &'static FlagKey<F::Value>) {}
    flag::<checkout::Greeting, str>();
    flag::<ByHand, bool>();
    made(checkout::NewCheckout, &checkout::NEW_CHECKOUT);
    made(checkout::Retries, &checkout::RETRIES);
    made(checkout::Share, &checkout::SHARE);
    made(checkout::Greeting, &checkout::GREETING);
    made(checkout::SearchRanker, &checkout::SEARCH_RANKER);
    assert_eq!(
        (
            *checkout::RETRIES.default_value(),
            checkout::GREETING.default_value()
        ),
        (-3, "hello")
    );
}

#[test]
fn variants() {
    fn made<T: Copy + Debug + Eq + Hash + FlagValue<Owned = T>>() {}
    const NAME: &str = Ranker::Old.as_str();
    let _: fn(Ranker) -> &'static str = Ranker::as_str;
    let _: fn(Ranker) -> &'static str = |ranker| match ranker {
        Ranker::Old => NAME,
        Ranker::HybridA => "a",
    };
    made::<Ranker>();
    assert_eq!((NAME, Ranker::HybridA.as_str()), ("old", "a"));
    assert!(Ranker::Old < Ranker::HybridA);
}

/// A flag named without the macro.
struct ByHand;

impl FlagType for ByHand {
    type Value = bool;

    fn key() -> &'static FlagKey<bool> {
        &checkout::NEW_CHECKOUT
    }
}

/// A value that reads itself from a variant's name, and describes itself by default.
struct Upper;

impl FlagValue for Upper {
    type Owned = Self;

    fn read<'a>(variant: VariantRef<'a>) -> Option<&'a Self> {
        (variant.name() == "upper").then_some(&Self)
    }
}

/// A type of the service's own.
#[derive(Debug, Deserialize)]
pub(crate) struct Limits {
    items: u32,
}

impl Decoded for Limits {}

/// Flags as a service names them: in a module of its own, used from elsewhere.
mod named_flags {
    pub(super) mod checkout {
        fader::flags! {
            /// Checkout v2.
            ///
            /// Its second paragraph.
            pub NewCheckout: bool = "new-checkout", default false;
            pub Retries: i64 = "retries", default -3;
            pub(crate) Share: f64 = "share", default 0.5;
            /// What visitors are greeted with.
            pub(in crate::public_api) Greeting: str = "greeting", default "hello";
            pub(super) CheckoutLimits: crate::public_api::keys::Limits = "limits",
                default crate::public_api::keys::Limits { items: 10 };
            pub SearchRanker: super::Ranker = "search-ranker", default super::Ranker::Old;
            Private: std::primitive::bool = "private", default !true;
        }

        pub fn private() -> (&'static str, String) {
            (PRIVATE.name(), format!("{Private:?}"))
        }
    }

    fader::variants! {
        /// How results are ranked.
        #[derive(PartialOrd, Ord)]
        pub enum Ranker {
            /// The old one.
            Old = "old",
            HybridA = "a",
        }
    }

    fader::variants! { enum Single { Only = "only" } }
    fader::flags! { One: Single = "one", default Single::Only; }
    fader::flags! {}

    #[test]
    fn visibility() {
        assert_eq!(checkout::private(), ("private", "Private".to_owned()));
        assert_eq!(ONE.name(), "one");
        assert_eq!(checkout::CHECKOUT_LIMITS.default_value().items, 10);
        let _ = (One, Single::Only.as_str(), checkout::CheckoutLimits);
    }
}
