//! The ids of stream events: where a reader of some views is, so that `Last-Event-ID` takes up exactly there.
//!
//! `TAG:PLACE,PLACE,...~CHECK`, one place a view in the order of the request, or one for all if they are equal. A place is
//! `EPOCH`, or `EPOCH/EPOCH` (with `*` for merged changes) between a change and the closing of rows that goes with it. An
//! epoch is `WATERMARK.TICK` in hexadecimal. `TAG:-` is "nothing whole yet". The tag is that of the request in this run of the
//! server: ids of another view, of other options, of another run mean nothing.
//! The check is of all before it: an id that lost its end on its way is none, and not an older place.

use highwater_core::time::Epoch;
use highwater_core::view::Place;

/// The id of a reader's places.
pub(super) fn write(tag: u64, places: &[Place]) -> String {
    let parts: Vec<String> = match places {
        [first, rest @ ..] if rest.iter().all(|place| place == first) => vec![place(first)],
        places => places.iter().map(place).collect(),
    };
    let id = format!("{tag:x}:{}", parts.join(","));
    format!("{id}~{}", check(&id))
}

/// Four digits of all letters of an id.
fn check(id: &str) -> String {
    // FNV-1a, both halves of it.
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{:04x}", (hash >> 16) ^ (hash & 0xffff))
}

/// The id of a reader that has nothing whole yet.
pub(super) fn nothing(tag: u64) -> String {
    format!("{tag:x}:-")
}

/// The places of `views` views; `None` if the id has another tag, or is no such id.
pub(super) fn read(tag: u64, views: usize, id: &str) -> Option<Vec<Place>> {
    let (id, told) = id.rsplit_once('~')?;
    if told != check(id) {
        return None;
    }
    let places = id.strip_prefix(&format!("{tag:x}:"))?;
    let places = places.split(',').map(read_place).collect::<Option<Vec<_>>>()?;
    match places.as_slice() {
        [one] => Some(vec![*one; views]),
        places => (places.len() == views).then(|| places.to_vec()),
    }
}

fn place(place: &Place) -> String {
    let Place { closed, next, merged } = *place;
    match closed == next {
        true => epoch(closed),
        false => format!("{}/{}{}", epoch(closed), epoch(next), if merged { "*" } else { "" }),
    }
}

fn read_place(text: &str) -> Option<Place> {
    let Some((closed, next)) = text.split_once('/') else { return Some(read_epoch(text)?.into()) };
    let (next, merged) = next.strip_suffix('*').map_or((next, false), |next| (next, true));
    let (closed, next) = (read_epoch(closed)?, read_epoch(next)?);
    (closed <= next).then_some(Place { closed, next, merged })
}

fn epoch(epoch: Epoch) -> String {
    format!("{:x}.{:x}", epoch.watermark, epoch.tick)
}

fn read_epoch(text: &str) -> Option<Epoch> {
    let (watermark, tick) = text.split_once('.')?;
    let watermark = u64::from_str_radix(watermark, 16).ok()? as i64;
    Some(Epoch { watermark, tick: u64::from_str_radix(tick, 16).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_written() {
        let epochs = [Epoch::MIN, Epoch { watermark: -1, tick: 7 }, Epoch::at(1_700_000_000_000), Epoch::END];
        let mut places: Vec<Place> = epochs.into_iter().map(Place::from).collect();
        places.push(Place { closed: epochs[1], next: epochs[2], merged: true });
        places.push(Place { closed: epochs[1], next: epochs[2], merged: false });
        assert_eq!(read(5, places.len(), &write(5, &places)), Some(places.clone()));
        for place in places {
            let id = write(255, &[place; 3]);
            assert_eq!(read(255, 3, &id), Some(vec![place; 3]), "{id}");
            assert_eq!(read(254, 3, &id), None);
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        for id in ["", "5:", "5:-", "5:1", "5:1.2/0.1", "5:x.y", "5:1.1,1.2,1.3", "5:1.1;"] {
            assert_eq!(read(5, 2, id), None, "{id}");
            assert_eq!(read(5, 2, &format!("{id}~{}", check(id))), None, "{id}");
        }
    }

    #[test]
    fn an_id_that_is_cut_or_has_another_letter_is_none() {
        let places = [Epoch { watermark: 1_700_000_000_000, tick: 0x1234 }, Epoch::END].map(Place::from);
        let id = write(0xabc, &places);
        for end in 0..id.len() {
            assert_eq!(read(0xabc, 2, &id[..end]), None, "{}", &id[..end]);
            for other in ["0", "7", "f", ".", ","].into_iter().filter(|&other| other != &id[end..=end]) {
                let id = format!("{}{other}{}", &id[..end], &id[end + 1..]);
                assert_eq!(read(0xabc, 2, &id), None, "{id}");
            }
        }
        assert_eq!(read(0xabc, 2, &format!("{id}0")), None);
        assert_eq!(read(0xabc, 2, &id), Some(places.to_vec()));
    }
}
