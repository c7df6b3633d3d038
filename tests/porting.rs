//! `src/porting.rs` has a row for each name of the Python package's reference, and behind each row a test that uses what the
//! row names.

use std::collections::BTreeSet;
use std::fs;

/// The reference's classes, attributes and methods by module, the private ones too.
const REFERENCE: &[(&str, &[&str])] = &[
    (
        "The class `Process`",
        &[
            "Process",
            "Extend",
            "__init__",
            "_active",
            "_application",
            "_callbacks",
            "_currFrame",
            "_locks",
            "_messenger",
            "_ppill",
            "_ranMailman",
            "_runLevel",
            "_runtime",
            "_setupEvents",
            "_setupFilters",
            "_setupVariables",
            "_signalsBak",
            "_signalsUsed",
            "_threads",
            "args",
            "kwargs",
            "name",
            "nameMain",
            "paths",
            "signalEnd",
        ],
    ),
    ("`actions`", &["cleanup", "die", "ebrake"]),
    ("`events`", &["birth", "callbackEvent", "death", "life", "registerCallbacks"]),
    (
        "`info`",
        &[
            "_procInfoSkel",
            "activeSubProcesses",
            "getApp",
            "getParameter",
            "isActive",
            "listProcessInstances",
            "listRecipients",
            "runLevel",
            "runLevels",
        ],
    ),
    ("`locking`", &["addLocks", "getLocks"]),
    // The reference has no page of this module; these two are named on others.
    ("`messaging`", &["mailman", "waitForReply"]),
    ("`setup`", &["main"]),
    (
        "`signals`",
        &["backupSignals", "currSignals", "restoreSignals", "sigTrap", "signals", "signalsDict", "signalsUsed"],
    ),
    (
        "`threading`",
        &[
            "addChildThread",
            "childThreadJanitor",
            "getChildThread",
            "getChildThreads",
            "joinChildThreads",
            "launchThreads",
            "listChildThreadsLives",
            "removeChildThreads",
        ],
    ),
    ("`timing`", &["currentFrame", "currentTimeFrame", "freqSleep", "frequency", "lightSleeper"]),
];

struct Row<'s> {
    section: &'s str,
    there: &'s str,
    here: &'s str,
    shown: &'s str,
}

fn source() -> String {
    let text = fs::read_to_string("src/porting.rs").unwrap();
    text.lines().filter_map(|line| line.strip_prefix("//!")).map(|line| format!("{}\n", line.trim())).collect()
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let (mut rows, mut section) = (Vec::new(), "");
    for line in text.lines() {
        section = line.strip_prefix("# ").unwrap_or(section);
        if let Some(line) = line.strip_prefix("| ")
            && !line.starts_with("there |")
        {
            let cells: Vec<_> = line.trim_end_matches('|').split(" |").map(str::trim).collect();
            let [there, here, _, shown] = cells[..] else { panic!("a row has four cells, not these: {line}") };
            rows.push(Row { section, there, here, shown });
        }
    }
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What a row replaces: of `addLocks(*args)` and `class Process`, the names.
fn names(there: &str) -> BTreeSet<&str> {
    quoted(there).map(|code| code.trim_start_matches("class ").split('(').next().unwrap_or(code)).collect()
}

#[test]
fn each_name_of_the_reference_has_a_row_in_its_section() {
    let text = source();
    let rows = rows(&text);
    for (section, wanted) in REFERENCE {
        let found: BTreeSet<_> =
            rows.iter().filter(|row| row.section == *section).flat_map(|row| names(row.there)).collect();
        let missing: Vec<_> = wanted.iter().filter(|name| !found.contains(**name)).collect();
        assert!(missing.is_empty(), "{section} has no row for {missing:?}");
        let invented: Vec<_> =
            found.iter().filter(|name| !wanted.contains(name) && !name.starts_with("_thread_")).collect();
        assert!(invented.is_empty(), "{section} has rows for what the reference does not know: {invented:?}");
    }
    assert!(rows.iter().all(|row| REFERENCE.iter().any(|(section, _)| *section == row.section)));
}

/// The text of the file that a test is in, if that has a test of this name.
fn file_of(test: &str) -> Option<String> {
    let (file, name) = test.split_once("::")?;
    let places = match file.starts_with("src/") {
        true => vec![format!("{file}.rs")],
        false => vec![format!("tests/{file}.rs"), format!("tests/{file}/main.rs")],
    };
    let text = places.iter().find_map(|path| fs::read_to_string(path).ok())?;
    let (before, _) = text.split_once(&format!("fn {name}("))?;
    before.trim_end().ends_with("#[test]").then_some(text)
}

#[test]
fn each_row_names_tests_that_exist_and_use_what_it_names() {
    let text = source();
    let program = text.split("```").nth(1).unwrap();
    for Row { there, here, shown, .. } in rows(&text) {
        let tests: Vec<_> = quoted(shown)
            .map(|test| file_of(test).unwrap_or_else(|| panic!("there is no test {test}, named behind {there}")))
            .chain((shown == "above").then(|| program.to_owned()))
            .collect();
        assert!(!tests.is_empty(), "no test stands behind {there}");
        // A method, in links such as [`Context::locks`], and in paths such as std::env::current_exe.
        for method in quoted(here).filter_map(|code| code.rsplit_once("::")).map(|(_, method)| method) {
            let method = method.split('(').next().unwrap_or(method);
            let used = |test: &String| test.contains(&format!("{method}(")) || test.contains(&format!("::{method}"));
            assert!(tests.iter().any(used), "no test named behind {there} uses {method}");
        }
    }
}
