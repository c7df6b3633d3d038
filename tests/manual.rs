//! The README and what belongs to it: its pictures, its examples, its length.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

/// What a reader looks through in one sitting.
const LINES: usize = 200;

fn readme() -> String {
    fs::read_to_string("README.md").unwrap()
}

/// Each example's name and source.
fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for entry in fs::read_dir("examples").unwrap() {
        let path = entry.unwrap().path();
        let main = if path.is_dir() { path.join("main.rs") } else { path.clone() };
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        examples.push((name, fs::read_to_string(main).unwrap()));
    }
    assert!(examples.len() > 5);
    examples
}

#[test]
fn the_readme_is_short() {
    let lines = readme().lines().count();
    assert!(
        lines <= LINES,
        "{lines} lines are more than {LINES}: what is more belongs into the chapters, the modules' docs"
    );
}

/// A link's definition with the whole picture in it.
fn figure(name: &str, path: &str) -> String {
    let picture = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let picture = picture.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut line = format!("[{name}]: data:image/svg+xml,");
    for byte in picture.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:;=,".contains(&byte) {
            line.push(char::from(byte));
        } else {
            write!(line, "%{byte:02X}").unwrap();
        }
    }
    line
}

#[test]
fn the_page_of_the_documentation_has_the_readmes_pictures() {
    let readme = readme();
    let pictures = readme.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: assets/"));
    let figures: Vec<_> = pictures.map(|(name, file)| figure(name, &format!("assets/{file}"))).collect();
    assert!(!figures.is_empty());
    // An empty line ends the definitions.
    let wanted = figures.join("\n") + "\n\n";
    const PATH: &str = "assets/figures.md";
    if fs::read_to_string(PATH).ok().as_ref() != Some(&wanted) {
        fs::write(PATH, wanted).unwrap();
        panic!(
            "{PATH} was not what the README's pictures are now: it has been written anew, and belongs into the commit"
        );
    }
}

#[test]
fn hello_is_the_readmes() {
    let readme = readme();
    let shown = readme.split("## Hello").nth(1).and_then(|rest| rest.split("```rust\n").nth(1)?.split("```").next());
    let example = fs::read_to_string("examples/hello.rs").unwrap();
    let (_, code) = example.split_once("\n\n").unwrap();
    assert_eq!(shown, Some(code));
}

#[test]
fn each_example_says_what_it_shows_and_is_in_the_readmes_list() {
    let readme = readme();
    let list = readme.split("## Examples").nth(1).unwrap().split("\n## ").next().unwrap();
    let listed: BTreeSet<_> = list.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next()).collect();
    for (name, source) in examples() {
        assert!(source.starts_with("//! Shows "), "{name} does not begin with what it shows");
        assert!(
            listed.iter().any(|cell| cell.split(", ").any(|listed| listed.trim_matches('`') == name)),
            "{name} is not in the README's list: {listed:?}"
        );
        let takes_options = source.contains("Parser::from_env");
        assert!(!takes_options || source.contains(r#"Long("help")"#), "{name} takes options, and has no --help");
        // Hello is for a manifest that names nothing but this library.
        assert!(name == "hello" || source.contains("tracing_subscriber"), "{name} does not show what the library logs");
    }
}
