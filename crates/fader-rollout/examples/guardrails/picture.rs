//! Pictures, in the look of that of the benchmarks.

use std::fmt::Write as _;

use crate::case::{Case, each};
use crate::healthy::SEED;
use crate::others::NAMES;

const STYLE: &str = "\
text { font: 12px -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif; fill: #59636e; }
.title { font-size: 16px; font-weight: 600; fill: #1f2328; }
.work { font-size: 13px; font-weight: 600; fill: #1f2328; }
.ours { fill: #0969da; } text.ours { font-weight: 600; }
.peer { fill: #afb8c1; }
.line { stroke: #e4e8ec; stroke-width: 1; }
.well, .sick, .alarm { fill: none; stroke-width: 1.5; }
.well { stroke: #0969da; } .sick { stroke: #cf222e; } .alarm { stroke: #59636e; stroke-dasharray: 4 3; }
text.well { stroke: none; fill: #0969da; } text.sick { stroke: none; fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; } .title, .work { fill: #f0f6fc; }
  .ours, text.well { fill: #58a6ff; } .peer { fill: #57606a; } .line { stroke: #262c33; }
  .well { stroke: #58a6ff; } .sick { stroke: #ff7b72; } text.sick { fill: #ff7b72; } .alarm { stroke: #9198a1; }
}";

/// Runs that are drawn of each kind.
const RUNS: u32 = 4;
/// The picture of the evidence: its plot, in pixels, its seconds, and the powers of ten that it shows.
const LEFT: f64 = 70.0;
const TOP: f64 = 60.0;
const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 260.0;
const SECONDS: u32 = 600;
const DECADES: (f64, f64) = (-2.0, 3.0);

/// Draws the evidence over time of healthy candidates and of sick ones.
pub(crate) fn evidence() -> String {
    let mut svg = begin(
        960.0,
        360.0,
        "Evidence over time: a candidate five times as bad as stable, and a healthy one",
    );
    let y = |evidence: f64| {
        let log = evidence.max(1e-9).log10().clamp(DECADES.0, DECADES.1);
        TOP + HEIGHT * (DECADES.1 - log) / (DECADES.1 - DECADES.0)
    };
    let right = LEFT + WIDTH;
    for decade in -2..=3 {
        let at = y(10_f64.powi(decade));
        put(
            &mut svg,
            format_args!(
                "<line class=\"line\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>"
            ),
        );
        let label = 10_f64.powi(decade);
        let (x, under) = (LEFT - 8.0, at + 4.0);
        put(
            &mut svg,
            format_args!("<text x=\"{x}\" y=\"{under:.1}\" text-anchor=\"end\">{label}</text>"),
        );
    }
    for minute in 0..=SECONDS / 60 {
        let x = LEFT + WIDTH * f64::from(minute * 60) / f64::from(SECONDS);
        let under = TOP + HEIGHT + 18.0;
        put(
            &mut svg,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{under}\" text-anchor=\"middle\">{minute} min</text>"
            ),
        );
    }
    for (level, name) in [(0.05, "α = 0.05"), (0.01, "α = 0.01")] {
        let at = y(1.0 / level);
        put(
            &mut svg,
            format_args!(
                "<line class=\"alarm\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>"
            ),
        );
        let (x, above) = (right - 4.0, at - 5.0);
        put(
            &mut svg,
            format_args!(
                "<text x=\"{x}\" y=\"{above:.1}\" text-anchor=\"end\">alarm at {name}</text>"
            ),
        );
    }
    let kinds = [
        ("well", "healthy", Case::new("healthy", "5")),
        (
            "sick",
            "five times the errors of stable",
            Case::new("sick", "5").with(r#""effect": { "errors": 5 }"#),
        ),
    ];
    for (row, (class, name, case)) in (0..).zip(kinds) {
        for line in lines(&case.going_on()) {
            let points = (0..).zip(line).map(|(second, evidence): (u32, f64)| {
                let x = LEFT + WIDTH * f64::from(second) / f64::from(SECONDS);
                format!("{x:.1},{:.1}", y(evidence))
            });
            let points = points.collect::<Vec<_>>().join(" ");
            put(
                &mut svg,
                format_args!("<polyline class=\"{class}\" points=\"{points}\"/>"),
            );
        }
        let x = LEFT + 300.0 * f64::from(row);
        put(
            &mut svg,
            format_args!("<text class=\"{class}\" x=\"{x}\" y=\"46\">{name}, {RUNS} runs</text>"),
        );
    }
    end(svg)
}

/// Returns the evidence of some runs, second by second.
fn lines(case: &Case) -> Vec<Vec<f64>> {
    let case = Case {
        seconds: SECONDS,
        ..case.clone()
    };
    let simulation = case.simulation();
    each(RUNS, |run| {
        let mut line = Vec::new();
        let _ = simulation.watch(run, SEED, |moment| {
            line.push(moment.judge.evidence(0).unwrap_or(1.0));
            None
        });
        line
    })
}

/// What a panel of bars shows.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// For each of those compared: how long its bar is, of 1, and what stands behind it.
    pub(crate) bars: Vec<(f64, String)>,
}

/// Draws false alarms in the left column, and detection in the right one.
pub(crate) fn comparison(left: &[Panel], right: &[Panel]) -> String {
    let rows = u32::try_from(left.len().max(right.len())).unwrap_or_default();
    let mut svg = begin(
        960.0,
        70.0 + f64::from(rows) * 128.0,
        "False alarms in healthy hours, and how soon regressions are seen",
    );
    for (x, panels) in [(0.0, left), (480.0, right)] {
        for (row, panel) in (0_u32..).zip(panels) {
            draw(&mut svg, panel, x, 60.0 + f64::from(row) * 128.0);
        }
    }
    end(svg)
}

fn draw(svg: &mut String, panel: &Panel, x: f64, y: f64) {
    let (left, title) = (x + 160.0, panel.title);
    put(
        svg,
        format_args!("<text class=\"work\" x=\"{left}\" y=\"{y}\">{title}</text>"),
    );
    for (row, ((length, value), name)) in (0_u32..).zip(panel.bars.iter().zip(NAMES)) {
        let above = y + 10.0 + f64::from(row) * 18.0;
        let (base, name_x, width) = (above + 10.0, left - 8.0, (length * 200.0).max(1.0));
        let (bar, text) = if row == 0 {
            ("ours", " class=\"ours\"")
        } else {
            ("peer", "")
        };
        let after = left + width + 6.0;
        put(
            svg,
            format_args!(
                "<text{text} x=\"{name_x}\" y=\"{base}\" text-anchor=\"end\">{name}</text>"
            ),
        );
        put(
            svg,
            format_args!(
                "<rect class=\"{bar}\" x=\"{left}\" y=\"{above}\" width=\"{width:.1}\" height=\"11\" rx=\"2\"/>"
            ),
        );
        put(
            svg,
            format_args!("<text{text} x=\"{after:.1}\" y=\"{base}\">{value}</text>"),
        );
    }
}

fn begin(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">\n<style>\n{STYLE}\n</style>\n\
         <text class=\"title\" x=\"8\" y=\"24\">{title}</text>\n"
    )
}

fn end(mut svg: String) -> String {
    svg.push_str("</svg>\n");
    svg
}

fn put(svg: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(svg, "{line}");
}
