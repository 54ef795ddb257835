//! Who may know whom. Reads the sources and holds the rules of the design, so that they cannot wear away.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn sources(under: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            found.push((path, text));
        }
    }
    found
}

/// The code of a file without comments and without its tests, which may know more.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules of ours that some code names by `crate::`.
fn ours(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in code.match_indices("crate::") {
        let rest = code.get(place + "crate::".len()..).unwrap_or_default();
        let names: String = match rest.strip_prefix('{') {
            Some(list) => top_level(list),
            None => rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(),
        };
        found.extend(names.split_whitespace().map(str::to_owned));
    }
    found
}

/// The first names in a braced list of imports, `a::{b, c}, d` giving `a d`.
fn top_level(list: &str) -> String {
    let (mut depth, mut names, mut fresh) = (0_u32, String::new(), true);
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                fresh = true;
                names.push(' ');
            }
            ':' if depth == 0 => fresh = false,
            c if depth == 0 && fresh && (c.is_alphanumeric() || c == '_') => names.push(c),
            _ => {}
        }
    }
    names
}

/// The files of a module, whether it is one file or a folder.
fn module(name: &str) -> Vec<(PathBuf, String)> {
    let src = root().join("agent/src");
    let (folder, file) = (src.join(name), src.join(format!("{name}.rs")));
    let mut found = if folder.is_dir() { sources(&folder) } else { Vec::new() };
    if let Ok(text) = fs::read_to_string(&file) {
        found.push((file, text));
    }
    assert!(!found.is_empty(), "there is a module {name}");
    found
}

/// Goal: the inner modules stay ignorant of the outer ones. Method: every `crate::` in their code names an allowed module.
#[test]
fn inner_modules_know_no_outer_ones() {
    let rules: [(&str, &[&str]); 6] = [
        ("desk", &["desk"]),
        ("verify", &["verify"]),
        ("reader", &["reader"]),
        ("store", &["store", "home", "crash", "durable", "verify"]),
        ("vault", &["vault", "keyring", "crash"]),
        ("keyring", &["keyring", "crash"]),
    ];
    for (name, allowed) in rules {
        for (path, text) in module(name) {
            for other in ours(&code(&text)) {
                assert!(allowed.contains(&other.as_str()), "{}: {name} may not know {other}", path.display());
            }
        }
    }
}

/// Goal: what may be replaced one day is named in one place. Method: search all code for the crate's name.
#[test]
fn each_outer_crate_has_one_home() {
    let rules = [
        ("sled::", vec!["agent/src/store"]),
        ("rustls::", vec!["agent/src/tls"]),
        ("rcgen::", vec!["agent/src/tls"]),
        ("x509_parser::", vec!["agent/src/tls"]),
        ("rusqlite::", vec!["agent/src/books"]),
        ("bincode::", vec!["protocol/src"]),
        ("notify::", vec!["agent/src/intake"]),
    ];
    for (name, homes) in rules {
        for (path, text) in sources(&root().join("agent/src")).into_iter().chain(sources(&root().join("protocol/src")))
        {
            let place = path.strip_prefix(root()).expect("below the workspace").display().to_string();
            let named = code(&text).match_indices(name).any(|(at, _)| {
                let before = text.get(..at).and_then(|before| before.chars().last());
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            });
            assert!(!named || homes.iter().any(|home| place.starts_with(home)), "{place} names {name}");
        }
    }
}

/// Goal: the protocol and the desk stay pure. Method: no I/O, clock or randomness of the standard library in their code.
#[test]
fn protocol_and_desk_are_pure() {
    let pure = sources(&root().join("protocol/src")).into_iter().chain(module("desk"));
    for (path, text) in pure {
        for word in [
            "std::fs",
            "std::net",
            "std::io",
            "std::time",
            "std::env",
            "std::thread",
            "SystemTime",
            "Zoned::now",
            "Timestamp::now",
        ] {
            assert!(!code(&text).contains(word), "{} uses {word}", path.display());
        }
    }
}

/// Goal: an auditor need not trust our libraries. Method: `verify` names nothing but the protocol and the standard library.
#[test]
fn verify_needs_only_the_protocol() {
    for (path, text) in module("verify").into_iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
        for line in code(&text).lines().filter(|line| line.trim_start().starts_with("use ")) {
            let of = line.trim_start().trim_start_matches("use ");
            let known = ["std::", "daybook_protocol::", "self::", "super::", "crate::verify"];
            assert!(known.iter().any(|start| of.starts_with(start)), "{}: {line}", path.display());
        }
    }
}

/// Goal: files stay short enough to be read from the top. Method: none of ours has more than 450 lines.
#[test]
fn files_stay_short() {
    for folder in ["agent/src", "protocol/src", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            assert!(text.lines().count() <= 450, "{} has {} lines", path.display(), text.lines().count());
        }
    }
}

fn table(path: &str) -> Table {
    fs::read_to_string(root().join(path)).expect("a file").parse().expect("TOML")
}

/// The packages of a lock file, each with its version.
fn locked(path: &str) -> Vec<(String, String, Value)> {
    let packages = table(path)["package"].as_array().expect("packages").clone();
    let text = |package: &Value, key: &str| package[key].as_str().expect("text").to_owned();
    packages.into_iter().map(|package| (text(&package, "name"), text(&package, "version"), package)).collect()
}

/// Goal: the fuzz targets, which are a workspace of their own, can be built, and of what the program is built of. Method: their
/// lock file has the program's dependencies, in the versions of its own lock file.
#[test]
fn what_is_fuzzed_is_what_is_built() {
    let (ours, fuzzed) = (locked("Cargo.lock"), locked("tests/fuzz/Cargo.lock"));
    for (name, version, _) in &fuzzed {
        let only_there = ["daybook-fuzz", "libfuzzer-sys", "arbitrary"].contains(&name.as_str());
        let here = ours.iter().any(|(ours, of, _)| (ours, of) == (name, version));
        assert!(only_there || here, "{name} {version}: copy Cargo.lock to tests/fuzz, and run cargo metadata there");
    }
    let agent = fuzzed.iter().find(|(name, ..)| name == "daybook-agent").expect("it is fuzzed");
    let locked: BTreeSet<_> =
        agent.2["dependencies"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let cargo = table("agent/Cargo.toml");
    let needed: BTreeSet<_> = cargo["dependencies"].as_table().expect("a table").keys().map(String::as_str).collect();
    assert_eq!(locked, needed, "copy Cargo.lock to tests/fuzz, and run cargo metadata there");
}
