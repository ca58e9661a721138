//! Measures what the flags cost a server over TCP: CPU time a request, and latency at half load.
//!
//! A server is a process of its own with one worker, so that its CPU time is its own; this process sends the requests.
//! On Linux each is held to a core. A server comes in four [`Variant`]s that take turns, so that a machine that becomes
//! slower meanwhile favours none.
//!
//! `cargo xtask bench-web` runs it. With `--test` each server is sent a few requests, and nothing is measured.

mod client;
mod cores;
mod flags;
mod measure;
mod report;
mod server;
mod servers;

use std::str::FromStr;

use anyhow::{Context, bail};

use measure::Effort;
use servers::Framework;

const USAGE: &str = "usage: [axum|actix] [--pairs NUMBER] [--format table|json]";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["serve", framework, variant, core] = arguments[..] {
        cores::hold_to(core);
        return servers::serve(framework.parse()?, variant.parse()?);
    }
    let options = Options::parse(&arguments)?;
    cores::hold_client();
    let mut rows = Vec::new();
    for framework in options.frameworks {
        rows.extend(measure::measure(framework, &options.effort)?);
    }
    match options.format {
        Format::Nothing => {}
        Format::Table => print!("{}", report::table(&rows)),
        Format::Json => println!("{}", report::json(&rows)),
    }
    Ok(())
}

struct Options {
    frameworks: Vec<Framework>,
    effort: Effort,
    format: Format,
}

enum Format {
    Nothing,
    Table,
    Json,
}

impl Options {
    fn parse(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut options = Self {
            frameworks: Framework::ALL.to_vec(),
            effort: Effort::default(),
            format: Format::Table,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                // Cargo's own.
                "--bench" => {}
                "--test" => {
                    options.effort = Effort::test();
                    options.format = Format::Nothing;
                }
                "--pairs" => options.effort.pairs = number(arguments.next())?,
                "--format" => {
                    options.format = match arguments.next() {
                        Some(&"table") => Format::Table,
                        Some(&"json") => Format::Json,
                        _ => bail!("`--format` needs `table` or `json`: {USAGE}"),
                    }
                }
                name => {
                    let framework = name.parse().with_context(|| USAGE)?;
                    options.frameworks = vec![framework];
                }
            }
        }
        Ok(options)
    }
}

fn number(argument: Option<&&str>) -> anyhow::Result<usize> {
    let number = argument.and_then(|text| usize::from_str(text).ok());
    number
        .filter(|number| *number > 0)
        .with_context(|| format!("`--pairs` needs a number from 1: {USAGE}"))
}
