//! The house keeps its floors: a file of `src` imports from lower floors, or sideways without a cycle. And all files stay
//! short.

mod reader;

use reader::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Each floor's files and folders, without `.rs`: the same as the comments in `src/lib.rs` say. A file beside a folder of
/// its name is one module with it.
const FLOORS: &[&[&str]] = &[
    &[
        "bell",
        "budget",
        "cause",
        "clock",
        "fold",
        "frequency",
        "huge_pages",
        "importance",
        "key",
        "lifecycle",
        "overrun",
        "pace",
        "parallel",
        "phase",
        "prefetch",
        "realtime",
        "renewal",
        "run_level",
        "service",
        "settings",
        "signal",
        "stats",
        "supervision",
        "suspension",
        "sync",
    ],
    &[
        "answer",
        "body",
        "control",
        "crowd",
        "draft",
        "emitter",
        "ending",
        "event",
        "filter",
        "id",
        "incidents",
        "link",
        "mail",
        "mailbox",
        "outside",
        "party",
        "post",
        "recipient",
        "send",
        "slots",
        "subject",
        "switchboard",
        "topic",
        "wire",
    ],
    &[
        "ask",
        "belongings",
        "context",
        "erased",
        "failure",
        "lock",
        "mailing",
        "posting",
        "process",
        "scope",
        "thread",
        "time",
        "timer",
    ],
    &["signals", "systems", "usb", "watchdog"],
    &["application", "crew", "exit", "group", "handle", "head", "porting", "report", "runner", "running"],
];

/// Files that can't be without each other: a cycle that is meant, and no other. `Process` is told of its `Context<Self>`,
/// which is made of what a process owns: timers, whose callbacks take the context again, and the scope that lends them.
const KNOTS: &[&[&str]] = &[&["ask", "belongings", "context", "erased", "process", "scope", "timer"]];

/// The modules that may hold `unsafe` code. Each is tested under AddressSanitizer by `.ci/run`.
const UNSAFE: &[&str] = &[
    "body/inline",
    "erased/any",
    "erased/callback",
    "huge_pages",
    "prefetch",
    "scope/row",
    "signals/action",
    "systems/marker",
];

/// What stands at the top of the repository, beside dotfiles and licences.
const TOP: &[&str] =
    &["Cargo.toml", "Cargo.lock", "README.md", "assets", "benches", "examples", "src", "target", "tests"];

/// What holds sources: `src`, and what uses it as a stranger would.
const FOLDERS: &[&str] = &["src", "benches", "examples", "tests"];

/// No file and no function has so many lines.
const LINES_OF_FILE: usize = 450;
const LINES_OF_FUNCTION: usize = 60;

#[test]
fn every_file_has_a_floor_and_every_floor_its_files() {
    let (sources, mut faults) = (sources(), Vec::new());
    for name in sources.keys() {
        let top = top(name);
        if floor(name).is_none() {
            faults.push(format!(
                "src/{name}.rs has no floor: put `mod {top};` under the comment of its floor in src/lib.rs, and {top:?} \
                 in that line of FLOORS in tests/architecture/main.rs (the table in README.md helps to choose)"
            ));
        }
    }
    let tops: BTreeSet<&str> = sources.keys().map(|name| top(name)).collect();
    for gone in FLOORS.iter().flat_map(|floor| *floor).filter(|known| !tops.contains(**known)) {
        faults.push(format!("{gone:?} is in FLOORS of tests/architecture/main.rs, but there is no src/{gone}.rs"));
    }
    none(&faults);
}

#[test]
fn the_comments_of_lib_rs_say_the_same() {
    let (mut floor, mut faults) = (None, Vec::new());
    for line in read("src/lib.rs").lines() {
        if let Some(said) = line.strip_prefix("// Floor ") {
            floor = said.split(':').next().and_then(|number| number.parse::<usize>().ok());
        }
        let module =
            line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        if let Some(module) = module.filter(|module| floor != self::floor(module)) {
            faults
                .push(format!("src/lib.rs has {module} under floor {floor:?}, FLOORS says {:?}", self::floor(module)));
        }
    }
    none(&faults);
}

#[test]
fn nobody_imports_from_a_higher_floor() {
    let mut faults = Vec::new();
    for (name, source) in sources() {
        let Some(own) = floor(&name) else { continue };
        for used in source.uses {
            match floor(&used) {
                Some(floor) if floor <= own => {}
                Some(floor) => faults.push(format!(
                    "src/{name}.rs (floor {own}) looks up to {used} (floor {floor}): move what it needs down, or let the \
                     higher floor add its own `impl` block"
                )),
                None => faults.push(format!(
                    "src/{name}.rs imports from the top of the crate, which is for users: name the module instead"
                )),
            }
        }
    }
    none(&faults);
}

#[test]
fn nobody_imports_in_circles() {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, source) in sources() {
        let beside = source.uses.iter().filter(|used| floor(used) == floor(&name)).map(|used| module(used));
        graph.entry(module(&name)).or_default().extend(beside);
    }
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|name| (name, reachable(&graph, name))).collect();
    let found: BTreeSet<Vec<&str>> = graph
        .keys()
        .map(|name| reached[name].iter().filter(|other| reached[**other].contains(name)).map(|other| other.as_str()))
        .map(Vec::from_iter)
        .filter(|knot| knot.len() > 1)
        .collect();
    let meant: BTreeSet<Vec<&str>> = KNOTS.iter().map(|knot| knot.to_vec()).collect();
    let new =
        found.difference(&meant).map(|knot| format!("these files of src import each other in a circle: {knot:?}"));
    let gone =
        meant.difference(&found).map(|knot| format!("take {knot:?} out of KNOTS, or set it right: it is none now"));
    none(&new.chain(gone).collect::<Vec<_>>());
}

#[test]
fn files_and_functions_stay_short() {
    let mut faults = Vec::new();
    for path in FOLDERS.iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let source = Source::read("", &fs::read_to_string(&path).unwrap(), &BTreeSet::new());
        let path = path.strip_prefix(root()).unwrap().display();
        if source.lines >= LINES_OF_FILE {
            faults.push(format!("{path} has {} lines, and {LINES_OF_FILE} are too many: split it", source.lines));
        }
        for (function, lines) in source.functions.into_iter().filter(|(_, lines)| *lines >= LINES_OF_FUNCTION) {
            faults.push(format!("fn {function} in {path} has {lines} lines, and {LINES_OF_FUNCTION} are too many"));
        }
    }
    none(&faults);
}

#[test]
fn unsafe_code_stays_in_its_modules() {
    let holds: BTreeSet<String> =
        sources().into_iter().filter(|(_, source)| source.is_unsafe).map(|(name, _)| name).collect();
    let may: BTreeSet<String> = UNSAFE.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(holds, may, "src files that hold `unsafe` (left), and those that UNSAFE names (right)");
}

#[test]
fn nothing_else_lies_at_the_top() {
    let entries = fs::read_dir(root()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let known = |name: &str| TOP.contains(&name) || name.starts_with('.') || name.starts_with("LICENSE-");
    let faults: Vec<_> = names
        .filter(|name| !known(name))
        .map(|name| format!("{name} lies at the top of the repository: put it where it belongs, or into TOP"))
        .collect();
    none(&faults);
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// `systems` of `systems/birth`.
fn top(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&top(name)))
}

/// The node of a file among those of its floor: a file and the folder of its name are one, as only it sees its parts.
fn module(name: &str) -> String {
    let ends = name.match_indices('/').map(|(at, _)| at);
    let with_folder =
        ends.map(|at| &name[..at]).find(|module| root().join("src").join(format!("{module}.rs")).exists());
    with_folder.unwrap_or(name).to_owned()
}

fn reachable<'g>(graph: &'g BTreeMap<String, BTreeSet<String>>, from: &'g str) -> BTreeSet<&'g String> {
    let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
    while let Some(next) = ahead.pop().and_then(|name| graph.get(name)) {
        ahead.extend(next.iter().filter(|name| seen.insert(*name)).map(String::as_str));
    }
    seen
}

/// Asked of cargo when the test runs, so that the built test can be pointed at another checkout.
fn root() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// All of `src` but `lib.rs`, by path without the extension.
fn sources() -> BTreeMap<String, Source> {
    let root = root().join("src");
    let name =
        |path: &PathBuf| path.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().replace('\\', "/");
    let files: BTreeSet<String> = rust_files(&root).iter().map(name).filter(|name| name != "lib").collect();
    files.iter().map(|name| (name.clone(), Source::read(name, &read(&format!("src/{name}.rs")), &files))).collect()
}

/// What stands in a folder and those in it; a `target` is none of ours.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
