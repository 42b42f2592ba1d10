//! Where `unsafe` is.

use std::fs;
use std::path::{Path, PathBuf};

/// Files that say `unsafe`, or allow it: one module of the library, what it takes to start a program, and the tests of the socket.
const UNSAFE: [&str; 3] = ["cli/src/start.rs", "core/src/process.rs", "core/src/transport/tests.rs"];

#[test]
fn unsafe_code_is_where_it_is_said_to_be() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let members = ["bindings-lua", "bindings-py", "cli", "core", "tests"];
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\nunsafe_code = \"deny\"\n"));
    let expected: Vec<String> = members.iter().map(|member| format!("\"{member}\"")).collect();
    let mut listed: Vec<&str> =
        manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap().split(", ").collect();
    listed.sort_unstable();
    assert_eq!(listed, expected);
    let mut found = Vec::new();
    for member in members {
        // Without it the lint above is not this one's.
        let manifest = fs::read_to_string(root.join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{member}");
        look_for_unsafe(&root.join(member), &mut found);
    }
    look_for_unsafe(&root.join("fuzz/targets"), &mut found);
    let mut found: Vec<_> = found.iter().map(|path| path.strip_prefix(root).unwrap().to_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, UNSAFE);
}

fn look_for_unsafe(folder: &Path, found: &mut Vec<PathBuf>) {
    // Not in this file, which has the word in its texts.
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with(file!()))
    {
        if path.is_dir() {
            look_for_unsafe(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if code
                .flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
                .any(|word| word.starts_with("unsafe"))
            {
                found.push(path);
            }
        }
    }
}
