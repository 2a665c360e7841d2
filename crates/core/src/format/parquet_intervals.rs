//! Intervals of Parquet: 12 bytes of months, days and milliseconds, whole numbers without a sign. The library reads months or the rest, never
//! both, so it is told that they are bytes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use arrow_array::{
    Array, ArrayRef, GenericListArray, MapArray, OffsetSizeTrait, PrimitiveArray, RecordBatch, StructArray,
};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use parquet::basic::ConvertedType;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type, TypePtr};

use super::uuid::{EXTENSION, typed};

/// What a schema calls such bytes.
const NAME: &str = "highwater.interval";
/// How many there are.
const BYTES: i32 = 12;

fn is_interval(of: &Type) -> bool {
    let info = of.get_basic_info();
    of.is_primitive() && info.converted_type() == ConvertedType::INTERVAL && info.logical_type_ref().is_none()
}

/// What a column is to be called if it holds intervals.
pub(super) fn name(column: &ColumnDescPtr) -> Option<&'static str> {
    is_interval(column.self_type()).then_some(NAME)
}

/// A schema whose intervals are bytes; `None` if it has none.
pub(super) fn as_bytes(schema: &SchemaDescriptor) -> Option<SchemaDescriptor> {
    let found = schema.columns().iter().any(|column| is_interval(column.self_type()) && column.type_length() == BYTES);
    found.then(|| bytes(&schema.root_schema_ptr()).map(SchemaDescriptor::new)).flatten()
}

fn bytes(of: &TypePtr) -> Option<TypePtr> {
    let info = of.get_basic_info();
    let id = info.has_id().then(|| info.id());
    if is_interval(of) {
        let made = Type::primitive_type_builder(of.name(), of.get_physical_type());
        let made = made.with_repetition(info.repetition()).with_length(BYTES).with_id(id);
        return made.build().ok().map(Arc::new);
    }
    if of.is_primitive() {
        return Some(of.clone());
    }
    let fields = of.get_fields().iter().map(bytes).collect::<Option<Vec<_>>>()?;
    let made = Type::group_type_builder(of.name()).with_fields(fields).with_id(id);
    let made = made.with_converted_type(info.converted_type()).with_logical_type(info.logical_type_ref().cloned());
    let made = if info.has_repetition() { made.with_repetition(info.repetition()) } else { made };
    made.build().ok().map(Arc::new)
}

/// Whether a column, or something in it, is such bytes.
fn has(field: &Field) -> bool {
    match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => has(item),
        DataType::Struct(fields) => fields.iter().any(|field| has(field)),
        _ => field.metadata().get(EXTENSION).is_some_and(|name| name == NAME),
    }
}

/// The intervals of a batch, whose columns `known` has by their names.
pub(super) fn read(batch: RecordBatch, known: &SchemaRef) -> RecordBatch {
    if !known.fields().iter().any(|field| has(field)) {
        return batch;
    }
    let schema = batch.schema();
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        let known = known.field_with_name(field.name()).ok().filter(|known| has(known));
        known.and_then(|known| column_of(column, known)).unwrap_or_else(|| column.clone())
    });
    let columns: Vec<ArrayRef> = columns.collect();
    let fields: Vec<FieldRef> =
        schema.fields().iter().zip(&columns).map(|(field, column)| typed(field, column)).collect();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap_or(batch)
}

fn column_of(column: &ArrayRef, known: &Field) -> Option<ArrayRef> {
    if !has(known) {
        return Some(column.clone());
    }
    match (known.data_type(), column.data_type()) {
        (DataType::List(item), DataType::List(own)) => list(column.as_list::<i32>(), item, own),
        (DataType::LargeList(item), DataType::LargeList(own)) => list(column.as_list::<i64>(), item, own),
        (DataType::Struct(members), DataType::Struct(own)) => {
            let row = column.as_struct();
            let columns = row.columns().iter().zip(members).map(|(column, known)| column_of(column, known));
            let columns = columns.collect::<Option<Vec<ArrayRef>>>()?;
            let fields = own.iter().zip(&columns).map(|(own, column)| typed(own, column)).collect();
            let made = StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len());
            made.ok().map(|made| Arc::new(made) as ArrayRef)
        }
        (DataType::Map(entries, _), DataType::Map(own, sorted)) => {
            let map = column.as_map();
            let pairs = column_of(&(Arc::new(map.entries().clone()) as ArrayRef), entries)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let made = MapArray::try_new(typed(own, &pairs), offsets, pairs.as_struct().clone(), nulls, *sorted);
            made.ok().map(|made| Arc::new(made) as ArrayRef)
        }
        _ => {
            let read = |bytes: &[u8]| {
                let part = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
                let nanoseconds = i64::from(part(8)?) * 1_000_000;
                Some(IntervalMonthDayNano::new(part(0)?.cast_signed(), part(4)?.cast_signed(), nanoseconds))
            };
            let intervals = column.as_fixed_size_binary_opt()?.iter().map(|bytes| read(bytes?));
            Some(Arc::new(intervals.collect::<PrimitiveArray<IntervalMonthDayNanoType>>()))
        }
    }
}

fn list<O: OffsetSizeTrait>(list: &GenericListArray<O>, known: &Field, own: &FieldRef) -> Option<ArrayRef> {
    let items = column_of(list.values(), known)?;
    let made = GenericListArray::try_new(typed(own, &items), list.offsets().clone(), items, list.nulls().cloned());
    made.ok().map(|made| Arc::new(made) as ArrayRef)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use parquet::data_type::{ByteArray, FixedLenByteArray, FixedLenByteArrayType, Int32Type};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::super::tests::read_back;
    use super::super::{find, row_as_json};
    use super::*;
    use crate::options::Options;

    /// As DuckDB writes them, which no writer of Arrow's does: months, days and milliseconds in one.
    #[test]
    fn intervals_have_all_their_parts_at_any_depth() {
        let schema = "message m { REQUIRED INT32 id; OPTIONAL FIXED_LEN_BYTE_ARRAY(12) iv (INTERVAL);
          REQUIRED GROUP r { REQUIRED FIXED_LEN_BYTE_ARRAY(12) i (INTERVAL); }
          REQUIRED GROUP l (LIST) { REPEATED GROUP list { OPTIONAL FIXED_LEN_BYTE_ARRAY(12) element (INTERVAL); } } }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let of = |months: u32, days: u32, ms: u32| -> FixedLenByteArray {
            ByteArray::from([months, days, ms].map(u32::to_le_bytes).concat()).into()
        };
        let (one, hours) = (of(14, 2, 10_800_000), of(0, 0, 2_520_000_500));
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Default::default()).unwrap();
        let mut group = file.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&[0, 1], None, None).unwrap();
        column.close().unwrap();
        for (values, definition, repetition) in [
            (vec![one.clone()], Some(vec![1, 0]), None),
            (vec![hours.clone(), one.clone()], None, None),
            (vec![one, hours], Some(vec![2, 2, 1]), Some(vec![0, 1, 0])),
        ] {
            let mut column = group.next_column().unwrap().unwrap();
            let written = column.typed::<FixedLenByteArrayType>();
            written.write_batch(&values, definition.as_deref(), repetition.as_deref()).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        let bytes = file.into_inner().unwrap();
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let item = DataType::List(Arc::new(text("element")));
        let row = DataType::Struct(vec![text("i")].into());
        let wanted = [
            (
                vec![text("iv"), text("r"), text("l")],
                [
                    r#"{"iv":"14 mons 2 days 3 hours","r":"{\"i\":\"700 hours 0.5 secs\"}","l":"[\"14 mons 2 days 3 hours\",\"700 hours 0.5 secs\"]"}"#,
                    r#"{"iv":null,"r":"{\"i\":\"14 mons 2 days 3 hours\"}","l":"[null]"}"#,
                ],
            ),
            (
                vec![Field::new("r", row, true), Field::new("l", item, true)],
                [
                    r#"{"r":{"i":"700 hours 0.5 secs"},"l":["14 mons 2 days 3 hours","700 hours 0.5 secs"]}"#,
                    r#"{"r":{"i":"14 mons 2 days 3 hours"},"l":[null]}"#,
                ],
            ),
        ];
        for (fields, rows) in wanted {
            let schema: SchemaRef = Arc::new(Schema::new(fields));
            let parts = read_back(find("parquet").unwrap(), &schema, &Options::default(), &bytes);
            let batch = &parts[0].batch;
            let found: Vec<String> = (0..2).map(|row| row_as_json(&schema, batch.columns(), row)).collect();
            assert_eq!(found, rows);
        }
        // In a dead letter, too.
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("iv", DataType::Int32, true)]));
        let parts = read_back(find("parquet").unwrap(), &schema, &Options::default(), &bytes);
        assert!(parts[0].faults[0].content.contains(r#""iv":"14 mons 2 days 3 hours""#), "{:?}", parts[0].faults);
        assert!(parts[0].faults[0].detail.contains("declare it VARCHAR"), "{:?}", parts[0].faults);
    }
}
