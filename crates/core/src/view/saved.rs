//! What a view's store keeps, saved between two epochs and taken in again: its rows with their versions and closing times, the ring of
//! its last changes, what it has counted. Rows are saved as columns; their encoding is made again.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int64Builder, UInt8Builder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field};

use super::changes::{EpochChanges, Status};
use super::rows::Kept;
use super::{Ordering, View};
use crate::delta::{Delta, Unfit, relabel};
use crate::operator::{Saving, Section};
use crate::time::Epoch;

/// The places of the sections.
const COUNTED: usize = 0;
const ROWS: usize = 1;
const RING: usize = 2;

fn own(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

impl View {
    /// The sections: what was counted, the rows, the ring. They are all of the one worker that writes it.
    pub(crate) fn sections(&self) -> Vec<Section> {
        let with = |own: Vec<Field>| {
            let shown = self.codec.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
            shown.chain(own).collect::<Vec<_>>()
        };
        let gone = |name| Field::new(name, DataType::Int64, true);
        let counted = vec![own("evicted", DataType::UInt64), own("serial", DataType::UInt64)];
        let counted = counted.into_iter().chain([gone("gone_watermark"), gone("gone_tick")]).collect();
        let rows = vec![
            own("__count", DataType::Int64),
            own("__version", DataType::UInt64),
            own("__amended", DataType::Boolean),
            own("__closes", DataType::Int64),
            own("__serial", DataType::UInt64),
        ];
        let ring = vec![
            own("__watermark", DataType::Int64),
            own("__tick", DataType::UInt64),
            own("__diff", DataType::Int64),
            own("__version", DataType::UInt64),
            own("__status", DataType::UInt8),
            own("__closes", DataType::Int64),
        ];
        vec![
            Section::new("counted", 1, counted, Vec::new()),
            Section::new("rows", 1, with(rows), Vec::new()),
            Section::new("ring", 1, with(ring), Vec::new()),
        ]
    }

    /// All that it keeps.
    pub(crate) fn save(&self) -> Saving {
        let (mut saving, sections, content) = (Saving::default(), self.sections(), self.read());
        let (rows, ring, [evicted, serial]) = content.kept();
        let gone = ring.gone();
        let counted: Vec<ArrayRef> = vec![
            Arc::new(arrow_array::UInt64Array::from(vec![evicted])),
            Arc::new(arrow_array::UInt64Array::from(vec![serial])),
            Arc::new(arrow_array::Int64Array::from(vec![gone.map(|gone| gone.watermark)])),
            Arc::new(arrow_array::Int64Array::from(vec![gone.map(|gone| gone.tick.cast_signed())])),
        ];
        saving.add((COUNTED, &sections[COUNTED]), counted, 1);
        let rows: Vec<(&[u8], &Kept)> = rows.collect();
        for piece in rows.chunks(Saving::PIECE) {
            let (mut counts, mut versions, mut amended) =
                (Int64Builder::new(), UInt64Builder::new(), BooleanBuilder::new());
            let (mut closes, mut serials) = (Int64Builder::new(), UInt64Builder::new());
            for (_, kept) in piece {
                counts.append_value(kept.count);
                versions.append_value(kept.version);
                amended.append_value(kept.amended);
                closes.append_value(kept.closes);
                serials.append_value(kept.serial);
            }
            let own: [ArrayRef; 5] = [
                Arc::new(counts.finish()),
                Arc::new(versions.finish()),
                Arc::new(amended.finish()),
                Arc::new(closes.finish()),
                Arc::new(serials.finish()),
            ];
            let shown = self.codec.decode(piece.iter().map(|(bytes, _)| *bytes));
            saving.add((ROWS, &sections[ROWS]), shown.columns().iter().cloned().chain(own).collect(), piece.len());
        }
        for changes in ring.epochs() {
            let count = changes.len();
            let diffs: Vec<i64> = (0..count).map(|row| changes.delta.diff(row)).collect();
            let status = |status: &Status| Status::ALL.iter().position(|known| known == status).unwrap_or(0) as u8;
            let mut statuses = UInt8Builder::new();
            changes.statuses.iter().for_each(|known| statuses.append_value(status(known)));
            let own: [ArrayRef; 6] = [
                Arc::new(arrow_array::Int64Array::from_value(changes.epoch.watermark, count)),
                Arc::new(arrow_array::UInt64Array::from_value(changes.epoch.tick, count)),
                Arc::new(arrow_array::Int64Array::from(diffs)),
                Arc::new(arrow_array::UInt64Array::from(changes.versions.clone())),
                Arc::new(statuses.finish()),
                Arc::new(arrow_array::Int64Array::from(changes.closes.clone())),
            ];
            let shown = self.codec.decode(changes.rows.iter().map(AsRef::as_ref));
            saving.add((RING, &sections[RING]), shown.columns().iter().cloned().chain(own).collect(), count);
        }
        saving
    }

    /// Takes saved rows of a section in, in the order in which they were handed out.
    pub(crate) fn take(&self, section: usize, saved: &RecordBatch) -> Result<(), Unfit> {
        let width = self.codec.schema().fields().len();
        let numbers = |at: usize| saved.column(at).as_primitive::<Int64Type>();
        let counts = |at: usize| saved.column(at).as_primitive::<UInt64Type>();
        let mut content = self.write();
        if section == COUNTED {
            for row in 0..saved.num_rows() {
                content.counted([counts(0).value(row), counts(1).value(row)]);
                let gone = numbers(2)
                    .is_valid(row)
                    .then(|| Epoch { watermark: numbers(2).value(row), tick: numbers(3).value(row).cast_unsigned() });
                content.ring_mut().made_room(gone);
            }
            return Ok(());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(saved.num_rows()));
        let shown =
            RecordBatch::try_new_with_options(self.codec.schema().clone(), saved.columns()[..width].to_vec(), &options);
        let shown = shown.map_err(|_| Unfit::Value("a column of a view is NULL that never is"))?;
        let bytes = self.codec.bytes(&shown);
        if section == ROWS {
            let amended = saved.column(width + 2).as_boolean();
            for (row, bytes) in bytes.iter().enumerate() {
                let kept = Kept {
                    count: numbers(width).value(row),
                    version: counts(width + 1).value(row),
                    amended: amended.value(row),
                    closes: numbers(width + 3).value(row),
                    serial: counts(width + 4).value(row),
                };
                content.restore(bytes, kept);
            }
            return Ok(());
        }
        let statuses = saved.column(width + 4).as_primitive::<UInt8Type>();
        let epoch = |row: usize| Epoch { watermark: numbers(width).value(row), tick: counts(width + 1).value(row) };
        let columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        let mut from = 0;
        while from < saved.num_rows() {
            let to = (from..saved.num_rows()).find(|row| epoch(*row) != epoch(from)).unwrap_or(saved.num_rows());
            let status = |row| Status::ALL.get(usize::from(statuses.value(row))).copied();
            let statuses: Option<Vec<Status>> = (from..to).map(status).collect();
            let diffs: ScalarBuffer<i64> = numbers(width + 2).values().slice(from, to - from);
            let plain = diffs.iter().all(|diff| *diff == 1);
            let batch = relabel(&shown.slice(from, to - from), &columns, &self.schema);
            content.ring_mut().push_more(EpochChanges {
                epoch: epoch(from),
                delta: Delta::new(batch, (!plain).then_some(diffs)),
                versions: counts(width + 3).values()[from..to].to_vec(),
                statuses: statuses.ok_or(Unfit::Value("no standing of a row"))?,
                closes: numbers(width + 5).values()[from..to].to_vec(),
                rows: bytes[from..to].to_vec(),
            });
            from = to;
        }
        Ok(())
    }

    /// All is in that was saved at this epoch.
    pub(crate) fn loaded(&self, cut: Epoch) {
        let mut content = self.write();
        content.restored(cut);
        self.figures.rows.store(content.len(), Ordering::Relaxed);
        self.figures.evicted.store(content.evicted(), Ordering::Relaxed);
        self.figures.windows_open.store(content.windows_open(), Ordering::Relaxed);
        drop(content);
        self.watch.send_replace(cut);
        self.stands();
    }
}
