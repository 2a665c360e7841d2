//! What a format promises: text is decoded the same however it is cut at records, records are told apart as they were decoded, what is
//! damaged is a fault and never a panic, and what is written is read again.

#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::{
    Beginning, BlockDecoding, Decoding, Format, FormatError, Input, Layout, Mark, Part, ReadAt, Spot, TextDecoding,
    row_as_json,
};
use crate::options::Options;

/// Holds a format to its promises, over an input that it reads, which has some records of those columns.
///
/// # Errors
/// The format does not read such columns, or not with such options.
///
/// # Panics
/// It does not keep one of them.
pub fn check(format: &dyn Format, layout: &Layout, options: &Options, sample: &[u8]) -> Result<(), FormatError> {
    let decoding = format.decoding(layout, options)?;
    let rows = match &decoding {
        Decoding::Text(text) => {
            let rows = cut_anywhere(text.as_ref(), sample);
            damaged(sample, |bytes| text.begin(bytes, true).map(|beginning| decoded(&beginning.unwrap(), bytes)));
            rows
        }
        Decoding::Blocks(blocks) => {
            let rows = read_on_from_every_spot(blocks.as_ref(), sample);
            damaged(sample, |bytes| blocks_of(blocks.as_ref(), bytes, Spot::default()));
            rows
        }
    };
    assert!(rows.iter().any(|batch| batch.num_rows() > 0), "{}: there are no rows in the sample", format.name());
    let Ok(mut encoder) = format.encoder(&layout.wanted, options) else { return Ok(()) };
    let mut written = Vec::new();
    rows.iter().for_each(|batch| encoder.encode(batch, &mut written).unwrap());
    encoder.finish(&mut written).unwrap();
    let again = match &decoding {
        Decoding::Text(text) => vec![decoded(&text.begin(&written, true).unwrap().unwrap(), &written).batch],
        Decoding::Blocks(blocks) => read_on_from_every_spot(blocks.as_ref(), &written),
    };
    assert_eq!(shown(&again), shown(&rows), "{}: what is written is read again", format.name());
    Ok(())
}

fn shown(batches: &[RecordBatch]) -> Vec<String> {
    let row = |batch: &RecordBatch, row| row_as_json(batch.schema_ref(), batch.columns(), row);
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| row(batch, at))).collect()
}

/// All records behind what the input begins with.
fn decoded(beginning: &Beginning, bytes: &[u8]) -> Part {
    let mut text = bytes[beginning.skip.min(bytes.len())..].to_vec();
    if !text.is_empty() && text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    beginning.records.decoder().decode(&text)
}

/// Rows and faults, each with the number of its record.
type Told = (Vec<(u64, String)>, Vec<(u64, &'static str)>);

fn told(part: &Part, before: u64) -> Told {
    let number = |row: usize| part.numbers.as_ref().map_or(row as u64, |numbers| numbers[row]);
    let rows = shown(std::slice::from_ref(&part.batch)).into_iter().enumerate();
    let faults = part.faults.iter().map(|fault| (before + fault.record, fault.reason));
    (rows.map(|(at, row)| (before + number(at), row)).collect(), faults.collect())
}

/// Text is decoded the same however it is cut; records are those that a mark steps over.
fn cut_anywhere(text: &dyn TextDecoding, sample: &[u8]) -> Vec<RecordBatch> {
    let beginning = text.begin(sample, true).unwrap().unwrap_or_else(|| panic!("there is no more to ask for"));
    let mut input = sample[beginning.skip..].to_vec();
    if input.last() != Some(&b'\n') {
        input.push(b'\n');
    }
    let whole = beginning.records.decoder().decode(&input);
    let numbers =
        told(&whole, 0).0.into_iter().map(|(number, _)| number).chain(whole.faults.iter().map(|fault| fault.record));
    assert!(numbers.into_iter().all(|number| number < whole.records), "a record has a number below how many there are");
    for most in [1, 7, 64, 1000] {
        let (mut at, mut before, mut found) = (0, 0, (Vec::new(), Vec::new()));
        let mut decoder = beginning.records.decoder();
        while at < input.len() {
            let mut end = (at + most).min(input.len());
            let length = loop {
                match beginning.records.cut(&input[at..end]) {
                    0 if end == input.len() => break end - at,
                    0 => end = (end + most).min(input.len()),
                    length => break length,
                }
            };
            let part = decoder.decode(&input[at..at + length]);
            let (rows, faults) = told(&part, before);
            found.0.extend(rows);
            found.1.extend(faults);
            (at, before) = (at + length, before + part.records);
        }
        assert_eq!(found, told(&whole, 0), "cut every {most} bytes");
        assert_eq!(before, whole.records, "cut every {most} bytes");
    }
    let mut mark = Mark::default();
    let mut last = None;
    while mark.at < input.len() {
        let from = mark.at;
        let (number, place) = beginning.records.step(&input, &mut mark);
        assert!(mark.at > from && place.end <= input.len(), "a step goes over a record");
        assert!(last.is_none_or(|last| number > last) || mark.at >= input.len(), "records are numbered in their order");
        last = Some(number);
    }
    vec![whole.batch]
}

/// A file that is whole, in memory.
struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let rest = usize::try_from(position).ok().and_then(|position| self.0.get(position..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// The parts from a spot on, each with the spot behind it.
fn blocks_of(blocks: &dyn BlockDecoding, bytes: &[u8], from: Spot) -> Result<Vec<(Part, Spot)>, String> {
    blocks.open(Input::File(Arc::new(Bytes(bytes.to_vec()))), from)?.collect()
}

/// Read again from the spot behind any part, what followed comes.
fn read_on_from_every_spot(blocks: &dyn BlockDecoding, sample: &[u8]) -> Vec<RecordBatch> {
    let read = |from| blocks_of(blocks, sample, from).unwrap_or_else(|error| panic!("it cannot be read: {error}"));
    let whole = read(Spot::default());
    let batches = |parts: &[(Part, Spot)]| parts.iter().map(|(part, _)| part.batch.clone()).collect::<Vec<_>>();
    for (at, (_, spot)) in whole.iter().enumerate() {
        assert_eq!(shown(&batches(&read(*spot))), shown(&batches(&whole[at + 1..])), "read on from part {at}");
    }
    batches(&whole)
}

/// What is damaged may be refused, and does not end the run.
fn damaged<T>(sample: &[u8], read: impl Fn(&[u8]) -> Result<T, String>) {
    let mut seed = 1_u64;
    let mut below = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit.max(1)
    };
    // Large samples fewer times.
    for round in 0..(1_500_000 / sample.len().max(1)).clamp(9, 300) {
        let mut bytes = sample.to_vec();
        match round % 3 {
            0 => bytes.truncate(below(sample.len())),
            1 => (0..3).for_each(|_| {
                let at = below(sample.len());
                bytes[at] = below(256) as u8;
            }),
            _ => drop(bytes.drain(below(sample.len())..)),
        }
        // Text comes as UTF-8.
        let bytes =
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let _ = read(bytes.as_bytes());
    }
}

/// A layout of all these columns, with the options of a source.
///
/// # Errors
/// An option is wrong.
pub fn layout(columns: &arrow_schema::SchemaRef, options: &Options) -> Result<Layout, FormatError> {
    Layout::new(&Arc::clone(columns), &(0..columns.fields().len()).collect::<Vec<_>>(), options)
}
