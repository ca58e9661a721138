//! The hours in which exposure may be raised.
//!
//! A window is open while the local time of its zone lies in it. Only instants become local times, never the other way
//! round: a local hour that a change of time leaves out is never open, and one that comes twice is open twice.

use std::time::Duration;

use fader::Timestamp;
use fader::plan::Window;
use jiff::tz::{TimeZone, db};

use super::ramp::InvalidRamp;

/// Windows with their time zones looked up. Without any, exposure may always be raised.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Windows(Vec<(Window, TimeZone)>);

/// How far ahead is looked: two weeks and a day, since a change of time may leave out a window's one hour of a week.
const HORIZON: Duration = Duration::from_secs(15 * 86_400);
const MINUTE: i128 = 60_000_000_000;
const DAY: u16 = 1440;

impl Windows {
    /// Looks up the time zones of windows: in the database of the system or, where it has none, in one that is built
    /// in.
    ///
    /// # Errors
    ///
    /// A time zone that is not known, with the window's place and a name that is much like it.
    pub fn new(windows: &[Window]) -> Result<Self, InvalidRamp> {
        let zones = windows.iter().enumerate().map(|(at, window)| {
            let zone = TimeZone::get(&window.zone);
            let zone =
                zone.map_err(|_| InvalidRamp::zone(at, &window.zone, nearest(&window.zone)))?;
            Ok((window.clone(), zone))
        });
        Ok(Self(zones.collect::<Result<_, _>>()?))
    }

    /// Tells whether exposure may be raised now.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|(window, zone)| {
                let Some((day, minute)) = local(zone, now) else {
                    return false;
                };
                window.days.get(day) == Some(&true) && (window.from..window.to).contains(&minute)
            })
    }

    /// Returns when exposure may be raised next: now, where it may be already. None if not within two weeks, which is
    /// never.
    #[must_use]
    pub fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        self.next(now, true)
    }

    /// Returns when exposure may not be raised any more: now, where it may not already. None if that never ends.
    #[must_use]
    pub fn closes_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.next(now, false)
    }

    /// Finds the first instant that is open or is not, from boundary to boundary.
    fn next(&self, now: Timestamp, open: bool) -> Option<Timestamp> {
        let end = now.as_nanos() + nanos(HORIZON);
        let mut at = now;
        while self.is_open(at) != open {
            at = self.boundary(at)?;
            if at.as_nanos() > end {
                return None;
            }
        }
        Some(at)
    }

    /// Returns the first instant after another at which a window may open or close: at its local times, at midnight,
    /// and where the zone changes its time.
    fn boundary(&self, at: Timestamp) -> Option<Timestamp> {
        let of_window = |(window, zone): &(Window, TimeZone)| {
            let (_, minute) = local(zone, at)?;
            let ahead = [window.from, window.to, DAY].into_iter();
            let ahead = ahead.filter(|edge| *edge > minute).min()?;
            let begun = at.as_nanos().div_euclid(MINUTE) * MINUTE;
            let edge = begun + i128::from(ahead - minute) * MINUTE;
            let change = zone.following(instant(at)?).next();
            let change = change.map(|change| change.timestamp().as_nanosecond());
            Some(change.map_or(edge, |change| change.min(edge)))
        };
        self.0
            .iter()
            .filter_map(of_window)
            .min()
            .map(Timestamp::from_nanos)
    }
}

/// Returns the local day of the week, Monday being 0, and the minute of the day.
fn local(zone: &TimeZone, at: Timestamp) -> Option<(usize, u16)> {
    let local = zone.to_datetime(instant(at)?);
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).ok()?;
    let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
    Some((day, u16::try_from(minute).ok()?))
}

fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(at.as_nanos()).ok()
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// Returns the known name that is most like one that is not known, if it is much like it.
fn nearest(zone: &str) -> Option<String> {
    let wanted = zone.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&wanted, &name.to_lowercase());
    let names = db().available().map(|name| (likeness(name.as_str()), name));
    let best = names.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.85)
        .map(|(_, name)| name.as_str().to_owned())
}
