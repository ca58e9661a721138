//! From figures to a page and a picture.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::measure::Work;
use crate::picture;
use crate::results::{Engine, Results};

/// How it is measured, and what is unfair in it: text with places for figures.
const METHOD: &str = include_str!("../text/method.md");
const UNFAIR: &str = include_str!("../text/unfair.md");

const WORKS: [(Work, &str); 6] = [
    (Work::Plain, "plain"),
    (Work::Rollout, "25 % rollout"),
    (Work::Rules, "five rules"),
    (Work::FourRules, "four rules"),
    (Work::List, "list of 10,000"),
    (Work::All, "1,000 flags, each"),
];

/// Writes the page and the picture into a folder.
///
/// # Errors
///
/// They can't be written, or the results lack an engine.
pub fn write(results: &Results, folder: &Path) -> Result<()> {
    put(
        &folder.join("benchmarks.svg"),
        &picture::draw(results, &WORKS),
    )?;
    put(&folder.join("BENCHMARKS.md"), &page(results)?)
}

fn put(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
}

fn page(results: &Results) -> Result<String> {
    let engines = &results.engines;
    let machine = &results.machine;
    let mut page = String::from(
        "# fader beside other engines\n\n\
         <!-- Written by `cargo xtask bench-peers`; the text is in `benches/peers/text`. -->\n\n\
         The same logical flags, written in each engine's own format, asked through its public API about the same 1,024\n\
         users, in one process and one run. Before anything is measured, every engine has to answer what the flags mean.\n\n\
         ![Nanoseconds an evaluation takes, on a logarithmic scale](benchmarks.svg)\n\n",
    );
    writeln!(
        page,
        "Measured on {}, on {}, {} cores,\n{}, with {}.\nMedians of {} rounds in which all engines take turns. \
         Before it began, the machine had a load of {}.\n",
        machine.date,
        machine.cpu,
        machine.cores,
        machine.system,
        machine.rustc,
        results.rounds,
        machine.load
    )?;
    page.push_str("## Nanoseconds an evaluation\n\n");
    evaluations(&mut page, engines, |evaluation| number(evaluation.nanos))?;
    page.push_str(
        "\n*Four rules* are the five without the one that asks for a pattern. `n/a`: the engine has no operator for\n\
         patterns. An asterisk: its mixed set lacks the pattern rules, so it has less to do; it is left out of the ratios.\n\n",
    );
    page.push_str("### How many times as long as fader the fastest of the others takes\n\n");
    ratios(&mut page, engines)?;
    page.push_str("\n## Allocations and bytes an evaluation\n\n");
    evaluations(&mut page, engines, |evaluation| {
        match evaluation.allocations {
            0.0 => "0".to_owned(),
            allocations => format!("{} / {} B", number(allocations), number(evaluation.bytes)),
        }
    })?;
    page.push_str("\n## The mixed set of 1,000 flags: build and memory\n\n");
    built(&mut page, engines)?;
    page.push_str("\n## One reader while 50 flags are swapped 100 times a second\n\n");
    swaps(&mut page, engines)?;
    page.push_str("\n## Who was asked, and how\n\n");
    asked(&mut page, engines)?;
    page.push('\n');
    page.push_str(&filled(METHOD, results)?);
    page.push('\n');
    page.push_str(&filled(UNFAIR, results)?);
    Ok(page)
}

/// Writes figures into a text: `{copy:NAME}` is what a copy of an engine's user costs.
fn filled(text: &str, results: &Results) -> Result<String> {
    let mut text = text.replace("{block_on}", &number(results.block_on));
    for engine in &results.engines {
        if let Some(copy) = engine.copy {
            text = text.replace(&format!("{{copy:{}}}", engine.package), &number(copy));
        }
    }
    anyhow::ensure!(
        !text.contains("{copy"),
        "a figure of the text was not measured"
    );
    Ok(text)
}

fn evaluations(
    page: &mut String,
    engines: &[Engine],
    cell: impl Fn(&crate::results::Evaluation) -> String,
) -> Result<()> {
    let names: Vec<&str> = WORKS.iter().map(|(_, name)| *name).collect();
    writeln!(page, "| engine | {} |", names.join(" | "))?;
    writeln!(page, "|---|{}", "--:|".repeat(WORKS.len()))?;
    for engine in engines {
        let cells = WORKS.iter().map(|(work, _)| match engine.works.get(work) {
            Some(evaluation) => format!("{}{}", cell(evaluation), star(engine, *work)),
            None => "n/a".to_owned(),
        });
        writeln!(
            page,
            "| {} | {} |",
            engine.name,
            cells.collect::<Vec<_>>().join(" | ")
        )?;
    }
    Ok(())
}

fn star(engine: &Engine, work: Work) -> &'static str {
    if work == Work::All && !engine.patterns {
        " *"
    } else {
        ""
    }
}

fn ratios(page: &mut String, engines: &[Engine]) -> Result<()> {
    writeln!(
        page,
        "| fader asked by | {} |",
        WORKS.map(|(_, name)| name).join(" | ")
    )?;
    writeln!(page, "|---|{}", "--:|".repeat(WORKS.len()))?;
    let (ours, peers): (Vec<&Engine>, Vec<&Engine>) =
        engines.iter().partition(|engine| is_ours(engine));
    for engine in ours {
        let cell = |(work, _): &(Work, &str)| {
            let ours = engine.works.get(work)?;
            let nanos = |peer: &&&Engine| star(peer, *work).is_empty();
            let fastest = peers
                .iter()
                .filter(nanos)
                .filter_map(|peer| Some((peer.works.get(work)?.nanos, &peer.package)))
                .min_by(|a, b| a.0.total_cmp(&b.0))?;
            Some(format!("{:.1}× ({})", fastest.0 / ours.nanos, fastest.1))
        };
        let cells: Vec<String> = WORKS
            .iter()
            .map(|work| cell(work).unwrap_or_default())
            .collect();
        writeln!(
            page,
            "| {} | {} |",
            engine.name.trim_start_matches("fader: "),
            cells.join(" | ")
        )?;
    }
    Ok(())
}

/// Returns whether it is the library itself.
pub fn is_ours(engine: &Engine) -> bool {
    engine.package == "fader"
}

fn built(page: &mut String, engines: &[Engine]) -> Result<()> {
    page.push_str("| engine | from text to ready | live bytes a flag |\n|---|--:|--:|\n");
    let mut packages = Vec::new();
    for engine in engines {
        if packages.contains(&&engine.package) {
            continue;
        }
        packages.push(&engine.package);
        let star = star(engine, Work::All);
        let built = engine.built;
        writeln!(
            page,
            "| {} | {:.1} ms{star} | {}{star} |",
            engine.package,
            built.millis,
            number(built.bytes_a_flag)
        )?;
    }
    Ok(())
}

fn swaps(page: &mut String, engines: &[Engine]) -> Result<()> {
    page.push_str(
        "| engine | million evaluations a second, alone | under swaps | kept | swaps a second | p99.9 | longest |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for engine in engines {
        let Some(swap) = &engine.swap else { continue };
        let figures = swap.figures;
        writeln!(
            page,
            "| {}{} | {} | {} | {:.0} % | {:.0} | {} | {} |",
            engine.name,
            star(engine, Work::All),
            million(figures.alone),
            million(figures.swapped),
            figures.kept * 100.0,
            figures.swaps,
            time(figures.p999),
            time(figures.longest),
        )?;
    }
    Ok(())
}

fn asked(page: &mut String, engines: &[Engine]) -> Result<()> {
    page.push_str("| engine | package | asked by | swapped by |\n|---|---|---|---|\n");
    for engine in engines {
        let swapped = engine
            .swap
            .as_ref()
            .map_or("as the row below it", |swap| &swap.how);
        writeln!(
            page,
            "| {} | `{}` {} | {} | {} |",
            engine.name, engine.package, engine.version, engine.call, swapped
        )?;
    }
    Ok(())
}

fn million(a_second: f64) -> String {
    let digits = if a_second < 1e5 { 4 } else { 2 };
    format!("{:.digits$}", a_second / 1e6)
}

/// Writes nanoseconds in the unit that suits them.
pub fn time(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 9_999.5 => format!("{} ns", number(nanos)),
        nanos if nanos < 999_500.0 => format!("{} µs", number(nanos / 1e3)),
        nanos => format!("{} ms", number(nanos / 1e6)),
    }
}

/// Writes a number as it is read: two or three digits that count, thousands apart.
pub fn number(value: f64) -> String {
    if value < 10.0 {
        let text = format!("{value:.1}");
        return text.strip_suffix(".0").unwrap_or(&text).to_owned();
    }
    let whole = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        let written = [0.04, 2.0, 9.94, 10.2, 999.6, 12_345.6, 4_474_696.0].map(number);
        assert_eq!(
            written,
            ["0", "2", "9.9", "10", "1,000", "12,346", "4,474,696"]
        );
        assert_eq!(
            [25.0, 9_999.0, 60_739.0, 4_474_696.0].map(time),
            ["25 ns", "9,999 ns", "61 µs", "4.5 ms"]
        );
    }
}
