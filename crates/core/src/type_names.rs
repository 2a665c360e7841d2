//! Types by the names that SQL has for them: what people read of a column's type, wherever it stands.

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

/// A type as SQL writes it; of what SQL has no type for, how files name it.
pub fn sql_type(data_type: &DataType) -> String {
    let simple = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "BYTES",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "TINYINT UNSIGNED",
        DataType::UInt16 => "SMALLINT UNSIGNED",
        DataType::UInt32 => "INT UNSIGNED",
        DataType::UInt64 => "BIGINT UNSIGNED",
        DataType::Float16 | DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        DataType::Duration(_) | DataType::Interval(IntervalUnit::DayTime) => "INTERVAL DAY TO SECOND",
        DataType::Interval(IntervalUnit::YearMonth) => "INTERVAL YEAR TO MONTH",
        DataType::Interval(IntervalUnit::MonthDayNano) => "INTERVAL",
        DataType::Null => "NULL",
        _ => "",
    };
    if !simple.is_empty() {
        return simple.to_owned();
    }
    let named = |field: &Field| format!("{} {}", field.name(), sql_type(field.data_type()));
    match data_type {
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", places(*unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", places(*unit)),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => format!("ARRAY<{}>", sql_type(item.data_type())),
        DataType::Struct(fields) => {
            format!("ROW<{}>", fields.iter().map(|field| named(field)).collect::<Vec<_>>().join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => {
                let pair: Vec<String> = pair.iter().map(|field| sql_type(field.data_type())).collect();
                format!("MAP<{}>", pair.join(", "))
            }
            other => format!("MAP<{}>", sql_type(other)),
        },
        DataType::Dictionary(_, value) => sql_type(value),
        DataType::RunEndEncoded(_, values) => sql_type(values.data_type()),
        other => other.to_string(),
    }
}

/// How many digits of a second a unit has.
fn places(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn types_of_files_have_names_of_sql() {
        let field = |name: &str, kind: DataType| Arc::new(Field::new(name, kind, true));
        let entries = DataType::Struct(vec![field("key", DataType::Utf8), field("value", DataType::Int64)].into());
        for (kind, expected) in [
            (DataType::LargeUtf8, "VARCHAR"),
            (DataType::UInt64, "BIGINT UNSIGNED"),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), "TIMESTAMP(9)"),
            (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "TIMESTAMP_LTZ(6)"),
            (DataType::Time64(TimeUnit::Microsecond), "TIME"),
            (DataType::Decimal256(50, 3), "DECIMAL(50, 3)"),
            (DataType::LargeList(field("item", DataType::Int32)), "ARRAY<INT>"),
            (DataType::Map(field("entries", entries), false), "MAP<VARCHAR, BIGINT>"),
            (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), "VARCHAR"),
            (DataType::Struct(vec![field("a", DataType::Date64)].into()), "ROW<a DATE>"),
        ] {
            assert_eq!(sql_type(&kind), expected);
        }
    }
}
