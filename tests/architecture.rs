//! The house keeps its floors: a file of `src` imports from lower floors, or sideways without a cycle.
//!
//! The source is read as tokens, so comments and strings don't count, while paths inside of macros do. Code under
//! `#[cfg(test)]` may look wherever it likes.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
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
                 in that line of FLOORS in tests/architecture.rs (the table in README.md helps to choose)"
            ));
        }
    }
    let tops: BTreeSet<&str> = sources.keys().map(|name| top(name)).collect();
    for gone in FLOORS.iter().flat_map(|floor| *floor).filter(|known| !tops.contains(**known)) {
        faults.push(format!("{gone:?} is in FLOORS of tests/architecture.rs, but there is no src/{gone}.rs"));
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
    for (name, source) in sources() {
        if source.lines > LINES_OF_FILE {
            faults.push(format!("src/{name}.rs has {} lines; {LINES_OF_FILE} are the limit: split it", source.lines));
        }
        for (function, lines) in source.functions.into_iter().filter(|(_, lines)| *lines > LINES_OF_FUNCTION) {
            faults.push(format!("fn {function} in src/{name}.rs has {lines} lines; {LINES_OF_FUNCTION} are the limit"));
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

/// The reader itself, on a source with one of each: a test that can't see would pass.
#[test]
fn the_reader_sees_what_it_must() {
    let files = ["a", "b", "c", "systems/mod", "systems/birth", "systems/life"].map(str::to_owned).into();
    let text = "
        //! [`crate::b`] in a comment
        use crate::{a::X, systems::{self, life}};
        #[cfg(test)] use crate::b::Y;
        fn long(x: [u8; 2]) -> u8
        {
            println!(\"crate::b {}\", crate::c::f());
            super::Step
        }
        mod inner { fn f() { super::g(); super::super::birth::h() } }
        #[cfg(test)] mod tests { use crate::b; unsafe fn g() {} }
    ";
    let source = Source::read("systems/death", text, &files);
    let uses: Vec<_> = source.uses.iter().map(String::as_str).collect();
    assert_eq!(uses, ["a", "c", "systems/birth", "systems/life", "systems/mod"]);
    assert_eq!(source.functions[0], ("long".to_owned(), 5));
    assert!(!source.is_unsafe);
    assert!(Source::read("a", "fn f() { unsafe { g() } }", &files).is_unsafe);
    let relative = Source::read("systems/mod", "mod birth; fn f() { birth::g(); crate::a::birth::h(); }", &files);
    assert_eq!(relative.uses, ["a", "systems/birth"].map(str::to_owned).into());
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
    let (root, mut paths) = (root().join("src"), Vec::new());
    walk(&root, &mut paths);
    let name =
        |path: &PathBuf| path.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().replace('\\', "/");
    let files: BTreeSet<String> = paths.iter().map(name).filter(|name| name != "lib").collect();
    files.iter().map(|name| (name.clone(), Source::read(name, &read(&format!("src/{name}.rs")), &files))).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What matters of one file.
struct Source {
    lines: usize,
    /// Other files of `src` that its paths lead to.
    uses: BTreeSet<String>,
    /// Name and length of each function.
    functions: Vec<(String, usize)>,
    is_unsafe: bool,
}

impl Source {
    fn read(name: &str, text: &str, files: &BTreeSet<String>) -> Self {
        let source =
            Self { lines: text.lines().count(), uses: BTreeSet::new(), functions: Vec::new(), is_unsafe: false };
        let mut path: Vec<String> = name.split('/').map(str::to_owned).collect();
        path.retain(|part| part != "mod");
        let mut reader = Reader { source, own: name, files, children: BTreeSet::new() };
        reader.tokens(text.parse().expect("src compiles, so it has tokens"), &path);
        reader.source
    }
}

struct Reader<'f> {
    source: Source,
    own: &'f str,
    files: &'f BTreeSet<String>,
    /// Modules declared so far: paths may begin with them.
    children: BTreeSet<String>,
}

impl Reader<'_> {
    /// Reads tokens that stand in the module `here`.
    fn tokens(&mut self, stream: TokenStream, here: &[String]) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let word = word(&tokens, at);
            let before = at.checked_sub(1).map(|before| tokens[before].to_string());
            if before.as_deref() == Some("#") && is_test(&tokens[at]) {
                at += tokens[at..].iter().take_while(|token| !ends_item(token)).count() + 1;
                continue;
            } else if word == "mod" && braces(&tokens, at + 2).is_some() {
                let inner = [here, &[self::word(&tokens, at + 1)]].concat();
                self.tokens(braces(&tokens, at + 2).unwrap().stream(), &inner);
                at += 2;
            } else if word == "mod" {
                self.children.insert(self::word(&tokens, at + 1));
            } else if word == "unsafe" {
                self.source.is_unsafe = true;
            } else if word == "fn" {
                self.function(&tokens, at);
            } else if before.as_deref() != Some(":") && is_path(&tokens, at) {
                self.path(&tokens, at, here);
            }
            if let Some(TokenTree::Group(group)) = tokens.get(at).filter(|_| word != "mod") {
                self.tokens(group.stream(), here);
            }
            at += 1;
        }
    }

    fn function(&mut self, tokens: &[TokenTree], at: usize) {
        let length = tokens[at..].iter().take_while(|token| !ends_item(token)).count();
        // Without a name it is a type.
        if let (false, Some(body)) = (word(tokens, at + 1).is_empty(), braces(tokens, at + length)) {
            let lines = body.span_close().end().line - tokens[at].span().start().line + 1;
            self.source.functions.push((word(tokens, at + 1), lines));
        }
    }

    /// Follows a path if it begins in this crate.
    fn path(&mut self, tokens: &[TokenTree], at: usize, here: &[String]) {
        let (mut at, mut base) = (at, here.to_vec());
        match word(tokens, at).as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            child if self.children.contains(child) => base.push(child.to_owned()),
            _ => return,
        }
        while word(tokens, at + 3) == "super" {
            base.pop();
            at += 3;
        }
        self.branch(tokens, at + 3, base);
    }

    /// One path from here on, or the tree of paths in braces.
    fn branch(&mut self, tokens: &[TokenTree], mut at: usize, mut path: Vec<String>) {
        loop {
            if let Some(tree) = braces(tokens, at) {
                let tree: Vec<TokenTree> = tree.stream().into_iter().collect();
                for branch in tree.split(|token| token.to_string() == ",") {
                    self.branch(branch, 0, path.clone());
                }
                return;
            }
            path.push(word(tokens, at));
            if !is_path(tokens, at) {
                return self.found(&path);
            }
            at += 3;
        }
    }

    /// The longest beginning of the path that is a file.
    fn found(&mut self, path: &[String]) {
        let path: Vec<&str> = path.iter().map(String::as_str).filter(|part| *part != "self").collect();
        let candidates = (1..=path.len()).rev().map(|length| path[..length].join("/"));
        let mut names = candidates.flat_map(|name| [format!("{name}/mod"), name]);
        let file = names.find(|name| self.files.contains(name)).unwrap_or_else(|| "lib".to_owned());
        if file != self.own {
            self.source.uses.insert(file);
        }
    }
}

fn word(tokens: &[TokenTree], at: usize) -> String {
    match tokens.get(at) {
        Some(TokenTree::Ident(word)) => word.to_string(),
        _ => String::new(),
    }
}

fn braces(tokens: &[TokenTree], at: usize) -> Option<&Group> {
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// `word::`
fn is_path(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| tokens.get(at).is_some_and(|token| token.to_string() == ":");
    !word(tokens, at).is_empty() && colon(at + 1) && colon(at + 2)
}

/// The `[cfg(test)]` of an attribute.
fn is_test(token: &TokenTree) -> bool {
    token.to_string().replace(' ', "") == "[cfg(test)]"
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(point) => point.as_char() == ';',
        _ => false,
    }
}
