//! Texts of a request, one behind the other.

use arrayvec::ArrayString;

/// Bytes of text that need no allocation.
const FEW: usize = 192;
/// Bytes of text that are kept of what one client sends at most; what does not fit is missing. What the service itself
/// sets has room besides, so that no client can crowd it out.
pub(crate) const MOST: usize = 65_536;

#[derive(Default)]
pub(crate) struct Texts {
    few: ArrayString<FEW>,
    /// What does not fit there.
    more: String,
    /// How many bytes of all these the client has sent.
    sent: usize,
}

/// Where a text lies.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    is_few: bool,
    start: u32,
    end: u32,
}

impl Texts {
    /// Puts a text that the client has sent behind the others; `None` where there is no room.
    pub(crate) fn keep_sent(&mut self, text: &str) -> Option<Place> {
        let sent = self.sent + text.len();
        if sent > MOST {
            return None;
        }
        self.sent = sent;
        self.keep(text)
    }

    /// Puts a text behind the others; `None` beyond four gigabytes.
    pub(crate) fn keep(&mut self, text: &str) -> Option<Place> {
        let start = self.few.len();
        let (is_few, start) = match self.few.try_push_str(text) {
            Ok(()) => (true, start),
            Err(_) => {
                let start = self.more.len();
                self.more.push_str(text);
                (false, start)
            }
        };
        Some(Place {
            is_few,
            start: u32::try_from(start).ok()?,
            end: u32::try_from(start + text.len()).ok()?,
        })
    }

    /// Maps the ASCII letters of a text to lower case.
    pub(crate) fn lower(&mut self, place: Place) {
        let texts: &mut str = if place.is_few {
            &mut self.few
        } else {
            &mut self.more
        };
        if let Some(text) = texts.get_mut(place.start as usize..place.end as usize) {
            text.make_ascii_lowercase();
        }
    }

    #[inline]
    pub(crate) fn get(&self, place: Place) -> Option<&str> {
        let texts: &str = if place.is_few { &self.few } else { &self.more };
        texts.get(place.start as usize..place.end as usize)
    }
}
