//! The picture: a panel for each work, a bar for each engine, a logarithmic scale.

use std::fmt::Write as _;

use crate::measure::Work;
use crate::report::{is_ours, time};
use crate::results::{Engine, Results};

const COLUMNS: usize = 2;
/// Sizes in pixels.
const NAMES: f64 = 224.0;
const BARS: f64 = 190.0;
const VALUES: f64 = 66.0;
const ROW: f64 = 17.0;
const BAR: f64 = 11.0;
const HEAD: f64 = 34.0;
const FOOT: f64 = 30.0;
const TITLE: f64 = 52.0;
const PANEL: f64 = NAMES + BARS + VALUES;
/// The scale: from 1 ns to 10 ms.
const DECADES: i32 = 7;

const STYLE: &str = "\
text { font: 12px -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif; fill: #59636e; }
.title { font-size: 16px; font-weight: 600; fill: #1f2328; }
.work { font-size: 13px; font-weight: 600; fill: #1f2328; }
.ours { fill: #0969da; } text.ours { font-weight: 600; }
.peer { fill: #afb8c1; }
.none { font-style: italic; }
.line { stroke: #e4e8ec; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; } .title, .work { fill: #f0f6fc; }
  .ours { fill: #58a6ff; } .peer { fill: #57606a; } .line { stroke: #262c33; }
}";

/// Draws the results.
pub fn draw(results: &Results, works: &[(Work, &str)]) -> String {
    let rows = results.engines.len() as f64;
    let height = HEAD + rows * ROW + FOOT;
    let (across, down) = (
        COLUMNS as f64 * PANEL,
        works.len().div_ceil(COLUMNS) as f64 * height + TITLE,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {across} {down}\" width=\"{across}\" height=\"{down}\" \
         role=\"img\" aria-label=\"Nanoseconds an evaluation takes, by engine and work\">\n<style>\n{STYLE}\n</style>\n\
         <text class=\"title\" x=\"8\" y=\"24\">Nanoseconds an evaluation takes: shorter is better, each line is ten times the \
         last</text>\n\
         <text x=\"8\" y=\"42\">{}, {} cores, {}; * without the rules that ask for a pattern</text>\n",
        escaped(&results.machine.cpu),
        results.machine.cores,
        results.machine.date,
    );
    for (at, (work, name)) in works.iter().enumerate() {
        let (x, y) = (
            (at % COLUMNS) as f64 * PANEL,
            (at / COLUMNS) as f64 * height + TITLE,
        );
        panel(&mut svg, &results.engines, *work, name, x, y);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, engines: &[Engine], work: Work, name: &str, x: f64, y: f64) {
    let (left, top) = (x + NAMES, y + HEAD);
    let bottom = top + engines.len() as f64 * ROW;
    let mut line = |text: String| {
        // Writing to a string does not fail.
        let _ = writeln!(svg, "{text}");
    };
    line(format!(
        "<text class=\"work\" x=\"{left}\" y=\"{}\">{name}</text>",
        top - 10.0
    ));
    for (decade, unit) in (0..=DECADES).zip(["1 ns", "", "", "1 µs", "", "", "1 ms", ""]) {
        let at = left + BARS * f64::from(decade) / f64::from(DECADES);
        line(format!(
            "<line class=\"line\" x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>"
        ));
        if !unit.is_empty() {
            let under = bottom + 14.0;
            line(format!(
                "<text x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{unit}</text>"
            ));
        }
    }
    for (row, engine) in engines.iter().enumerate() {
        let (above, class) = (
            top + row as f64 * ROW + (ROW - BAR) / 2.0,
            if is_ours(engine) { "ours" } else { "peer" },
        );
        let base = above + BAR - 1.5;
        let ours = if is_ours(engine) {
            " class=\"ours\""
        } else {
            ""
        };
        let (right, label) = (left - 8.0, escaped(&engine.name));
        line(format!(
            "<text{ours} x=\"{right}\" y=\"{base}\" text-anchor=\"end\">{label}</text>"
        ));
        let Some(evaluation) = engine.works.get(&work) else {
            let at = left + 6.0;
            line(format!(
                "<text class=\"none\" x=\"{at}\" y=\"{base}\">no patterns</text>"
            ));
            continue;
        };
        let width = (evaluation.nanos.max(1.0).log10() / f64::from(DECADES) * BARS).max(1.0);
        line(format!(
            "<rect class=\"{class}\" x=\"{left}\" y=\"{above}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>"
        ));
        let (after, star) = (
            left + width + 5.0,
            if work == Work::All && !engine.patterns {
                "*"
            } else {
                ""
            },
        );
        let value = time(evaluation.nanos);
        line(format!(
            "<text{ours} x=\"{after:.1}\" y=\"{base}\">{value}{star}</text>"
        ));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
