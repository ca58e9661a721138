//! The span of a request, for the crate `tracing`; without that feature nothing at all.

#[cfg(feature = "tracing")]
pub(crate) use on::RequestSpan;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::RequestSpan;

#[cfg(not(feature = "tracing"))]
mod off {
    use crate::scope::PinnedScope;

    #[derive(Debug)]
    pub(crate) struct RequestSpan;

    impl RequestSpan {
        #[inline(always)]
        pub(crate) fn new(_: &PinnedScope) -> Self {
            Self
        }

        #[inline(always)]
        #[expect(clippy::unused_self, reason = "what there is with a span")]
        pub(crate) fn within<T>(&self, run: impl FnOnce() -> T) -> T {
            run()
        }

        #[inline(always)]
        #[expect(clippy::unused_self, reason = "what there is with a span")]
        pub(crate) fn record(&self, _: &PinnedScope) {}
    }
}

#[cfg(feature = "tracing")]
mod on {
    use fader::{Reason, Resolution};
    use tracing::{Span, field, info_span};

    use crate::scope::PinnedScope;

    /// The most bytes of all flags; one that does not fit is left out.
    const MAX_BYTES: usize = 1024;

    /// A span in which all of a request runs that the adapter sees.
    #[derive(Debug)]
    pub(crate) struct RequestSpan(Span);

    impl RequestSpan {
        pub(crate) fn new(scope: &PinnedScope) -> Self {
            Self(info_span!(
                target: "fader",
                "fader.request",
                fader.version = scope.version(),
                fader.flags = field::Empty,
            ))
        }

        #[inline]
        pub(crate) fn within<T>(&self, run: impl FnOnce() -> T) -> T {
            self.0.in_scope(run)
        }

        /// Records which flags were asked for until now.
        pub(crate) fn record(&self, scope: &PinnedScope) {
            // Whoever asked for a flag has decided it: nobody is enrolled by this.
            if !self.0.is_disabled() {
                let mut flags = String::new();
                for (flag, _) in scope.asked() {
                    push(&mut flags, flag, &scope.resolve(flag));
                }
                if !flags.is_empty() {
                    self.0.record("fader.flags", flags);
                }
            }
        }
    }

    fn push(flags: &mut String, flag: &str, resolution: &Resolution) {
        let before = flags.len();
        if before > 0 {
            flags.push(' ');
        }
        flags.push_str(flag);
        if let Some(variant) = resolution.variant() {
            flags.push('=');
            flags.push_str(variant);
        }
        flags.push('@');
        flags.push_str(why(resolution.reason()));
        if flags.len() > MAX_BYTES {
            flags.truncate(before);
        }
    }

    fn why(reason: Reason) -> &'static str {
        match reason {
            Reason::Static => "static",
            Reason::Default => "default",
            Reason::TargetingMatch => "rule",
            Reason::Split => "draw",
            Reason::Disabled => "disabled",
            Reason::Forced => "forced",
            _ => "error",
        }
    }
}
