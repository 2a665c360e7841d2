//! How many files and connections the process may have open: as many as it may ask for.

/// More are of no use, and cost a kernel that has them all at hand.
const ENOUGH: u64 = 1 << 20;

/// Raises the soft limit to the hard one; a program that is run from a shell often begins with 1024.
pub(super) fn raise() {
    match rlimit::increase_nofile_limit(ENOUGH) {
        Ok(files) => tracing::debug!("open files: up to {files}"),
        Err(error) => tracing::warn!("open files: the limit stays as it is: {error}"),
    }
}
