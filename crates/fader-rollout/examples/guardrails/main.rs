//! Shows what guardrails promise: `cargo xtask guardrails`.
//!
//! `cargo run --release -p fader-rollout --example guardrails -- [--runs N] [--into DOCS]`: so many healthy runs of each
//! kind, 10,000 if not said, and at most 2,000 where that is enough. Prints the tables, and puts them and the pictures
//! into a folder of pages.
#![expect(clippy::print_stdout, reason = "it prints tables")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use bound::lower_bound;
use detection::Regression;
use others::NAMES;
use picture::Panel;

mod bound;
mod case;
mod detection;
mod exact;
mod healthy;
mod others;
mod picture;
mod threats;

const LEVELS: [f64; 3] = [0.1, 0.05, 0.01];

/// Between these lines of the page stands what this program has printed.
const BEGIN: &str = "<!-- Written by `cargo xtask guardrails` from here on. -->\n";
const END: &str = "<!-- Written by hand from here on. -->\n";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let runs: u32 = option("--runs").map_or(Ok(10_000), |runs| runs.parse())?;
    let start = Instant::now();
    let mut tables = Tables::default();
    tables.exact();
    let (left, right) = tables.comparison(runs.min(2000));
    tables.detection(runs.min(1001));
    tables.threats(runs.min(2000));
    tables.healthy(runs);
    tables.say(&format!(
        "\nMeasured on {}, with `--runs {runs}`, in {} minutes on {}.",
        today()?,
        start.elapsed().as_secs().div_ceil(60),
        machine()?
    ));
    if let Some(folder) = option("--into") {
        tables.write(Path::new(folder), &left, &right)?;
    }
    Ok(())
}

/// What was printed so far.
#[derive(Default)]
struct Tables(String);

impl Tables {
    fn say(&mut self, line: &str) {
        println!("{line}");
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn exact(&mut self) {
        let (counts, computed, above) = exact::enumerate();
        self.say("### Exact\n");
        self.say(&format!(
            "E[L | x] at r = 1 in rational arithmetic: {counts} cases (n, n1, x) with n ≤ 14, {computed} expectations, \
             {above} of them above 1."
        ));
    }

    fn healthy(&mut self, runs: u32) {
        self.say(&format!(
            "\n### False alarms in {runs} healthy hours of each kind\n"
        ));
        self.say("| kind | α = 0.1 | α = 0.05 | α = 0.01 |\n|---|--:|--:|--:|");
        for case in healthy::kinds() {
            let nearest = healthy::nearest(&case, runs);
            self.say(&format!("| {} |{}", case.name, alarms(&nearest)));
        }
    }

    fn threats(&mut self, runs: u32) {
        self.say(&format!(
            "\n### False alarms in {runs} hours that are made to break the promise\n"
        ));
        self.say("| | threat | α = 0.1 | α = 0.05 | α = 0.01 |\n|---|---|--:|--:|--:|");
        for threat in threats::threats() {
            let nearest = threats::nearest(&threat, runs);
            let Threat { letter, name } = Threat::of(&threat);
            self.say(&format!("| {letter} | {name} |{}", alarms(&nearest)));
        }
    }

    fn detection(&mut self, runs: u32) {
        let head = "| regression | median | 90 % | promised | candidate requests at the median | at 90 % |";
        let line = "|---|--:|--:|--:|--:|--:|";
        self.say("\n### How soon regressions are seen\n");
        self.say("One guardrail, margin 1, α 5 %, one process, 1,000 requests/s, 0.1 % errors.\n");
        self.say(&format!("{head}\n{line}"));
        for regression in detection::regressions() {
            self.regression(&regression, runs);
        }
        self.say("\nα 1 %, three guardrails (`errors`, `client_errors`, `latency_p95`), a fleet of three.\n");
        self.say(&format!("{head}\n{line}"));
        for regression in detection::defaults() {
            self.regression(&regression, runs);
        }
    }

    fn regression(&mut self, regression: &Regression, runs: u32) {
        let seen = detection::see(regression, runs);
        let seconds = seen.seconds.map(in_seconds);
        let requests = seen.requests.map(|requests| {
            requests.map_or_else(|| "–".to_owned(), |requests| requests.to_string())
        });
        let bounds = [
            regression.within.map(|within| format!("≤ {within} s")),
            regression
                .requests
                .map(|requests| format!("≤ {requests} requests")),
        ];
        let bounds = bounds.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let name = regression.case.name;
        let ([p50, p90], [r50, r90]) = (seconds, requests);
        self.say(&format!(
            "| {name} | {p50} | {p90} | {bounds} | {r50} | {r90} |"
        ));
    }

    fn comparison(&mut self, runs: u32) -> (Vec<Panel>, Vec<Panel>) {
        let head = format!("| | {} |\n|---|--:|--:|--:|--:|--:|", NAMES.join(" | "));
        let (mut left, mut right) = (Vec::new(), Vec::new());
        self.say(&format!("\n### Beside others: part of {runs} healthy hours that alarm (α 5 % where there is one)\n"));
        self.say(&head);
        for case in others::healthy() {
            let parts =
                others::compare(&case, runs).map(|(alarms, _)| f64::from(alarms) / f64::from(runs));
            let cells = parts.map(|part| format!("{:.1} %", 100.0 * part));
            self.say(&format!("| {} | {} |", case.name, cells.join(" | ")));
            left.push(Panel {
                title: case.name,
                bars: parts.into_iter().zip(cells).collect(),
            });
        }
        let runs = runs / 4;
        self.say(&format!("\n### Beside others: median of the seconds until a regression is seen, in {runs} runs\n"));
        self.say(&head);
        for case in others::sick() {
            let medians = others::compare(&case, runs).map(|(_, median)| median);
            let cells = medians.map(in_seconds);
            self.say(&format!("| {} | {} |", case.name, cells.join(" | ")));
            let length = |median: Option<u32>| {
                let seconds = f64::from(median.unwrap_or(3600));
                seconds.max(1.0).ln() / 3600_f64.ln()
            };
            right.push(Panel {
                title: case.name,
                bars: medians.map(length).into_iter().zip(cells).collect(),
            });
        }
        (left, right)
    }

    /// Puts the tables into the page, and the pictures beside it.
    fn write(&self, docs: &Path, left: &[Panel], right: &[Panel]) -> Result<(), Box<dyn Error>> {
        let page = docs.join("GUARDRAILS.md");
        let text = fs::read_to_string(&page)?;
        let (before, rest) = text
            .split_once(BEGIN)
            .ok_or("the page has no place for tables")?;
        let (_, after) = rest
            .split_once(END)
            .ok_or("the tables of the page have no end")?;
        fs::write(&page, format!("{before}{BEGIN}\n{}\n{END}{after}", self.0))?;
        let pictures = docs.join("guardrails");
        fs::create_dir_all(&pictures)?;
        fs::write(pictures.join("evidence.svg"), picture::evidence())?;
        fs::write(
            pictures.join("comparison.svg"),
            picture::comparison(left, right),
        )?;
        Ok(())
    }
}

/// A threat as the table names it.
struct Threat {
    letter: &'static str,
    name: String,
}

impl Threat {
    fn of(threat: &threats::Threat) -> Self {
        let name = threat.case.name;
        Self {
            letter: threat.letter,
            name: if threat.covered {
                name.to_owned()
            } else {
                format!("*{name}*")
            },
        }
    }
}

/// Returns the cells of a row: how many alarmed at each level, with the bound, and a mark where that is above the level.
fn alarms(nearest: &[f64]) -> String {
    let runs = u32::try_from(nearest.len()).unwrap_or(u32::MAX);
    let cells = LEVELS.map(|level| {
        let alarms = nearest.iter().filter(|most| **most * level >= 1.0).count();
        let alarms = u32::try_from(alarms).unwrap_or(u32::MAX);
        let bound = lower_bound(alarms, runs);
        let mark = if bound > level { " **above**" } else { "" };
        format!(
            " {:.4} (≥ {bound:.4}){mark} |",
            f64::from(alarms) / f64::from(runs)
        )
    });
    cells.concat()
}

fn in_seconds(seconds: Option<u32>) -> String {
    seconds.map_or_else(
        || "not in an hour".to_owned(),
        |seconds| format!("{seconds} s"),
    )
}

fn machine() -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| rest.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism()?;
    Ok(format!("{model}, {cores} cores"))
}

fn today() -> Result<String, Box<dyn Error>> {
    let output = std::process::Command::new("date")
        .args(["-u", "+%Y-%m-%d"])
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
