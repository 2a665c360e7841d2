//! What is public: `tests/public.txt` has every name that a program may write behind `highwater::`, and what stands behind it as it is written (functions
//! with their types, fields, variants, methods), so that a change says what it adds and takes away. Implementations of traits are not in it.
//! `HIGHWATER_BLESS=1 cargo test --test architecture public` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::signatures::Signatures;
use crate::root;

/// The file of a public module, and where those within it are.
fn module(name: &str) -> (String, String) {
    let folders = ["src", "crates/core/src", "crates/sql/src"];
    let at = |folder: &str| {
        let own = format!("{folder}/{name}");
        let files = [format!("{own}/mod.rs"), format!("{own}.rs")];
        files.into_iter().find(|file| root().join(file).exists()).map(|file| (file, own))
    };
    folders.iter().find_map(|folder| at(folder)).unwrap_or_else(|| panic!("there is no module {name}"))
}

/// The public items at the head level of a file, in one line each.
fn items(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\n#[allow(clippy::unwrap_used)]\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(item) = line.strip_prefix("pub ") else { continue };
        let mut item = item.to_owned();
        while !item.contains([';', '(']) && (item.starts_with("use ") || !item.contains('{')) {
            let Some(more) = lines.next() else { break };
            item.push(' ');
            item.push_str(more.trim());
        }
        found.push(item);
    }
    found
}

/// The names that a `use` brings: `a::{b, c as d}` are `b` and `d`, each with the path that it is of.
fn used(tree: &str, of: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    if let Some((path, list)) = tree.split_once('{') {
        let of = format!("{of}{}", path.trim());
        let list = list.trim().strip_suffix('}').unwrap_or_else(|| panic!("a list is closed: {tree}"));
        let (mut depth, mut start, mut found) = (0, 0, Vec::new());
        for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let one = list[start..at].trim();
                    if !one.is_empty() {
                        found.extend(used(one, &of));
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
        return found;
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, tree.rsplit("::").next().unwrap_or(tree)));
    vec![(name.trim().to_owned(), format!("{of}{path}"))]
}

/// The names of a module, those of its public modules as well, each with the path that it is of.
fn names(path: &str, file: &str, folder: &str, into: &mut BTreeMap<String, String>) {
    let text = fs::read_to_string(root().join(file)).unwrap();
    for item in items(&text) {
        let (kind, rest) = item.split_once(' ').unwrap();
        let rest = rest.trim_start_matches("async ").trim_start_matches("fn ");
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match kind {
            "use" => {
                for (name, of) in used(rest.trim_end_matches(';'), "") {
                    let name = format!("{path}{name}");
                    // The rooms that the front shows under its name.
                    let room = path.is_empty() && (of.starts_with("highwater_core::") || of == "highwater_sql");
                    let is_module = room && name.starts_with(|c: char| c.is_lowercase()) && !of.contains("timely");
                    into.insert(name.clone(), format!("{file} {of}"));
                    if is_module && !of.contains("dataflow") {
                        let (file, folder) = match of.as_str() {
                            "highwater_sql" => ("crates/sql/src/lib.rs".to_owned(), "crates/sql/src".to_owned()),
                            _ => module(&name),
                        };
                        names(&format!("{name}::"), &file, &folder, into);
                    }
                }
            }
            "mod" => {
                let name = word(rest);
                let files = [format!("{folder}/{name}/mod.rs"), format!("{folder}/{name}.rs")];
                let within = files.iter().find(|file| root().join(file).exists()).unwrap();
                into.insert(format!("{path}{name}"), String::new());
                names(&format!("{path}{name}::"), within, &format!("{folder}/{name}"), into);
            }
            _ => {
                into.insert(format!("{path}{}", word(rest)), format!("{file} {}", word(rest)));
            }
        }
    }
}

#[test]
fn what_is_public_is_what_is_listed() {
    let mut found = BTreeMap::new();
    names("", "src/lib.rs", "src", &mut found);
    assert!(
        found.contains_key("Highwater") && found.contains_key("extend::Connector") && found.len() > 100,
        "{found:?}"
    );
    let signatures = Signatures::read();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut lines = Vec::new();
    for (name, of) in &found {
        lines.push(name.clone());
        // Once, under the first of its names.
        if told.insert(of.split_once(' ').map_or("", |_| signatures.home(of).unwrap_or_default())) {
            lines.extend(signatures.of(of).into_iter().map(|signature| format!("{name} | {signature}")));
        }
    }
    let found: String = lines.into_iter().map(|line| line + "\n").collect();
    let path: PathBuf = root().join("tests/public.txt");
    if std::env::var_os("HIGHWATER_BLESS").is_some() {
        return fs::write(path, found).unwrap();
    }
    let listed = fs::read_to_string(path).unwrap_or_default();
    let (found, listed): (BTreeSet<&str>, BTreeSet<&str>) = (found.lines().collect(), listed.lines().collect());
    let more: Vec<_> = found.difference(&listed).collect();
    let less: Vec<_> = listed.difference(&found).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "public and not listed in tests/public.txt: {more:?}; listed and not there any more: {less:?}. If that is meant, write it anew with \
         HIGHWATER_BLESS=1, and say so in the changelog"
    );
}

#[test]
fn the_reading_of_names_is_right() {
    let of = |text: &str| used(text, "").into_iter().map(|(name, of)| format!("{name}={of}")).collect::<Vec<_>>();
    assert_eq!(of("a::b"), ["b=a::b"]);
    assert_eq!(of("{a, b::{C, d as e}, }"), ["a=a", "C=b::C", "e=b::d"]);
    let text = "pub use a::{\n    B,\n};\nstruct C;\npub(crate) fn d() {}\n    pub fn e() {}\npub fn f(g: H) {\n}\npub struct I<T> {\n";
    assert_eq!(items(text), ["use a::{ B, };", "fn f(g: H) {", "struct I<T> {"]);
}

#[test]
fn packages_say_what_they_are() {
    for manifest in ["Cargo.toml", "crates/core/Cargo.toml", "crates/log/Cargo.toml", "crates/sql/Cargo.toml"] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        for field in ["description", "readme", "keywords", "categories", "license.workspace", "rust-version.workspace"]
        {
            assert!(text.lines().any(|line| line.starts_with(&format!("{field} ="))), "{manifest}: no {field}");
        }
    }
}
