//! What stands behind public names, as it is written: read from the lines of the sources, which rustfmt has made alike.

use std::collections::BTreeMap;
use std::fs;

use crate::{relative, root, rust_files};

/// What begins an item, behind `pub `.
const KINDS: &[&str] = &["struct ", "enum ", "trait ", "fn ", "async fn ", "const fn ", "const ", "type ", "static "];

/// An item where it is defined.
struct Item {
    file: String,
    /// The file with the line, which tells it from all others.
    home: String,
    lines: Vec<String>,
}

/// All public items by their names, and the public methods of types by those.
pub(crate) struct Signatures {
    items: BTreeMap<String, Vec<Item>>,
    methods: BTreeMap<String, Vec<(String, String)>>,
}

fn word(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}

/// The lines of an item up to the one that ends its head, in one: what is behind `{` of a function is left out.
fn head(lines: &[&str]) -> (String, usize) {
    let mut head = String::new();
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim();
        let starts = head.is_empty() || head.ends_with('(') || head.ends_with('<');
        head.push_str(if starts || line.starts_with([')', '>', '.']) { "" } else { " " });
        head.push_str(line);
        if line.ends_with(['{', ';', '}']) {
            let cut = head.trim_end_matches(['{', ';']).trim_end().replace(",)", ")");
            return (cut, at);
        }
    }
    (head, lines.len())
}

/// What stands within an item: fields and variants, or functions of a trait.
fn within(lines: &[&str], kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at).filter(|line| **line != "}") {
        let bare = line.trim();
        let first = line.starts_with("    ") && !line.starts_with("     ");
        let said = first && !bare.starts_with(['/', '#', '}', ')']) && !bare.is_empty();
        match kind {
            "trait "
                if said && (bare.starts_with("fn ") || bare.starts_with("type ") || bare.starts_with("async fn ")) =>
            {
                let (head, more) = head(&lines[at..]);
                let given = if lines[at + more].trim_end().ends_with(['{', '}']) { " { .. }" } else { "" };
                found.push(head.split(" {").next().unwrap_or_default().to_owned() + given);
                at += more;
            }
            "struct " if said && bare.starts_with("pub ") => found.push(bare.trim_end_matches(',').to_owned()),
            "enum " if !bare.is_empty() && !bare.starts_with(['/', '#', '}', '"', ')']) => {
                found.push(bare.trim_end_matches([',', '{']).trim_end().to_owned());
            }
            _ => {}
        }
        at += 1;
    }
    found
}

impl Signatures {
    pub(crate) fn read() -> Signatures {
        let mut read = Signatures { items: BTreeMap::new(), methods: BTreeMap::new() };
        for path in ["crates/core/src", "crates/sql/src", "src"].iter().flat_map(|folder| rust_files(folder)) {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            let text = text.split("\nmod tests {").next().unwrap_or_default();
            read.file(&relative(&path), &text.lines().collect::<Vec<_>>());
        }
        read
    }

    fn file(&mut self, file: &str, lines: &[&str]) {
        let mut of: Option<String> = None;
        for (at, line) in lines.iter().enumerate() {
            if let Some(rest) = line.strip_prefix("pub ") {
                let Some(kind) = KINDS.iter().find(|kind| rest.starts_with(**kind)) else { continue };
                let kind = if kind.ends_with("fn ") { "fn " } else { kind };
                let name = word(&rest[rest.find(kind).unwrap_or(0) + kind.len()..]).to_owned();
                let (head, more) = head(&lines[at..]);
                let open = lines[at + more].ends_with('{');
                let before = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
                let sealed = before.into_iter().any(|line| line.contains("non_exhaustive"));
                let shown = if kind == "const " { head.split(" = ").next().unwrap_or_default() } else { &head };
                let mut all = vec![shown.to_owned() + if sealed { " #[non_exhaustive]" } else { "" }];
                if open {
                    all.extend(within(&lines[at + more + 1..], kind));
                }
                let home = format!("{file} {name}");
                self.items.entry(name).or_default().push(Item { file: file.to_owned(), home, lines: all });
            } else if line.starts_with("impl") {
                let (head, _) = head(&lines[at..]);
                let generic = head.strip_prefix("impl<").map_or(0, |rest| {
                    let mut depth = 1;
                    let end = rest.find(|c| {
                        depth += i32::from(c == '<') - i32::from(c == '>');
                        depth == 0
                    });
                    end.map_or(0, |end| end + 2)
                });
                let rest =
                    head["impl".len() + generic.saturating_sub(1).min(head.len() - 4)..].trim_start_matches(['>', ' ']);
                of = (!head.contains(" for ")).then(|| word(rest).to_owned());
            } else if let (Some(of), Some(rest)) = (&of, line.strip_prefix("    pub "))
                && ["fn ", "async fn ", "const fn ", "const "].iter().any(|kind| rest.starts_with(kind))
            {
                let (head, _) = head(&lines[at..]);
                let method = head.split(" {").next().unwrap_or_default().split(" = ").next().unwrap_or_default();
                self.methods.entry(of.clone()).or_default().push((file.to_owned(), method.to_owned()));
            } else if *line == "}" {
                of = None;
            }
        }
    }

    /// The definition that a path means, as it is written in a file: that of its name in the room that the path names.
    fn item(&self, of: &str) -> Option<&Item> {
        let (file, path) = of.split_once(' ')?;
        let segments: Vec<&str> = path.split("::").filter(|part| !["crate", "self", "super"].contains(part)).collect();
        let items = self.items.get(*segments.last()?)?;
        let folder = file.trim_end_matches("mod.rs").trim_end_matches("lib.rs").trim_end_matches(".rs");
        let score = |item: &Item| {
            let named = segments[..segments.len() - 1]
                .iter()
                .filter(|part| item.file.split(['/', '.']).any(|at| at == **part))
                .count();
            let near = item.file.bytes().zip(folder.bytes()).take_while(|(one, other)| one == other).count();
            (named, item.file == file, near)
        };
        items.iter().max_by_key(|item| score(item))
    }

    /// What tells the definition of a path from all others.
    pub(crate) fn home(&self, of: &str) -> Option<&str> {
        self.item(of).map(|item| item.home.as_str())
    }

    /// What is written there: the item, what stands in it, and the methods that its package gives it.
    pub(crate) fn of(&self, of: &str) -> Vec<String> {
        let Some(item) = self.item(of) else { return Vec::new() };
        let name = item.home.split(' ').nth(1).unwrap_or_default();
        let package = |file: &str| file.split("src/").next().map(str::to_owned);
        let room =
            |file: &str| file.split("src/").nth(1).map(|at| at.split(['/', '.']).next().unwrap_or_default().to_owned());
        let here = |file: &str| package(file) == package(&item.file) && room(file) == room(&item.file);
        let head = &item.lines[0];
        let is_type = head.starts_with("pub struct") || head.starts_with("pub enum");
        let methods = self.methods.get(name).into_iter().flatten().filter(|(file, _)| is_type && here(file));
        item.lines.iter().cloned().chain(methods.map(|(_, method)| method.clone())).collect()
    }
}
