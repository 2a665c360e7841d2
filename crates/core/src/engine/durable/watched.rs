//! The folder of a data directory, and what lies in it and how long it takes to sync as the log goes by.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use highwater_log::{Disk, DiskFile};
use prometheus_client::metrics::histogram::Histogram;

use crate::time::Clock;

/// What the names of segments end with.
const SEGMENT: &str = ".log";

/// The files of the folder, and how often and for how long they were synced.
#[derive(Debug)]
pub(super) struct Files {
    bytes: Mutex<BTreeMap<String, u64>>,
    seconds: Histogram,
    syncs: AtomicU64,
    micros: AtomicU64,
    begun: Mutex<Begun>,
    more: Condvar,
}

/// Segments that were begun.
#[derive(Debug, Default)]
struct Begun {
    count: usize,
    closed: bool,
}

impl Files {
    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many segments were begun.
    pub(super) fn segments_begun(&self) -> usize {
        self.begun().count
    }

    /// Waits until more than `seen` segments were begun, and answers how many; `None` once nothing more is written.
    pub(super) fn next_segment(&self, seen: usize) -> Option<usize> {
        let waits = |begun: &mut Begun| begun.count <= seen && !begun.closed;
        let begun = self.more.wait_while(self.begun(), waits).unwrap_or_else(PoisonError::into_inner);
        (!begun.closed).then_some(begun.count)
    }

    /// Nothing more is written.
    pub(super) fn close(&self) {
        self.begun().closed = true;
        self.more.notify_all();
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Segments, and bytes of all files.
    pub(super) fn held(&self) -> (usize, u64) {
        let files = self.files();
        (files.keys().filter(|name| name.ends_with(SEGMENT)).count(), files.values().sum())
    }

    /// How often a file was synced, and for how many seconds together.
    pub(super) fn syncs(&self) -> (u64, f64) {
        (self.syncs.load(Ordering::Relaxed), self.micros.load(Ordering::Relaxed) as f64 / 1e6)
    }
}

/// See the module.
pub(super) struct Watched {
    disk: Arc<dyn Disk>,
    files: Arc<Files>,
}

impl Watched {
    /// Watches a folder from now on; syncs of its files go to `seconds`.
    pub(super) fn over(disk: Arc<dyn Disk>, seconds: Histogram) -> (Arc<dyn Disk>, Arc<Files>) {
        let names = disk.list().unwrap_or_default();
        let length = |name: String| Some((disk.open(&name).ok()?.length().ok()?, name));
        let bytes = names.into_iter().filter_map(length).map(|(bytes, name)| (name, bytes)).collect();
        let (syncs, micros) = (AtomicU64::new(0), AtomicU64::new(0));
        let (begun, more) = (Mutex::default(), Condvar::new());
        let files = Arc::new(Files { bytes: Mutex::new(bytes), seconds, syncs, micros, begun, more });
        (Arc::new(Watched { disk, files: files.clone() }), files)
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(WatchedFile { file, files: self.files.clone() })
    }
}

impl Disk for Watched {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = self.disk.create(name, bytes)?;
        self.files.files().insert(name.to_owned(), bytes);
        Ok(self.file(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.disk.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)?;
        let mut files = self.files.files();
        let bytes = files.remove(from).unwrap_or(0);
        files.insert(to.to_owned(), bytes);
        drop(files);
        if to.ends_with(SEGMENT) {
            self.files.begun().count += 1;
            self.files.more.notify_all();
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)?;
        self.files.files().remove(name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }
}

struct WatchedFile {
    file: Box<dyn DiskFile>,
    files: Arc<Files>,
}

impl DiskFile for WatchedFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn write_through(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_through(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let clock = Clock::start();
        let synced = self.file.sync();
        let took = clock.elapsed();
        self.files.seconds.observe(took.as_secs_f64());
        self.files.syncs.fetch_add(1, Ordering::Relaxed);
        self.files.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        synced
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use highwater_log::Folder;

    #[test]
    fn files_are_counted_as_they_come_and_go() {
        let (folder, metrics) = (tempfile::tempdir().unwrap(), Metrics::new());
        let (disk, files) = Watched::over(Folder::lock(folder.path()).unwrap(), metrics.log_sync_seconds.clone());
        let lock = files.held().1;
        disk.create("spare", 8192).unwrap().sync().unwrap();
        assert_eq!((files.held(), files.syncs().0, files.segments_begun()), ((0, lock + 8192), 1, 0));
        disk.rename("spare", "00000000000000000000.log").unwrap();
        // As the tip is written again and again.
        for _ in 0..3 {
            disk.create("tip.new", 100).unwrap();
            disk.rename("tip.new", "tip").unwrap();
        }
        assert_eq!((files.held(), files.next_segment(0)), ((1, lock + 8292), Some(1)));
        let again = Watched::over(Folder::read_only(folder.path()), metrics.log_sync_seconds.clone()).1;
        assert_eq!(again.held().0, 1);
        disk.remove("00000000000000000000.log").unwrap();
        assert_eq!(files.held(), (0, lock + 100));
        files.close();
        assert_eq!(files.next_segment(0), None);
        assert!(metrics.encode().contains("highwater_log_sync_seconds_count 1"));
    }
}
