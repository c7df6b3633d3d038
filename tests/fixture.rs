//! A crate that depends on polycephaly alone compiles and runs.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const WANTED: &str = "\
hello says Hello, World!
counted 1
hello says Hello, World!
counted 2
hello says Hello, World!
counted 3
";

/// The fixture is built in a copy, beside a copy of this package's lock file: so it takes the versions that are already
/// here, needs no network, and leaves no lock file in the source tree. Its first build takes a while, as without this
/// package's dev-dependencies some crates have other features; in the shared target directory that is done once.
#[test]
fn a_crate_with_no_other_dependency_says_hello() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let fixture = temporary.join("fixture");
    fs::create_dir_all(fixture.join("src")).unwrap();
    let manifest = fs::read_to_string(root.join("tests/fixture/Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("\"../..\"").count(), 1, "the one dependency is this package");
    fs::write(fixture.join("Cargo.toml"), manifest.replace("\"../..\"", &format!("{root:?}"))).unwrap();
    fs::copy(root.join("tests/fixture/src/main.rs"), fixture.join("src/main.rs")).unwrap();
    fs::copy(root.join("Cargo.lock"), fixture.join("Cargo.lock")).unwrap();

    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["run", "--quiet", "--offline", "--manifest-path"]).arg(fixture.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(temporary.parent().unwrap());
    let output = cargo.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), WANTED, "{errors}");
}
