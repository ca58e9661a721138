//! Windows in local time.

use fader::plan::Window;

use crate::machine::Windows;

use super::*;

const ALL: [bool; 7] = [true; 7];

fn window(zone: &str, days: [bool; 7], from: u16, to: u16) -> Window {
    let mut window = Window::new(days, from, to);
    window.zone = zone.into();
    window
}

fn one(zone: &str, days: [bool; 7], from: u16, to: u16) -> Windows {
    Windows::new(&[window(zone, days, from, to)]).unwrap()
}

/// Tells from which UTC minute until which one it is open on a day, minute by minute.
fn open_on(windows: &Windows, day: &str) -> Vec<String> {
    let begin = at(&format!("{day}T00:00:00Z"));
    let mut edges = Vec::new();
    let mut was = false;
    for minute in 0..1440 {
        let now = later(begin, seconds(minute * MINUTE));
        let is = windows.is_open(now);
        if is != was {
            edges.push(format!(
                "{}{:02}:{:02}",
                if is { "+" } else { "-" },
                minute / 60,
                minute % 60
            ));
        }
        was = is;
    }
    edges
}

#[test]
fn without_a_window_it_is_always_open() {
    let windows = Windows::new(&[]).unwrap();
    let now = at("2026-12-01T09:00:00Z");
    assert!(windows.is_open(now));
    assert_eq!(windows.next_opening(now), Some(now));
    assert_eq!(windows.closes_at(now), None);
}

#[test]
fn a_window_is_open_from_its_first_minute_to_its_last_on_its_days() {
    // Monday to Thursday; 2026-12-03 is a Thursday.
    let days = [true, true, true, true, false, false, false];
    let windows = one("Europe/Amsterdam", days, 9 * 60, 16 * 60);
    assert_eq!(open_on(&windows, "2026-12-03"), ["+08:00", "-15:00"]);
    assert_eq!(open_on(&windows, "2026-12-04"), [""; 0]);
    assert!(!windows.is_open(at("2026-12-03T07:59:59.999Z")));
    assert!(windows.is_open(at("2026-12-03T08:00:00Z")));
    assert!(windows.is_open(at("2026-12-03T14:59:59.999Z")));
    assert!(!windows.is_open(at("2026-12-03T15:00:00Z")));
    let monday = at("2026-12-07T08:00:00Z");
    assert_eq!(
        windows.next_opening(at("2026-12-03T15:00:00Z")),
        Some(monday)
    );
    assert_eq!(windows.closes_at(monday), Some(at("2026-12-07T15:00:00Z")));
    assert_eq!(
        windows.closes_at(at("2026-12-04T12:00:00Z")),
        Some(at("2026-12-04T12:00:00Z"))
    );
}

#[test]
fn a_change_of_time_leaves_out_an_hour_or_doubles_it() {
    // Amsterdam: 02:00 becomes 03:00 at 01:00 UTC on 29 March, 03:00 becomes 02:00 at 01:00 UTC on 25 October.
    let night = one("Europe/Amsterdam", ALL, 2 * 60, 3 * 60);
    assert_eq!(open_on(&night, "2026-03-28"), ["+01:00", "-02:00"]);
    assert_eq!(open_on(&night, "2026-03-29"), [""; 0]);
    assert_eq!(open_on(&night, "2026-03-30"), ["+00:00", "-01:00"]);
    assert_eq!(open_on(&night, "2026-10-25"), ["+00:00", "-02:00"]);
    assert_eq!(open_on(&night, "2026-10-26"), ["+01:00", "-02:00"]);
    let half = one("Europe/Amsterdam", ALL, 2 * 60, 2 * 60 + 30);
    assert_eq!(
        open_on(&half, "2026-10-25"),
        ["+00:00", "-00:30", "+01:00", "-01:30"]
    );

    // New York: 02:00 becomes 03:00 at 07:00 UTC on 8 March, 02:00 becomes 01:00 at 06:00 UTC on 1 November.
    let night = one("America/New_York", ALL, 60, 3 * 60);
    assert_eq!(open_on(&night, "2026-03-08"), ["+06:00", "-07:00"]);
    assert_eq!(open_on(&night, "2026-11-01"), ["+05:00", "-08:00"]);
    assert_eq!(open_on(&night, "2026-11-02"), ["+06:00", "-08:00"]);
    assert_eq!(
        night.closes_at(at("2026-11-01T05:00:00Z")),
        Some(at("2026-11-01T08:00:00Z"))
    );
}

#[test]
fn a_zone_may_be_off_by_half_an_hour() {
    let windows = one("Asia/Kolkata", ALL, 9 * 60, 17 * 60);
    assert_eq!(open_on(&windows, "2026-12-01"), ["+03:30", "-11:30"]);
    // Lord Howe changes its time by half an hour.
    let windows = one("Australia/Lord_Howe", ALL, 60, 4 * 60);
    assert_eq!(open_on(&windows, "2026-10-02").len(), 2);
    assert_eq!(
        windows.next_opening(at("2026-10-03T10:00:00Z")),
        Some(at("2026-10-03T14:30:00Z"))
    );
    assert_eq!(
        windows.closes_at(at("2026-10-03T14:30:00Z")),
        Some(at("2026-10-03T17:00:00Z"))
    );
}

#[test]
fn the_one_hour_of_a_week_may_be_left_out() {
    // Sundays from 2 to 3: the one of 29 March does not come.
    let sunday = [false, false, false, false, false, false, true];
    let windows = one("Europe/Amsterdam", sunday, 2 * 60, 3 * 60);
    let opening = windows.next_opening(at("2026-03-22T02:00:00Z"));
    assert_eq!(opening, Some(at("2026-04-05T00:00:00Z")));
}

#[test]
fn a_window_without_days_never_opens_and_one_of_all_hours_never_closes() {
    let now = at("2026-12-01T09:00:00Z");
    assert_eq!(one("UTC", [false; 7], 0, 1440).next_opening(now), None);
    assert_eq!(one("UTC", ALL, 0, 1440).closes_at(now), None);
    assert_eq!(one("UTC", ALL, 600, 600).next_opening(now), None);
    let far = Timestamp::from_nanos(i128::MAX);
    assert!(!one("UTC", ALL, 0, 1440).is_open(far));
    assert_eq!(one("UTC", ALL, 0, 1440).next_opening(far), None);
}

#[test]
fn openings_and_closings_are_those_that_a_look_at_each_minute_finds() {
    let week = [true, false, true, true, false, false, true];
    let windows = [
        window("America/New_York", week, 100, 150),
        window("Europe/Amsterdam", ALL, 30, 185),
        window("Asia/Kolkata", week, 0, 1440),
    ];
    for windows in [&windows[..1], &windows[1..2], &windows[..]] {
        let windows = Windows::new(windows).unwrap();
        for day in ["2026-03-07", "2026-03-28", "2026-10-24", "2026-10-31"] {
            let begin = at(&format!("{day}T00:00:30Z"));
            for hour in 0..48 {
                let now = later(begin, seconds(hour * HOUR + 17));
                for (found, open) in [
                    (windows.next_opening(now), true),
                    (windows.closes_at(now), false),
                ] {
                    let minute = |minute| {
                        if minute == 0 {
                            now
                        } else {
                            later(begin, seconds(hour * HOUR + minute * MINUTE - 30))
                        }
                    };
                    let looked = (0..10 * 1440)
                        .map(minute)
                        .find(|at| windows.is_open(*at) == open);
                    assert_eq!(found, looked, "{now} {open}");
                }
            }
        }
    }
}

#[test]
fn an_unknown_zone_is_named_with_one_that_is_like_it() {
    let windows = [
        window("UTC", ALL, 0, 60),
        window("Europe/Amsterdan", ALL, 0, 60),
    ];
    let mut plan = plan();
    plan.windows = windows.to_vec();
    let error = Ramp::new(Arc::new(plan), &[], BudgetPart::OneProcess).unwrap_err();
    assert_eq!(error.window(), Some(1));
    let expected = "`windows[1].zone`: unknown time zone `Europe/Amsterdan`; help: did you mean `Europe/Amsterdam`?";
    assert_eq!(error.to_string(), expected);
    let error = Windows::new(&[window("x/y", ALL, 0, 60)])
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("such as `Europe/Amsterdam`"), "{error}");
}
