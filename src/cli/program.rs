//! The SQL files of a command: read and planned, or refused with every error at its place.

use std::path::PathBuf;

use super::Outcome;
use crate::sql::{Catalog, Compiled, compile};

/// Reads and plans the files, one after the other as one program.
pub(super) fn read(files: &[PathBuf]) -> Result<Compiled, Outcome> {
    let text = |path: &PathBuf| match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.display().to_string(), text)),
        Err(error) => Err(Outcome::usage(format!("{}: {error}", path.display()))),
    };
    let texts = files.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    compile(&texts, &Catalog::new()).map_err(|errors| {
        let shown = errors.iter().map(|error| format!("{error}\n\n")).collect::<String>();
        let count = if errors.len() == 1 { "1 error".to_owned() } else { format!("{} errors", errors.len()) };
        Outcome::Usage(format!("{shown}{count}\n"))
    })
}
