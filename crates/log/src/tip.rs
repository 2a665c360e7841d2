//! The tip: a small file that says how far the log is durable at least, and whether it was ended in order. It is replaced as
//! a whole. A log that ends before its tip has lost something and is refused.

use crc32fast::Hasher;

use crate::Lsn;
use crate::block::{read_u32, read_u64, u128_at};
use crate::disk::Disk;
use crate::error::{Damage, Error, io_error};
use crate::segment::VERSION;

/// Its name.
pub(crate) const TIP: &str = "tip";
const NEW: &str = "tip.new";
const MAGIC: &[u8; 4] = b"HWLT";
const LENGTH: usize = 48;

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) lineage: u128,
    /// How often the log was opened.
    pub(crate) incarnation: u64,
    /// All frames before this one are durable.
    pub(crate) durable: u64,
    /// The log was closed, and this is its end.
    pub(crate) clean: bool,
}

/// Why a tip was not written.
pub(crate) enum NotWritten {
    /// For lack of room, or before anything was changed.
    Before(std::io::Error),
    /// By a sync.
    Sync(Error),
}

impl Tip {
    fn bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&u32::from(self.clean).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.lineage.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.durable.to_le_bytes());
        let crc = checksum(&bytes);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Replaces the tip; it is durable when this returns.
    pub(crate) fn write(&self, disk: &dyn Disk) -> Result<(), NotWritten> {
        let file = disk.create(NEW, 0).map_err(NotWritten::Before)?;
        file.write_at(&self.bytes(), 0).map_err(NotWritten::Before)?;
        file.sync().map_err(|error| NotWritten::Sync(io_error("syncing", NEW)(error)))?;
        disk.rename(NEW, TIP).map_err(NotWritten::Before)?;
        disk.sync().map_err(|error| NotWritten::Sync(io_error("syncing", "the folder of the log")(error)))
    }

    /// The tip, if there is one.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Tip>, Error> {
        let file = match disk.open(TIP) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("opening", TIP)(error)),
        };
        let mut bytes = [0; LENGTH];
        let read = file.read_at(&mut bytes, 0).map_err(io_error("reading", TIP))?;
        let whole = read == LENGTH && bytes.starts_with(MAGIC) && read_u32(&bytes, 4) == Some(checksum(&bytes));
        let fields = || {
            let tip = Tip {
                clean: read_u32(&bytes, 12)? == 1,
                lineage: u128_at(&bytes, 16)?,
                incarnation: read_u64(&bytes, 32)?,
                durable: read_u64(&bytes, 40)?,
            };
            Some((read_u32(&bytes, 8)?, tip))
        };
        match fields().filter(|_| whole) {
            Some((VERSION, tip)) => Ok(Some(tip)),
            Some((found, _)) => Err(Error::Version { file: TIP.to_owned(), found, known: VERSION }),
            None => Err(Error::Damaged(Damage {
                file: TIP.to_owned(),
                offset: 0,
                lsn: Lsn(0),
                why: "the tip is damaged, so it is not known how far the log was durable".to_owned(),
            })),
        }
    }
}

impl NotWritten {
    /// As an error, whatever the reason.
    pub(crate) fn error(self) -> Error {
        match self {
            NotWritten::Before(error) => io_error("writing", TIP)(error),
            NotWritten::Sync(error) => error,
        }
    }
}

fn checksum(bytes: &[u8; LENGTH]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&bytes[8..]);
    hasher.finalize()
}
