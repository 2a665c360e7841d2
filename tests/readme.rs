//! What the README and `docs/` say is so: their tables are the registries' own words (`HIGHWATER_BLESS=1 cargo test --test readme`
//! writes them anew), rules that are cited stand in `docs/internals/semantics.md`, links lead somewhere, and programs and commands run.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use highwater::serve::{LIMITS, REFUSALS};
use highwater::testing::STEPS;
use highwater_core::aggregate::AGGREGATES;
use highwater_core::format::FORMATS;
use highwater_core::metrics::{Kind, METRICS};
use highwater_core::options::OptionSpec;
use highwater_core::sink::SINKS;
use highwater_core::source::{CONNECTORS, KAFKA, OPTIONAL, SOURCE_OPTIONS};

/// What tables stand in which file.
const FILES: &[(&str, &[&str])] = &[
    ("docs/sql.md", &["aggregates"]),
    ("docs/connectors.md", &["sources", "source options", "sinks", "csv options", "kafka options"]),
    ("docs/http.md", &["limits"]),
    ("docs/operations.md", &["metrics", "refusals"]),
    ("docs/testing.md", &["test steps"]),
];

/// A table's place in its file (between `<!-- name -->` and `<!-- /name -->`) and its text.
fn tables() -> [(&'static str, String); 10] {
    let mut aggregates = "| function | what it gives |\n| --- | --- |\n".to_owned();
    for aggregate in AGGREGATES {
        let (call, meaning) = aggregate.help().split_once(": ").expect("a call, a colon, its meaning");
        let aliases = match aggregate.aliases() {
            [] => String::new(),
            aliases => format!(" ({})", aliases.join(", ")),
        };
        row(&mut aggregates, &[&format!("{call}{aliases}"), meaning]);
    }
    let mut sources = "| connector | what it reads | its options |\n| --- | --- | --- |\n".to_owned();
    for connector in CONNECTORS {
        row(&mut sources, &[&format!("`{}`", connector.name()), connector.help(), &names(connector.options())]);
    }
    for connector in OPTIONAL {
        row(&mut sources, &[&format!("`{}`", connector.name), connector.help, &names(connector.options)]);
    }
    let mut kafka = "| option | meaning |\n| --- | --- |\n".to_owned();
    for option in KAFKA.options {
        row(&mut kafka, &[&format!("`{}`", option.name), option.help]);
    }
    let mut options = "| option of every source | meaning |\n| --- | --- |\n".to_owned();
    for option in SOURCE_OPTIONS {
        row(&mut options, &[&format!("`{}`", option.name), option.help]);
    }
    let mut csv = "| option | meaning |\n| --- | --- |\n".to_owned();
    for option in FORMATS.iter().filter(|format| format.name() == "csv").flat_map(|format| format.options()) {
        row(&mut csv, &[&format!("`{}`", option.name), option.help]);
    }
    let mut sinks = "| connector | what it does | its options |\n| --- | --- | --- |\n".to_owned();
    for connector in SINKS {
        row(&mut sinks, &[&format!("`{}`", connector.name()), connector.help(), &names(connector.options())]);
    }
    let mut limits = "| limit | default | what it bounds |\n| --- | --- | --- |\n".to_owned();
    for spec in LIMITS {
        row(&mut limits, &[&format!("`{}`", spec.name), &spec.show(spec.default), spec.help]);
    }
    let mut metrics = "| metric | kind | labels | what it says |\n| --- | --- | --- | --- |\n".to_owned();
    for spec in METRICS {
        let kind = match spec.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = spec.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        row(&mut metrics, &[&format!("`{}`", spec.exposed()), kind, &labels, spec.help]);
    }
    let mut refusals = "| kind | what is refused |\n| --- | --- |\n".to_owned();
    for (kind, meaning) in REFUSALS {
        row(&mut refusals, &[&format!("`{kind}`"), meaning]);
    }
    let mut steps = "| step | what it does |\n| --- | --- |\n".to_owned();
    for (step, help) in STEPS {
        row(&mut steps, &[&format!("`-- {step}`"), help]);
    }
    [
        ("test steps", steps),
        ("metrics", metrics),
        ("refusals", refusals),
        ("limits", limits),
        ("aggregates", aggregates),
        ("sources", sources),
        ("source options", options),
        ("csv options", csv),
        ("kafka options", kafka),
        ("sinks", sinks),
    ]
}

fn names(options: &[OptionSpec]) -> String {
    options.iter().map(|option| format!("`{}`", option.name)).collect::<Vec<_>>().join(", ")
}

fn row(table: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    writeln!(table, "| {} |", cells.join(" | ")).expect("text grows");
}

#[test]
fn the_tables_are_those_of_the_registries() {
    let tables = tables();
    assert_eq!(FILES.iter().map(|(_, names)| names.len()).sum::<usize>(), tables.len(), "every table has a file");
    for (file, names) in FILES {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut fresh = text.clone();
        for (name, table) in tables.iter().filter(|(name, _)| names.contains(name)) {
            let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
            let start = fresh.find(&open).unwrap_or_else(|| panic!("{file}: no {open}")) + open.len();
            let end = fresh.find(&close).unwrap_or_else(|| panic!("{file}: no {close}"));
            fresh.replace_range(start..end, table);
        }
        if std::env::var_os("HIGHWATER_BLESS").is_some() {
            std::fs::write(&path, &fresh).expect("it can be written");
        } else {
            assert!(fresh == text, "a table of {file} is old: HIGHWATER_BLESS=1 cargo test --test readme");
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `folder` with one of these endings.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "node_modules") {
                open.push(path);
            } else if path.extension().is_some_and(|end| endings.iter().any(|wanted| end == *wanted)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The documents: what is on the first floor, and the pages below `docs/`.
fn documents() -> Vec<PathBuf> {
    let first = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    first.iter().map(|name| root().join(name)).chain(files("docs", &["md"])).collect()
}

/// The numbers of rules in a text, as `W6`; `W5-W8` and `L1 to L3` are all between too.
fn rules(text: &str) -> BTreeSet<String> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|w| !w.is_empty()).collect();
    let read = |word: &str| -> Option<(char, u32)> {
        let mut letters = word.chars();
        let letter = letters.next().filter(|letter| "WLBSJKCDVMU".contains(*letter))?;
        let number = letters.as_str();
        (number.len() <= 2).then(|| number.parse().ok()).flatten().map(|number| (letter, number))
    };
    let mut found = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let (first, last) = match word.split_once('-') {
            Some((first, last)) => (read(first), read(last)),
            None if words.get(at + 1) == Some(&"to") => (read(word), words.get(at + 2).and_then(|word| read(word))),
            None => (read(word), None),
        };
        if let Some((letter, first)) = first {
            let last = last.filter(|(same, _)| *same == letter).map_or(first, |(_, last)| last);
            found.extend((first..=last.max(first)).map(|number| format!("{letter}{number}")));
        }
    }
    found
}

/// The rules that a file cites: in its comments, and in the names of its tests (`w1_w4_l1_any_split`).
fn cited(path: &Path, text: &str) -> Vec<String> {
    let comment = if path.extension().is_some_and(|end| end == "sql") { "--" } else { "//" };
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(at) = line.find(comment) {
            found.extend(rules(line[at..].trim_start_matches(|c: char| !c.is_alphanumeric() && c != '(')));
        }
        let name = line.split_once("fn ").map_or("", |(_, name)| name.split('(').next().unwrap_or(""));
        let leading =
            name.split('_').take_while(|part| part.len() <= 3 && part.ends_with(|c: char| c.is_ascii_digit()));
        found.extend(leading.flat_map(|part| rules(&part.to_uppercase())));
    }
    found
}

#[test]
fn rules_that_are_cited_are_written_down_and_what_is_written_is_tested() {
    let read = |name: &str| std::fs::read_to_string(root().join("docs/internals").join(name)).unwrap();
    let text = ["semantics.md", "positions.md", "units.md", "durability.md"].map(read).join("\n");
    let heads = text.lines().filter_map(|line| line.strip_prefix("- **")?.split_once("**"));
    let written: BTreeSet<String> = heads.map(|(number, _)| number.to_owned()).collect();
    assert!(written.len() > 40, "{written:?}");
    let mut tested = BTreeSet::new();
    for path in files("tests", &["rs", "sql"])
        .into_iter()
        .chain(files("src", &["rs"]))
        .chain(files("crates", &["rs"]))
        .chain(files("docs", &["md"]))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        let test = path.starts_with(root().join("tests")) || text.contains("#[test]");
        for rule in cited(&path, &text) {
            assert!(written.contains(&rule), "{}: cites {rule}, which no file of docs/internals has", path.display());
            if test {
                tested.insert(rule);
            }
        }
    }
    let untested: Vec<_> = written.difference(&tested).collect();
    assert!(untested.is_empty(), "no test cites {untested:?}");
    assert!(rules("W5-W8, L1 to L3 (J4)").iter().eq(["J4", "L1", "L2", "L3", "W5", "W6", "W7", "W8"]));
}

/// What a heading is called in an address, as GitHub has it.
fn anchor(heading: &str) -> String {
    let kept =
        heading.trim().to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
    kept.replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let heads: BTreeMap<PathBuf, BTreeSet<String>> = documents()
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let heads =
                text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#')));
            (path, heads.collect())
        })
        .collect();
    for path in heads.keys() {
        let text = std::fs::read_to_string(path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("http") || target.contains([' ', '[']) {
                continue;
            }
            let (file, head) = target.split_once('#').unwrap_or((target, ""));
            let there = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let Ok(there) = there.canonicalize() else {
                wrong.push(format!("{}: {target}", path.display()));
                continue;
            };
            if !head.is_empty() && !heads.get(&there).is_some_and(|heads| heads.contains(head)) {
                wrong.push(format!("{}: {target}: no such heading", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links to nothing:\n{}", wrong.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(text.lines().count() <= 150, "{} lines: what is more belongs to docs/", text.lines().count());
}

/// The blocks of a document that are written in a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    text.split(&open).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// `highwater` in a folder that has the shipped programs and their data, with where it writes.
fn run(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_highwater")).args(arguments).current_dir(folder).output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

fn clone() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for path in files("dataflows", &["sql", "ndjson", "csv"]) {
        let there = folder.path().join(path.strip_prefix(root()).unwrap());
        std::fs::create_dir_all(there.parent().unwrap()).unwrap();
        std::fs::copy(&path, there).unwrap();
    }
    folder
}

#[test]
fn the_program_of_the_readme_gives_what_it_shows() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let folder = clone();
    std::fs::write(folder.path().join("pages.sql"), blocks(&text, "sql")[0]).unwrap();
    let (fine, said) = run(folder.path(), &["run", "pages.sql", "--no-serve", "--exit-at-end"]);
    assert!(fine, "{said}");
    let written = std::fs::read_to_string(folder.path().join("out/pages.ndjson")).unwrap();
    let shown = blocks(&text, "json")[0];
    assert_eq!(written.lines().take(shown.lines().count()).collect::<Vec<_>>(), shown.lines().collect::<Vec<_>>());
    let (fine, plan) = run(folder.path(), &["explain", "pages.sql", "pages"]);
    assert!(fine, "{plan}");
    assert!(plan.contains(blocks(&text, "text")[0].trim_end()), "explain says:\n{plan}");
}

#[test]
fn the_fragments_of_examples_are_their_text() {
    let text = std::fs::read_to_string(root().join("docs/embedding.md")).unwrap();
    for (fragment, example) in blocks(&text, "rust,ignore").iter().zip(["embed", "session"]) {
        let example = format!("examples/{example}.rs");
        let found = std::fs::read_to_string(root().join(&example)).unwrap();
        assert!(found.contains(fragment), "docs/embedding.md shows what {example} is not any more");
    }
}

/// Every program of the documents passes `check`, and every command names a subcommand and flags that there are.
#[test]
fn programs_and_commands_of_the_documents_are_right() {
    let folder = clone();
    let (mut programs, mut commands) = (0, 0);
    for path in documents().into_iter().filter(|path| !path.ends_with("cookbook.md") && !path.ends_with("CHANGELOG.md"))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        for program in
            blocks(&text, "sql").into_iter().filter(|text| text.starts_with("CREATE") && !text.contains("..."))
        {
            if program.contains("'connector' = 'kafka'") && cfg!(not(feature = "kafka")) {
                continue;
            }
            std::fs::write(folder.path().join("program.sql"), program).unwrap();
            let (fine, said) = run(folder.path(), &["check", "program.sql"]);
            assert!(fine, "{}: {said}\n{program}", path.display());
            programs += 1;
        }
        for line in blocks(&text, "sh").into_iter().flat_map(str::lines) {
            let line = line.split(" #").next().unwrap().trim();
            let Some(command) = line.strip_prefix("cargo run --release -- ").or(line.strip_prefix("highwater ")) else {
                continue;
            };
            let mut words = command.split_whitespace();
            let subcommand = words.next().unwrap();
            let (fine, help) = run(folder.path(), &[subcommand, "--help"]);
            assert!(fine, "{}: {line}: {help}", path.display());
            for flag in words.filter(|word| word.starts_with('-') && *word != "-") {
                let flag = flag.split('=').next().unwrap();
                let named = help.split(|c: char| c.is_whitespace() || ",[]".contains(c)).any(|word| word == flag);
                assert!(named, "{}: {line}: {subcommand} has no {flag}", path.display());
            }
            commands += 1;
        }
    }
    assert!(programs >= 2 && commands >= 10, "{programs} programs, {commands} commands");
}

/// A process that ends with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that goes on until it is stopped: it has said something on its standard output or error, and has not ended.
fn goes_on(folder: &Path, arguments: &[&str]) -> Running {
    let said = std::fs::File::create(folder.join("said")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.args(arguments).current_dir(folder).stdout(said.try_clone().unwrap()).stderr(said);
    let mut running = Running(command.spawn().unwrap());
    for _ in 0..600 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let said = std::fs::read_to_string(folder.join("said")).unwrap();
        assert!(running.0.try_wait().unwrap().is_none(), "{arguments:?} has ended: {said}");
        if said.contains("serving http") || arguments[0] != "run" && !said.trim().is_empty() {
            return running;
        }
    }
    panic!("{arguments:?} says nothing");
}

/// The README's first command and the quick start, as they stand there but for the port.
#[test]
fn the_five_minutes_go_as_they_say() {
    if !Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success()) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the quick start is not tested: install curl");
        eprintln!("skipped: install curl");
        return;
    }
    let folder = clone();
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let first = blocks(&readme, "sh")[0].trim().strip_prefix("cargo run --release -- ").unwrap();
    let listen = format!("127.0.0.1:{}", port());
    let words: Vec<&str> = first.split_whitespace().chain(["--listen", &listen]).collect();
    drop(goes_on(folder.path(), &words));

    let text = std::fs::read_to_string(root().join("docs/quickstart.md")).unwrap();
    let here = format!("127.0.0.1:{}", port());
    let (mut server, mut answers) = (None, Vec::new());
    for block in blocks(&text, "sh").into_iter().skip(1) {
        for command in block.replace("\\\n", " ").replace("127.0.0.1:8080", &here).lines() {
            let words: Vec<&str> = command.split_whitespace().collect();
            match words[..] {
                ["highwater", "run", ..] => {
                    let words: Vec<&str> = words[1..].iter().copied().chain(["--listen", &here]).collect();
                    server = Some(goes_on(folder.path(), &words));
                }
                ["highwater", "tail" | "generate", ..] => drop(goes_on(folder.path(), &words[1..])),
                ["highwater", ..] => {
                    let (fine, said) = run(folder.path(), &words[1..]);
                    assert!(fine, "{command}: {said}");
                }
                ["curl", ..] => {
                    // A reader does not type as fast as that.
                    std::thread::sleep(std::time::Duration::from_millis(1500));
                    let output = Command::new("sh").args(["-c", &format!("{command} -sS")]).output().unwrap();
                    let said = String::from_utf8(output.stdout).unwrap();
                    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
                    answers.push(said);
                }
                _ => panic!("{command}: nobody runs this"),
            }
        }
    }
    assert!(server.is_some() && answers.len() == 4, "{answers:?}");
    assert!(answers[0].contains(r#""accepted":2"#), "{answers:?}");
    assert!(answers[1].matches(r#""_status":"open""#).count() == 2, "{answers:?}");
    assert!(answers[3].matches(r#""_status":"final""#).count() == 2, "{answers:?}");
}
