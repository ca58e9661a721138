//! Documents: compiled, reloaded, dropped; a long list read from its file.

use fader::{Flags, Source};
use fader_benches::{documents, mixed};

use crate::report::{Report, Task, task};

pub fn measure(report: &mut Report) {
    for count in [1_000, 10_000] {
        let name = format!("compile/{count}");
        if report.wants(&name) {
            compile(report, &name, count);
        }
    }
    for count in [1_000, 10_000] {
        let name = format!("reload/one-of-{count}");
        if report.wants(&name) {
            reload(report, &name, count);
        }
    }
    if report.wants("reload/drop") {
        free(report, 10_000);
    }
    if report.wants("load/list-1000000") {
        list(report, 1_000_000);
    }
}

/// Makes a handle that keeps nothing of what was replaced.
fn handle() -> Flags {
    Flags::builder().history(0).build()
}

/// From bytes to live flags, beside the parsing of the same bytes to a tree. Neither what is live then nor the tree is
/// dropped while the clock runs.
fn compile(report: &mut Report, name: &str, count: usize) {
    let document = mixed(count).document();
    let source = Source::new("mixed.json");
    report.measure(
        name,
        task(
            |_| handle(),
            |flags| {
                flags
                    .load(document.as_str(), &source)
                    .expect("the document is good");
            },
        )
        .one_by_one(),
        Some(parse(&document)),
    );
}

fn parse(document: &str) -> Task<impl FnMut(usize), impl FnMut(&mut ()) -> serde_json::Value> {
    task(
        |_| (),
        move |()| serde_json::from_slice(document.as_bytes()).expect("the document is JSON"),
    )
    .one_by_one()
}

/// One flag edited among many.
fn reload(report: &mut Report, name: &str, count: usize) {
    let document = mixed(count).document();
    let at = document.rfind("\"percent\": ").expect("a rollout") + "\"percent\": ".len();
    let edited = |percent: usize| {
        let mut edited = document.clone();
        edited.replace_range(at..=at, &percent.to_string());
        edited
    };
    let source = Source::new("mixed.json");
    let flags = handle();
    flags
        .load(document.as_str(), &source)
        .expect("the document is good");
    let mut last = 0;
    report.measure(
        name,
        task(
            |_| {
                last = last % 9 + 1;
                edited(last)
            },
            |document| {
                flags
                    .load(document.as_str(), &source)
                    .expect("the document is good");
            },
        )
        .one_by_one(),
        Some(parse(&document)),
    );
}

/// What a replaced ruleset costs the thread that frees it, once no request holds it any more.
fn free(report: &mut Report, count: usize) {
    let document = mixed(count).document();
    let source = Source::new("mixed.json");
    report.measure_alone(
        "reload/drop",
        task(
            |_| {
                let flags = handle();
                flags
                    .load(document.as_str(), &source)
                    .expect("the document is good");
                let held = flags.snapshot();
                flags
                    .load(r#"{ "flags": {} }"#, &source)
                    .expect("the document is good");
                drop(held);
                flags
            },
            |flags| flags.reclaim(),
        )
        .one_by_one(),
    );
}

/// A list of a million ids, from its file to the first answer.
fn list(report: &mut Report, count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flags.json");
    std::fs::write(&path, documents::small()).expect("the document is written");
    std::fs::write(folder.path().join("ids.txt"), documents::list_file(count))
        .expect("the list is written");
    report.measure_alone(
        "load/list-1000000",
        task(
            |_| None,
            |flags| {
                *flags = Some(
                    fader_providers::file(&path)
                        .open()
                        .expect("the document is good"),
                );
            },
        )
        .one_by_one(),
    );
}
