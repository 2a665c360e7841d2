//! The tables of the README and of `docs/` are the registries' own words. `HIGHWATER_BLESS=1 cargo test --test readme` writes them anew.

use std::fmt::Write;

use highwater::aggregate::AGGREGATES;
use highwater::metrics::{Kind, METRICS};
use highwater::options::OptionSpec;
use highwater::serve::{LIMITS, REFUSALS};
use highwater::sink::SINKS;
use highwater::source::{CONNECTORS, SOURCE_OPTIONS};

/// What tables stand in which file.
const FILES: &[(&str, &[&str])] = &[
    ("README.md", &["limits", "aggregates", "sources", "source options", "sinks"]),
    ("docs/operations.md", &["metrics", "refusals"]),
];

/// A table's place in its file (between `<!-- name -->` and `<!-- /name -->`) and its text.
fn tables() -> [(&'static str, String); 7] {
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
    let mut options = "| option of every source | meaning |\n| --- | --- |\n".to_owned();
    for option in SOURCE_OPTIONS {
        row(&mut options, &[&format!("`{}`", option.name), option.help]);
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
    [
        ("metrics", metrics),
        ("refusals", refusals),
        ("limits", limits),
        ("aggregates", aggregates),
        ("sources", sources),
        ("source options", options),
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
