//! How filters come into a binary, and which mistakes cargo and rustc find.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn cargo(arguments: &[&str], manifest: &Path) -> Output {
    Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .arg("--manifest-path")
        .arg(manifest)
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("target"),
        )
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs")
}

/// What cargo said, its line breaks and frames taken out.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr)
        .split_whitespace()
        .filter(|word| *word != "|")
        .collect::<Vec<_>>()
        .join(" ")
}

fn path(relative: &str) -> String {
    // TOML takes it as a literal string.
    format!(
        "'{}'",
        fs::canonicalize(Path::new(ROOT).join(relative))
            .expect("a path of the workspace")
            .display()
    )
}

#[test]
fn a_second_version_of_core_is_refused_by_name() {
    let folder = folder("two-cores");
    let manifest = "[package]\nname = \"gatepost-core\"\nversion = \"0.9.0\"\nedition = \"2024\"\nlinks = \"gatepost-core-registry\"\n";
    write(folder.join("old-core/Cargo.toml"), manifest);
    write(folder.join("old-core/build.rs"), "fn main() {}\n");
    write(folder.join("old-core/src/lib.rs"), "");
    let both = format!(
        "[workspace]\n[package]\nname = \"two-cores\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nnew = {{ package = \"gatepost-core\", path = {} }}\nold = {{ package = \"gatepost-core\", path = \"old-core\" }}\n",
        path("crates/core")
    );
    write(folder.join("Cargo.toml"), &both);
    write(folder.join("src/lib.rs"), "");
    // The locked versions, since nothing else may be at hand.
    fs::copy(Path::new(ROOT).join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");
    let output = cargo(&["metadata", "--format-version", "1"], &folder.join("Cargo.toml"));
    let said = said(&output);
    assert!(!output.status.success(), "cargo took two versions of core");
    for words in [
        "links to the native library `gatepost-core-registry`",
        "gatepost-core v0.9.0",
    ] {
        assert!(said.contains(words), "cargo's message must hold `{words}`: {said}");
    }
}

#[test]
fn a_filter_crate_that_is_only_in_the_manifest_does_not_compile() {
    let folder = folder("forgotten-filter");
    let crate_of = |name: &str, dependencies: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n{dependencies}")
    };
    // The very list of the standard set; its filters are empty crates here, so that the test is quick.
    let list =
        fs::read_to_string(Path::new(ROOT).join("crates/filters/src/lib.rs")).expect("the list of the standard set");
    let filters: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("use gatepost_")?.strip_suffix(" as _;"))
        .collect();
    assert!(filters.contains(&"conduct"), "{list}");
    let members: String = filters.iter().map(|name| format!(", \"{name}\"")).collect();
    write(
        folder.join("Cargo.toml"),
        &format!("[workspace]\nresolver = \"3\"\nmembers = [\"set\", \"forgotten\"{members}]\n"),
    );
    let mut dependencies = "acme-forgotten = { path = \"../forgotten\" }\n".to_owned();
    for name in &filters {
        let package = format!("gatepost-{}", name.replace('_', "-"));
        dependencies += &format!("{package} = {{ path = \"../{name}\" }}\n");
        write(folder.join(name).join("Cargo.toml"), &crate_of(&package, ""));
        write(folder.join(name).join("src/lib.rs"), "");
    }
    write(folder.join("set/Cargo.toml"), &crate_of("set", &dependencies));
    write(folder.join("set/src/lib.rs"), &list);
    write(folder.join("forgotten/Cargo.toml"), &crate_of("acme-forgotten", ""));
    write(folder.join("forgotten/src/lib.rs"), "");
    let manifest = folder.join("set/Cargo.toml");
    let output = cargo(&["check", "--quiet"], &manifest);
    let forgotten = said(&output);
    assert!(!output.status.success(), "a filter that is only in Cargo.toml compiled");
    assert!(
        forgotten.contains("acme_forgotten") && forgotten.contains("unused"),
        "the message must name the crate: {forgotten}"
    );

    write(
        folder.join("set/src/lib.rs"),
        &format!("{list}use acme_forgotten as _;\n"),
    );
    let output = cargo(&["check", "--quiet"], &manifest);
    assert!(
        output.status.success(),
        "with its line it must compile: {}",
        said(&output)
    );
}
