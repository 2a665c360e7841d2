//! Every program in `dataflows/` plans; those that are shown around plan without a warning, but for those whose answer is of
//! every user or page there ever was.

use std::path::{Path, PathBuf};

use highwater::sql::{Catalog, plan};
use highwater_core::plan::check;

/// Programs that keep something of each user or page for ever, as what they ask for wants; `check` says so.
const GROWING: &[&str] = &["spikes.sql", "top.sql"];

fn programs(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            programs(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            into.push(path);
        }
    }
}

#[test]
fn every_program_plans() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    programs(&root.join("dataflows"), &mut files);
    assert!(files.len() >= 12, "the programs are where they should be: {files:?}");
    let mut errors = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a program");
        match plan(&[(file.display().to_string(), text)], &Catalog::new()) {
            Ok(dataflow) => {
                assert!(!dataflow.views.is_empty() || !dataflow.sinks.is_empty(), "{file:?} shows nothing");
                let story = file.parent().is_some_and(|folder| folder.ends_with("dataflows"));
                let growing = GROWING.iter().any(|name| file.ends_with(name));
                assert!(!story || check(&dataflow).is_empty() != growing, "{file:?}: {:?}", check(&dataflow));
            }
            Err(refused) => errors.extend(refused.iter().map(ToString::to_string)),
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n\n"));
}
