//! The head of a segment, its first page, and its name. It is written and synced before the file gets its name, so a file of
//! that name without a whole head is damaged, never torn.

use crc32fast::Hasher;

use crate::Lsn;
use crate::block::{PAGE, read_u32, read_u64, u128_at};
use crate::disk::{Disk, DiskFile};
use crate::error::{Damage, Error, io_error};

/// The format of segments and the tip.
pub(crate) const VERSION: u32 = 1;
/// The segment that is prepared.
pub(crate) const SPARE: &str = "spare";

const MAGIC: &[u8; 4] = b"HWLS";

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) lineage: u128,
    /// The how-manieth opening of the log wrote it.
    pub(crate) incarnation: u64,
    /// The number of its first frame.
    pub(crate) first: u64,
    /// The checksum of the last block before it.
    pub(crate) previous: u32,
    /// When it was begun.
    pub(crate) created_ms: i64,
}

impl SegmentHead {
    pub(crate) fn page(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        page[..4].copy_from_slice(MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&self.previous.to_le_bytes());
        page[16..32].copy_from_slice(&self.lineage.to_le_bytes());
        page[32..40].copy_from_slice(&self.incarnation.to_le_bytes());
        page[40..48].copy_from_slice(&self.first.to_le_bytes());
        page[48..56].copy_from_slice(&self.created_ms.to_le_bytes());
        let crc = checksum(&page);
        page[4..8].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads the head of the segment that `file`, called `name`, is.
    pub(crate) fn read(file: &dyn DiskFile, name: &str) -> Result<SegmentHead, Error> {
        let mut page = vec![0; PAGE];
        let read = file.read_at(&mut page, 0).map_err(io_error("reading", name))?;
        let first = first_of(name).unwrap_or_default();
        let damaged = |why: &str| {
            Error::Damaged(Damage { file: name.to_owned(), offset: 0, lsn: Lsn(first), why: why.to_owned() })
        };
        let whole = read == PAGE && page.starts_with(MAGIC) && read_u32(&page, 4) == Some(checksum(&page));
        if !whole {
            return Err(damaged("the head of the segment is damaged"));
        }
        let head = || {
            let version = read_u32(&page, 8)?;
            let head = SegmentHead {
                previous: read_u32(&page, 12)?,
                lineage: u128_at(&page, 16)?,
                incarnation: read_u64(&page, 32)?,
                first: read_u64(&page, 40)?,
                created_ms: read_u64(&page, 48)?.cast_signed(),
            };
            Some((version, head))
        };
        match head() {
            Some((VERSION, head)) if head.first == first => Ok(head),
            Some((VERSION, head)) => {
                Err(damaged(&format!("the segment begins with frame {}, its name says {first}", head.first)))
            }
            Some((found, _)) => Err(Error::Version { file: name.to_owned(), found, known: VERSION }),
            None => Err(damaged("the head of the segment is damaged")),
        }
    }
}

fn checksum(page: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&page[8..]);
    hasher.finalize()
}

/// The name of the segment that begins with a frame.
pub(crate) fn name_of(first: u64) -> String {
    format!("{first:020}.log")
}

/// The first frame of a segment, by its name.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".log")?;
    (number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| number.parse().ok())?
}

/// The first frames of the segments that are there, in order.
pub(crate) fn segments(disk: &dyn Disk) -> Result<Vec<u64>, Error> {
    let names = disk.list().map_err(io_error("listing", "the folder of the log"))?;
    let mut segments: Vec<u64> = names.iter().filter_map(|name| first_of(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}
