//! The house rules that a compiler does not check: which room may import which, where timely, differential and tokio are
//! named, who reads the clock, how files are called, opened and how long they are.
#![allow(clippy::unwrap_used)]

#[path = "architecture/public.rs"]
mod public;
#[path = "architecture/signatures.rs"]
mod signatures;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest file, in lines.
const MAX_LINES: usize = 500;
/// Names that say nothing.
const NAMELESS: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "misc", "manager", "managers"];

struct Source {
    /// Relative to the repository root, with `/`.
    path: String,
    /// The room, and where in it.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        &self.module[0]
    }

    /// The lines of code with their numbers, comments taken off.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, uncommented(line)))
    }
}

fn uncommented(line: &str) -> &str {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") {
        return "";
    }
    line.find(" //").map_or(line, |at| &line[..at])
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// Where the rooms stand: a folder of rooms, or the room that a folder is.
const FOLDERS: &[(&str, Option<&str>)] =
    &[("crates/core/src", None), ("crates/log/src", Some("log")), ("crates/sql/src", Some("sql")), ("src", None)];
/// The rooms that are crates of their own, as they are named from outside.
const OWN_CRATES: &[(&str, &str)] = &[("log", "highwater_log"), ("sql", "highwater_sql")];

/// The files of the rooms; `main.rs` and the `lib.rs` of a crate of several rooms belong to none.
fn sources() -> Vec<Source> {
    let of = |(folder, room): (&str, Option<&str>)| {
        let sources = rust_files(folder).into_iter().filter_map(move |path| {
            let relative = relative(&path);
            let within = relative.strip_prefix(folder).unwrap().trim_start_matches('/');
            let within = within.trim_end_matches(".rs").trim_end_matches("/mod").split('/');
            let module: Vec<String> =
                room.into_iter().chain(within.filter(|part| *part != "lib")).map(str::to_owned).collect();
            let belongs = !module.is_empty() && module != ["main"];
            belongs.then(|| Source { module, text: fs::read_to_string(&path).unwrap(), path: relative })
        });
        sources.collect::<Vec<_>>()
    };
    FOLDERS.iter().copied().flat_map(of).collect()
}

/// Room to floor, from the table at the head of `lib.rs`.
fn floors() -> BTreeMap<String, usize> {
    floors_of("src/lib.rs")
}

fn floors_of(path: &str) -> BTreeMap<String, usize> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |")?.split_once(" | "));
    let rooms = rows.filter_map(|(floor, rooms)| Some((floor.parse::<usize>().ok()?, rooms)));
    rooms.flat_map(|(floor, rooms)| rooms.split_whitespace().map(move |room| (room.to_owned(), floor))).collect()
}

/// The rooms that a line of code names: after `own::`, also in a braced list, and those that are crates of their own.
fn rooms_named(line: &str, own: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let foreign = OWN_CRATES.iter().filter(|(_, name)| names(line, name));
    let mut rooms: Vec<String> = foreign.map(|(room, _)| (*room).to_owned()).collect();
    let own = format!("{own}::");
    for (at, _) in line.match_indices(&own) {
        let after = &line[at + own.len()..];
        match after.strip_prefix('{') {
            None => rooms.push(word(after)),
            Some(list) => {
                let mut depth = 0;
                let mut start = 0;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => {
                            rooms.push(word(list[start..at].trim_start()));
                            break;
                        }
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            rooms.push(word(list[start..at].trim_start()));
                            start = at + 1;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    rooms
}

fn names(line: &str, word: &str) -> bool {
    let of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(of_a_word) && !line[at + word.len()..].starts_with(of_a_word))
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_room_has_a_floor_and_every_floor_its_rooms() {
    let floors = floors();
    let sources = sources();
    let mut problems = Vec::new();
    for source in &sources {
        if !floors.contains_key(source.room()) {
            problems.push(format!("{}: room '{}' is not in the table of src/lib.rs", source.path, source.room()));
        }
    }
    for room in floors.keys().filter(|room| !sources.iter().any(|source| source.room() == room.as_str())) {
        problems.push(format!("src/lib.rs: room '{room}' of the table has no files"));
    }
    assert!(floors.len() >= 10, "the table of src/lib.rs was not read: {floors:?}");
    assert_none(&problems);
}

#[test]
fn rooms_of_sql_import_only_from_lower_floors() {
    let floors = floors_of("crates/sql/src/lib.rs");
    assert!(floors.len() >= 8, "the table of crates/sql/src/lib.rs was not read: {floors:?}");
    let mut problems = Vec::new();
    let sources: Vec<Source> = sources().into_iter().filter(|source| source.room() == "sql").collect();
    for room in floors.keys().filter(|room| !sources.iter().any(|source| source.module.get(1) == Some(room))) {
        problems.push(format!("crates/sql/src/lib.rs: room '{room}' of the table has no files"));
    }
    for source in &sources {
        let Some(room) = source.module.get(1).filter(|room| *room != "tests") else { continue };
        let Some(own) = floors.get(room) else {
            problems.push(format!("{}: room '{room}' is not in the table of crates/sql/src/lib.rs", source.path));
            continue;
        };
        for (number, line) in source.code() {
            for other in rooms_named(line, "crate").into_iter().filter(|other| other != room) {
                if floors.get(&other).is_some_and(|floor| floor >= own) {
                    let (path, floor) = (&source.path, floors[&other]);
                    problems.push(format!("{path}:{number}: '{room}' (floor {own}) imports '{other}' (floor {floor})"));
                }
            }
            // One more for a module within the file, which is indented.
            let out = source.module.len() - 1 + usize::from(line.starts_with(' '));
            if line.contains(&"super::".repeat(out)) {
                problems.push(format!("{}:{number}: leaves its room by super::; write crate::", source.path));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn rooms_import_only_from_lower_floors() {
    let floors = floors();
    let mut problems = Vec::new();
    for source in sources() {
        let own = floors.get(source.room()).copied().unwrap_or(0);
        let own_crate = OWN_CRATES.iter().any(|(room, _)| *room == source.room());
        for (number, line) in source.code() {
            // Within a crate of its own `crate` is the room.
            let crates: &[&str] = if own_crate { &["highwater_core"] } else { &["crate", "highwater_core"] };
            let named = crates.iter().flat_map(|own| rooms_named(line, own));
            for room in named.filter(|room| room != source.room()) {
                match floors.get(&room) {
                    Some(floor) if *floor < own => {}
                    Some(floor) => problems.push(format!(
                        "{}:{number}: '{}' (floor {own}) imports '{room}' (floor {floor})",
                        source.path,
                        source.room()
                    )),
                    None => problems.push(format!("{}:{number}: 'crate::{room}' is no room", source.path)),
                }
            }
            // A module within a file is indented and has one more `super` to go.
            let indented = usize::from(line.starts_with(' '));
            let supers = line.matches("super::").count();
            if !own_crate
                && line.contains(&"super::".repeat(source.module.len() + indented))
                && supers >= source.module.len() + indented
            {
                problems.push(format!("{}:{number}: leaves its room by super::; write crate::", source.path));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn timely_differential_and_tokio_stay_in_their_places() {
    let mut problems = Vec::new();
    for source in sources() {
        let dataflow = source.module.iter().any(|part| part == "operator")
            || (source.room(), source.module.last().map(String::as_str)) == ("delta", Some("container"))
            || source.room() == "engine"
            || (source.room() == "plan" && source.module.get(1).is_some_and(|part| part.starts_with("build")));
        let asynchronous = ["source", "sink", "view", "engine", "serve", "cli"].contains(&source.room());
        for (number, line) in source.code() {
            if !dataflow && (names(line, "timely") || names(line, "differential_dataflow")) {
                problems.push(format!(
                    "{}:{number}: names timely or differential outside an operator: {line}",
                    source.path
                ));
            }
            if !asynchronous && (names(line, "tokio") || names(line, "tokio_stream")) {
                problems.push(format!("{}:{number}: names tokio in a room without it: {line}", source.path));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn rows_wait_for_their_epoch_in_the_shell_alone() {
    // A recursion that does not end holds its epoch for ever.
    let loops = "crates/core/src/differential/operator/recursion.rs";
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "operator") {
        for (number, line) in source.code() {
            if names(line, "Capability") && source.path != loops {
                problems.push(format!(
                    "{}:{number}: holds a capability; go through operator::Emitter: {line}",
                    source.path
                ));
            }
            if line.contains("BTreeMap<Epoch, Vec<Delta>>") && !source.path.ends_with("tests.rs") {
                problems.push(format!("{}:{number}: stages rows by epoch; be a Stateful: {line}", source.path));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn only_the_clock_reads_the_clock() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| source.path != "crates/core/src/time/clock.rs") {
        for (number, line) in source.code() {
            if ["SystemTime", "Instant::now", "Utc::now", "Local::now"].iter().any(|clock| line.contains(clock)) {
                problems.push(format!(
                    "{}:{number}: reads the clock; go through time::Clock or time::now_ms: {line}",
                    source.path
                ));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut problems = Vec::new();
    for path in ["crates", "src", "tests", "benches", "examples"].into_iter().flat_map(rust_files) {
        let text = fs::read_to_string(&path).unwrap();
        let (name, stem) = (relative(&path), path.file_stem().unwrap().to_string_lossy().to_lowercase());
        if !text.starts_with("//!") {
            problems.push(format!("{name}: does not open with what it is (//!)"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!("{name}: {lines} lines, the limit is {MAX_LINES}: split it by what it does"));
        }
        let folder_names = name.split('/').map(|part| part.trim_end_matches(".rs"));
        if NAMELESS.contains(&stem.as_str()) || folder_names.into_iter().any(|part| NAMELESS.contains(&part)) {
            problems.push(format!("{name}: the name says nothing; name it after what it does"));
        }
    }
    assert_none(&problems);
}

#[test]
fn the_map_shows_every_room() {
    let mut problems = Vec::new();
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for room in floors().keys() {
        if ![format!("`{room}/`"), format!("`{room}.rs`")].iter().any(|name| text.contains(name)) {
            problems.push(format!("ARCHITECTURE.md: says nothing of `{room}/`"));
        }
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    if !readme.contains("ARCHITECTURE.md") {
        problems.push("README.md: does not lead to ARCHITECTURE.md".to_owned());
    }
    assert_none(&problems);
}

/// Files and folders that the map names are there: `window/`, `join/table.rs`, or a file by its name alone.
#[test]
fn the_map_names_what_is_there() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let files: Vec<String> = ["crates", "src", "tests", "benches", "examples", "fuzz"]
        .iter()
        .flat_map(|f| rust_files(f))
        .map(|f| relative(&f))
        .collect();
    let path = |word: &&str| {
        let plain = word.chars().all(|c| c.is_alphanumeric() || "_/.".contains(c));
        plain && (word.ends_with(".rs") || word.ends_with('/') && word.len() > 1)
    };
    let there = |word: &str| {
        ["", "src/", "crates/core/src/", "crates/"].iter().any(|folder| root().join(format!("{folder}{word}")).exists())
            || files.iter().any(|file| file.replace("/src/", "/").contains(&format!("/{word}")))
    };
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(path).collect();
    assert!(named.len() > 60, "the map was not read: {named:?}");
    let missing = named.iter().filter(|word| !there(word));
    assert_none(
        &missing.map(|word| format!("ARCHITECTURE.md: names `{word}`, which is not there")).collect::<Vec<_>>(),
    );
}

#[test]
fn the_library_alone_stands_on_few_crates() {
    let without = ["--no-default-features", "--edges", "normal", "--prefix", "none"];
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "highwater"])
        .args(without)
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let of = |name: &str| crates.iter().any(|line| line.split(' ').next() == Some(name));
    assert!(of("timely") && of("datafusion-sql"), "{text}{}", String::from_utf8_lossy(&tree.stderr));
    assert!(crates.len() < 220, "{} crates", crates.len());
    let unasked = ["axum", "hyper", "clap", "tokio-rustls", "tungstenite", "parquet", "mimalloc", "flate2", "rmp"];
    let there: Vec<&str> = unasked.into_iter().filter(|name| of(name)).collect();
    assert_eq!(there, [""; 0], "they come with features");
}

#[test]
fn every_feature_is_told_to_embedders_and_in_the_map() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (manifest, embedding, map) = (read("Cargo.toml"), read("docs/embedding.md"), read("ARCHITECTURE.md"));
    let section = manifest.split("\n[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let features =
        section.lines().filter(|line| !line.starts_with([' ', '#', ']'])).filter_map(|line| line.split_once(" = "));
    let features: Vec<&str> = features.map(|(name, _)| name).filter(|name| *name != "default").collect();
    assert!(features.contains(&"serve") && features.contains(&"msgpack"), "{features:?}");
    let untold = features.iter().flat_map(|feature| {
        let row = embedding.contains(&format!("| `{feature}` |"));
        let named = map.contains(&format!("`{feature}`"));
        [("docs/embedding.md", row), ("ARCHITECTURE.md", named)]
            .into_iter()
            .filter(|(_, told)| !told)
            .map(move |(page, _)| format!("{page}: does not tell of the feature `{feature}`"))
    });
    assert_none(&untold.collect::<Vec<_>>());
}

/// The crates of others in a section of the packages' `Cargo.toml`, each once.
fn crates(section: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    for manifest in [
        "Cargo.toml",
        "crates/core/Cargo.toml",
        "crates/kafka/Cargo.toml",
        "crates/log/Cargo.toml",
        "crates/sql/Cargo.toml",
    ] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let lines = text
            .lines()
            .skip_while(|line| *line != format!("[{section}]"))
            .skip(1)
            .take_while(|line| !line.starts_with('['));
        let names =
            lines.filter_map(|line| Some(line.split_once(" = ")?.0.trim().trim_end_matches(".workspace").to_owned()));
        found.extend(names.filter(|name| !name.starts_with('#') && !name.starts_with("highwater")));
    }
    found.into_iter().collect()
}

/// The crates of the map's table, `arrow-{array,row}` spelt out, and those behind `dev:`.
fn crates_of_the_map() -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text
        .split("| crate | why it is here |")
        .nth(1)
        .unwrap()
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let (mut all, mut dev) = (Vec::new(), Vec::new());
    for row in rows {
        let cell = row.split('|').nth(1).unwrap().split('(').next().unwrap().trim();
        let (into, cell) = cell.strip_prefix("dev: ").map_or((&mut all, cell), |cell| (&mut dev, cell));
        match cell.split_once('{') {
            None => into.extend(cell.split(", ").map(str::to_owned)),
            Some((prefix, names)) => {
                into.extend(names.trim_end_matches('}').split(',').map(|name| format!("{prefix}{name}")))
            }
        }
    }
    (all, dev)
}

#[test]
fn the_map_tells_why_each_dependency_is_there() {
    let (all, dev) = crates_of_the_map();
    let mut problems = Vec::new();
    for (section, told) in [("dependencies", all), ("dev-dependencies", dev)] {
        let mut there = crates(section);
        if section == "dev-dependencies" {
            // What some package stands on has its reason.
            let stood_on = crates("dependencies");
            there.retain(|name| !stood_on.contains(name));
        }
        assert!(there.len() > 4, "[{section}] was not read: {there:?}");
        for name in there.iter().filter(|name| !told.contains(name)) {
            problems.push(format!("ARCHITECTURE.md: does not say why {name} of [{section}] is there"));
        }
        for name in told.iter().filter(|name| !there.contains(name)) {
            problems.push(format!("ARCHITECTURE.md: tells of {name}, which [{section}] does not have"));
        }
    }
    assert_none(&problems);
}

#[test]
fn the_reading_of_imports_is_right() {
    assert_eq!(
        rooms_named("use crate::{delta::{Delta, Reject}, time::Epoch, plan};", "crate"),
        ["delta", "time", "plan"]
    );
    assert_eq!(rooms_named("fn f(x: crate::time::Epoch, y: crate::plan::Node)", "crate"), ["time", "plan"]);
    assert_eq!(
        rooms_named("use highwater_core::time::Epoch; use highwater_sql::plan;", "highwater_core"),
        ["sql", "time"]
    );
    assert_eq!(rooms_named("use highwater_log::Log;", "crate"), ["log"]);
    assert_eq!(rooms_named("use crate::time::Epoch; use highwater_log::Log;", "crate"), ["log", "time"]);
    assert_eq!(uncommented("let url = \"http://x\"; // crate::cli"), "let url = \"http://x\";");
    assert!(names("use timely::x;", "timely") && !names("untimely timely_x", "timely"));
}
