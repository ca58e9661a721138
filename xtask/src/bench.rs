//! What evaluation costs: timed beside its floor, or counted in instructions.
//!
//! A time depends on the machine and on what else it does, so nothing is compared with an earlier one. A count of
//! instructions repeats from run to run, and the figures in `benches/instructions.json` are held to it.
//!
//! Standard output carries the report alone; whatever cargo, criterion and valgrind say goes to standard error. Both
//! files that are read here are written by this workspace with one field a line, and are read as such.

use std::collections::BTreeMap;
use std::env::consts;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::tools::{self, cargo};

/// How many instructions more than the figure kept are let pass, as a share of it.
const TOLERANCE: f64 = 0.03;

/// How often a work is done under valgrind: once for each user.
const COUNT: u32 = 1_024;

/// The function of `benches/src/bin/instructions.rs` that is counted, in whatever way its name is mangled.
const COUNTED: &str = "*counted_evaluations*";

const BLESS: &str = "`cargo xtask bench --instructions --bless`";

/// Measures, as the arguments say.
pub fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let options = Options::parse(arguments)?;
    if options.instructions {
        count(&options)
    } else {
        time(&options)
    }
}

#[derive(Debug, Default, PartialEq)]
struct Options<'a> {
    /// Works are measured whose names contain it.
    filter: &'a str,
    json: bool,
    instructions: bool,
    bless: bool,
}

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a str]) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--format" => {
                    options.json = match arguments.next() {
                        Some(&"table") => false,
                        Some(&"json") => true,
                        Some(other) => bail!("unknown format `{other}`: try `table` or `json`"),
                        None => bail!("`--format` needs a value: `table` or `json`"),
                    }
                }
                "--instructions" => options.instructions = true,
                "--bless" => options.bless = true,
                option if option.starts_with('-') => {
                    bail!("unknown option `{option}`: see `cargo xtask help`")
                }
                filter if options.filter.is_empty() => options.filter = filter,
                other => bail!("more than one filter: leave out `{other}`"),
            }
        }
        ensure!(
            options.instructions || !options.bless,
            "`--bless` accepts counts and no times: add `--instructions`"
        );
        ensure!(
            options.filter.is_empty() || !options.bless,
            "`--bless` accepts all counts at once: leave out `{}`",
            options.filter
        );
        Ok(options)
    }

    fn none_found(&self) -> anyhow::Error {
        anyhow::anyhow!(
            "no work is named like `{}`: benches/README.md lists them",
            self.filter
        )
    }
}

/// Times the works with criterion.
fn time(options: &Options<'_>) -> anyhow::Result<()> {
    let target = target()?;
    let report = target.join("bench-report.json");
    // An old report must not pass for the new one.
    match fs::remove_file(&report) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove `{}`", report.display()));
        }
        _ => {}
    }
    let mut command = cargo();
    command
        .args(["bench", "--package", "fader-benches", "--bench", "works"])
        .args(["--", options.filter])
        .env("CRITERION_HOME", target.join("criterion"))
        .env("FADER_BENCH_REPORT", &report);
    call(&mut command)?;
    let text = read(&report)?;
    let works = works(&text);
    if works.is_empty() {
        return Err(options.none_found());
    }
    if options.json {
        println!("{}", text.trim_end());
    } else {
        print!("{}", table(&times(&works)));
    }
    Ok(())
}

/// The fields of a work, by name.
type Fields<'a> = BTreeMap<&'a str, &'a str>;

/// Reads the works of a report.
fn works(text: &str) -> Vec<Fields<'_>> {
    text.split('}')
        .map(|work| fields(work).collect())
        .filter(|fields: &Fields<'_>| fields.contains_key("work"))
        .collect()
}

/// Reads fields, one a line, without the quotes around a text.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.trim().trim_end_matches(',').split_once(": ")?;
        Some((name.trim_matches('"'), value.trim_matches('"')))
    })
}

fn times(works: &[Fields<'_>]) -> Vec<Vec<String>> {
    let head = ["work", "ns", "floor", "ratio", "allocations"];
    let number = |fields: &Fields<'_>, name, decimals| {
        let value = fields.get(name).and_then(|text| text.parse::<f64>().ok());
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
    };
    let row = |fields: &Fields<'_>| {
        vec![
            fields["work"].to_owned(),
            number(fields, "ns", 1),
            number(fields, "floor_ns", 1),
            number(fields, "ratio", 2),
            number(fields, "allocations", 2),
        ]
    };
    let head = head.map(str::to_owned).to_vec();
    std::iter::once(head).chain(works.iter().map(row)).collect()
}

/// What a work and its floor came to, in instructions for each flag evaluated.
#[derive(Debug)]
struct Counts {
    work: String,
    instructions: f64,
    floor: f64,
    /// The figure kept, unless there is none yet.
    kept: Option<f64>,
}

impl Counts {
    /// Returns by how much it has grown, as a share of the figure kept.
    fn growth(&self) -> Option<f64> {
        self.kept.map(|kept| self.instructions / kept - 1.0)
    }

    fn ratio(&self) -> f64 {
        self.instructions / self.floor
    }
}

/// Counts instructions with valgrind, and compares them with the figures kept.
fn count(options: &Options<'_>) -> anyhow::Result<()> {
    ensure!(
        Command::new("valgrind").arg("--version").output().is_ok(),
        "valgrind is missing: `sudo apt-get install --yes valgrind` installs it"
    );
    let path = tools::root().join("benches/instructions.json");
    let kept = if options.bless {
        String::new()
    } else {
        read(&path)
            .with_context(|| format!("there is nothing to compare with: {BLESS} writes it"))?
    };
    let kept: BTreeMap<&str, &str> = fields(&kept).collect();

    let counter = Counter::build()?;
    let mut counts = Vec::new();
    for (work, flags) in counter.works()? {
        if !work.contains(options.filter) {
            continue;
        }
        eprintln!("counting {work}");
        counts.push(Counts {
            instructions: counter.count(&work, flags)?,
            floor: counter.count(&format!("floor/{work}"), flags)?,
            kept: kept.get(work.as_str()).and_then(|text| text.parse().ok()),
            work,
        });
    }
    if counts.is_empty() {
        return Err(options.none_found());
    }
    if options.json {
        print!("{}", counts_as_json(&counts));
    } else {
        print!("{}", table(&counts_as_rows(&counts)));
    }
    let made_by = made_by()?;
    if options.bless {
        return fs::write(&path, figures(&made_by, &counts))
            .with_context(|| format!("cannot write `{}`", path.display()));
    }
    for (name, now) in made_by {
        let then = kept.get(name).copied().unwrap_or("nothing that is known");
        if then != now {
            eprintln!("note: the figures kept were made by {then}, these by {now}");
        }
    }
    judge(&counts)
}

/// Tells what has become cheaper, and fails if anything costs more than it may.
fn judge(counts: &[Counts]) -> anyhow::Result<()> {
    let mut more = Vec::new();
    for counts in counts {
        let growth = counts
            .growth()
            .with_context(|| format!("no figure is kept for `{}`: {BLESS} adds it", counts.work))?;
        if growth > TOLERANCE {
            more.push(format!("{} {}", counts.work, percent(growth)));
        } else if growth < -TOLERANCE {
            eprintln!(
                "gain: {} {}: keep it with {BLESS}",
                counts.work,
                percent(growth)
            );
        }
    }
    ensure!(
        more.is_empty(),
        "more instructions than are kept in benches/instructions.json, by over {:.0} %: {}: make it cheaper, or accept \
         it with {BLESS}",
        TOLERANCE * 100.0,
        more.join(", ")
    );
    Ok(())
}

/// The binary that does the works, and where valgrind writes what it counts.
struct Counter {
    binary: PathBuf,
    folder: PathBuf,
}

impl Counter {
    fn build() -> anyhow::Result<Self> {
        let target = target()?;
        let mut command = cargo();
        command
            .args(["build", "--release", "--package", "fader-benches"])
            .args(["--bin", "instructions", "--target-dir"])
            .arg(&target);
        call(&mut command)?;
        let folder = target.join("callgrind");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
        Ok(Self {
            binary: target.join("release/instructions"),
            folder,
        })
    }

    /// Lists the works, and how many flags each evaluates.
    fn works(&self) -> anyhow::Result<Vec<(String, u32)>> {
        let works = output(&mut Command::new(&self.binary))?;
        let works = works.lines().map(|line| {
            let (work, flags) = line.split_once(' ')?;
            Some((work.to_owned(), flags.parse().ok()?))
        });
        works
            .collect::<Option<_>>()
            .context("the works are not listed as they should: see benches/src/bin/instructions.rs")
    }

    /// Returns the instructions for each flag evaluated.
    fn count(&self, work: &str, flags: u32) -> anyhow::Result<f64> {
        let path = self
            .folder
            .join(work.replace('/', "-"))
            .with_extension("out");
        let mut out = std::ffi::OsString::from("--callgrind-out-file=");
        out.push(&path);
        let mut command = Command::new("valgrind");
        command
            .arg("--tool=callgrind")
            .arg(format!("--toggle-collect={COUNTED}"))
            .arg(out)
            .arg(&self.binary)
            .args([work, &COUNT.to_string()]);
        output(&mut command)?;
        let counted = total(&read(&path)?).unwrap_or(0);
        ensure!(
            counted > 0,
            "valgrind found no function `{COUNTED}` to count: build without `strip` in the release profile"
        );
        let instructions = counted as f64 / f64::from(COUNT) / f64::from(flags);
        // With the decimals that are kept and shown, so that what repeats also compares as equal.
        Ok((instructions * 10.0).round() / 10.0)
    }
}

/// Reads what was counted from a file of callgrind's.
fn total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?;
    line.trim().parse().ok()
}

/// Tells what instructions depend on beside the source.
fn made_by() -> anyhow::Result<[(&'static str, String); 2]> {
    let rustc = output(
        Command::new("rustc")
            .arg("--version")
            .current_dir(tools::root()),
    )?;
    let machine = format!("{} {}", consts::ARCH, consts::OS);
    Ok([("rustc", rustc.trim().to_owned()), ("machine", machine)])
}

/// Writes `benches/instructions.json`.
fn figures(made_by: &[(&str, String)], counts: &[Counts]) -> String {
    let mut text = String::from("{\n");
    for (name, value) in made_by {
        let _ = writeln!(text, "  \"{name}\": \"{value}\",");
    }
    let works = counts
        .iter()
        .map(|counts| format!("    \"{}\": {:.1}", counts.work, counts.instructions));
    let works = works.collect::<Vec<_>>().join(",\n");
    let _ = writeln!(text, "  \"instructions\": {{\n{works}\n  }}\n}}");
    text
}

fn counts_as_json(counts: &[Counts]) -> String {
    let works = counts.iter().map(|counts| {
        let kept = counts
            .kept
            .map_or_else(|| "null".to_owned(), |kept| format!("{kept:.1}"));
        format!(
            "  {{\n    \"work\": \"{}\",\n    \"instructions\": {:.1},\n    \"floor\": {:.1},\n    \"ratio\": {:.3},\n    \
             \"kept\": {kept}\n  }}",
            counts.work,
            counts.instructions,
            counts.floor,
            counts.ratio(),
        )
    });
    format!("[\n{}\n]\n", works.collect::<Vec<_>>().join(",\n"))
}

fn counts_as_rows(counts: &[Counts]) -> Vec<Vec<String>> {
    let head = ["work", "instructions", "floor", "ratio", "kept", "change"];
    let row = |counts: &Counts| {
        let kept = counts.kept.map(|kept| format!("{kept:.1}"));
        vec![
            counts.work.clone(),
            format!("{:.1}", counts.instructions),
            format!("{:.1}", counts.floor),
            format!("{:.2}", counts.ratio()),
            kept.unwrap_or_else(|| "–".to_owned()),
            counts.growth().map_or_else(|| "–".to_owned(), percent),
        ]
    };
    let head = head.map(str::to_owned).to_vec();
    std::iter::once(head)
        .chain(counts.iter().map(row))
        .collect()
}

fn percent(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}

/// Aligns rows: names to the left, numbers to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let mut text = String::new();
    for row in rows {
        let _ = write!(text, "{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

/// Returns where cargo builds.
fn target() -> anyhow::Result<PathBuf> {
    let root = tools::root();
    let root = root
        .canonicalize()
        .with_context(|| format!("cannot find `{}`", root.display()))?;
    let folder = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(root.join(folder))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Makes a call of cargo; what it prints goes to standard error.
fn call(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .stdout(io::stderr())
        .status()
        .context("cannot run cargo")?;
    let name = command.get_args().next().unwrap_or_default();
    ensure!(
        status.success(),
        "`cargo {}` ended with an error: what it says is above",
        name.to_string_lossy()
    );
    Ok(())
}

/// Returns what a program prints to standard output.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run `{name}`"))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("`{name}` ended with an error: what it says is above");
    }
    String::from_utf8(output.stdout).with_context(|| format!("the answer of `{name}` is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: f64) -> Counts {
        Counts {
            work: "scope/plain".to_owned(),
            instructions,
            floor: 10.0,
            kept: Some(100.0),
        }
    }

    #[test]
    fn options_come_in_any_order() {
        let options = Options::parse(&["--format", "json", "scope", "--instructions"]).unwrap();
        assert_eq!((options.filter, options.json), ("scope", true));
        assert_eq!((options.instructions, options.bless), (true, false));
        assert_eq!(Options::parse(&[]).unwrap(), Options::default());
        assert!(
            Options::parse(&["--instructions", "--bless"])
                .unwrap()
                .bless
        );
    }

    #[test]
    fn what_is_wrong_with_options_is_said_with_a_cure() {
        let error = |arguments: &[&str]| Options::parse(arguments).unwrap_err().to_string();
        assert_eq!(
            error(&["--format", "xml"]),
            "unknown format `xml`: try `table` or `json`"
        );
        assert!(error(&["--format"]).contains("needs a value"));
        assert!(error(&["--bless"]).contains("add `--instructions`"));
        assert!(error(&["scope", "--instructions", "--bless"]).contains("leave out `scope`"));
        assert!(error(&["scope", "flags"]).contains("leave out `flags`"));
        assert!(error(&["--quick"]).contains("unknown option `--quick`"));
    }

    #[test]
    fn a_report_becomes_an_aligned_table() {
        let report = r#"[
  {
    "allocations": 0.0,
    "floor_ns": 2.9,
    "ns": 5.81,
    "ratio": 2.003,
    "work": "scope/plain"
  },
  {
    "allocations": 12.5,
    "floor_ns": null,
    "ns": 1234.0,
    "ratio": null,
    "work": "explain/rules"
  }
]"#;
        let expected = "\
work               ns  floor  ratio  allocations
scope/plain       5.8    2.9   2.00         0.00
explain/rules  1234.0      –      –        12.50
";
        assert_eq!(table(&times(&works(report))), expected);
        assert!(works("[]").is_empty());
    }

    #[test]
    fn figures_are_read_as_they_are_written() {
        let text = figures(&[("rustc", "rustc 1.95.0".to_owned())], &[counts(99.96)]);
        let read: BTreeMap<_, _> = fields(&text).collect();
        assert_eq!(read["rustc"], "rustc 1.95.0");
        assert_eq!(read["scope/plain"], "100.0");
    }

    #[test]
    fn counts_may_grow_by_three_percent() {
        assert!(judge(&[counts(50.0), counts(102.9)]).is_ok());
        let error = judge(&[counts(100.0), counts(103.1)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("scope/plain +3.1 %"), "{error}");
        let unknown = Counts {
            kept: None,
            ..counts(1.0)
        };
        let error = judge(&[unknown]).unwrap_err().to_string();
        assert!(error.contains("no figure is kept"), "{error}");
    }

    #[test]
    fn a_total_is_found_in_what_callgrind_writes() {
        assert_eq!(
            total("events: Ir\nfn=(1) main\n3 4\ntotals: 1234\n"),
            Some(1_234)
        );
        assert_eq!(total("events: Ir\n"), None);
    }
}
