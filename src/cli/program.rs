//! The SQL files of a command: read and planned, or refused with every error at its place.

use std::path::{Path, PathBuf};

use super::Outcome;
use highwater_core::counted::counted;
use highwater_core::options::Outputs;
use highwater_core::plan::overwritten;
use highwater_sql::{Catalog, Compiled, compile};

/// Reads the files: each by its name and its text.
pub(super) fn texts(files: &[PathBuf]) -> Result<Vec<(String, String)>, Outcome> {
    let text = |path: &PathBuf| match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.display().to_string(), text)),
        Err(error) => Err(Outcome::usage(format!("{}: {error}", path.display()))),
    };
    files.iter().map(text).collect()
}

/// Reads and plans the files, one after the other as one program.
pub(super) fn read(files: &[PathBuf]) -> Result<Compiled, Outcome> {
    plan(&texts(files)?)
}

/// Plans texts of files, by their names, as one program.
pub(super) fn plan(texts: &[(String, String)]) -> Result<Compiled, Outcome> {
    let compiled = compile(texts, &Catalog::new()).map_err(|errors| {
        let shown = errors.iter().map(|error| format!("{error}\n\n")).collect::<String>();
        let count = counted(errors.len(), "error");
        Outcome::Usage(format!("{shown}{count}\n"))
    })?;
    let clash = texts.iter().find_map(|(file, _)| overwritten(&compiled.dataflow, "the program", Path::new(file)));
    clash.map_or(Ok(compiled), |clash| Err(Outcome::usage(clash)))
}

/// Whether a file that is written is one of the program's.
pub(super) fn holds(files: &[PathBuf], written: &Path) -> bool {
    let written = Outputs::File(written.to_owned());
    files.iter().any(|file| written.clashes(&Outputs::File(file.clone())))
}
