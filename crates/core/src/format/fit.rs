//! Columns that others wrote as columns of the declared types, by the rules that JSON has: the same value in another type fits,
//! what would be cut, wrapped or made up does not.
//!
//! Whole numbers take floats and decimals without a fraction; DECIMAL is rounded as CAST rounds, floats by the digits that they are
//! written with; numbers are times in
//! `timestamp.unit`; text is what it reads as; the members of a row are found by name: one that is not there is NULL, one that
//! nobody declared is passed over. Invariant: a value that does not fit is a misfit of its row, and NULL in the column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit as ArrowUnit};

use super::cells::{Cells, is_instant, pair};
use super::json::JsonValues;
use super::number;
use super::reading::fitting_decimals;
use super::timestamp::{Times, write_time};
use crate::type_names::sql_type;

/// Rows whose values do not fit.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Which rows.
    pub(super) rows: BooleanBuffer,
    /// The members on the way to the value, each behind a dot.
    pub(super) path: String,
    /// What is wrong with it.
    pub(super) what: String,
}

/// A column as declared.
pub(super) struct Fitted {
    pub(super) column: ArrayRef,
    pub(super) misfits: Vec<Misfit>,
}

const MS: DataType = DataType::Timestamp(ArrowUnit::Millisecond, None);

type Result<T> = std::result::Result<T, String>;

/// A column as one of type `to`; `Err` is a fault of what made the column.
pub(super) fn fit(from: &ArrayRef, to: &DataType, times: &Times) -> Result<Fitted> {
    if let Some(beyond) = beyond_a_day(from) {
        let what = "is no time of a day, which are from 00:00:00 to before 24:00:00".to_owned();
        let within = arrow_select::nullif::nullif(from, &BooleanArray::new(beyond.clone(), None));
        let mut fitted = fit(&within.map_err(|error| error.to_string())?, to, times)?;
        fitted.misfits.push(Misfit { rows: beyond, path: String::new(), what });
        return Ok(fitted);
    }
    if from.data_type() == to && !to.is_nested() {
        return Ok(Fitted { column: from.clone(), misfits: Vec::new() });
    }
    let kind = from.data_type().clone();
    match (&kind, to) {
        (DataType::Null, _) => Ok(Fitted { column: new_null_array(to, from.len()), misfits: Vec::new() }),
        (DataType::Dictionary(_, values), _) => fit(&cast(from, values)?, to, times),
        (DataType::Struct(_), DataType::Struct(fields)) => row(from.as_struct(), fields, times),
        (DataType::List(_), DataType::List(item)) => list(from.as_list::<i32>(), item, times),
        (
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) | DataType::ListView(item),
            DataType::List(_),
        ) => fit(&cast(from, &DataType::List(item.clone()))?, to, times),
        (DataType::Map(..), DataType::Map(entries, sorted)) => map(from.as_map(), entries, *sorted, times),
        (_, DataType::Struct(_) | DataType::List(_) | DataType::Map(..)) => Ok(never(from, to)),
        (kind, DataType::Utf8) if kind.is_nested() => shown(from, times),
        (DataType::LargeUtf8 | DataType::Utf8View, _) => fit(&cast(from, &DataType::Utf8)?, to, times),
        (DataType::Utf8, _) => text(from, to, times),
        (_, DataType::Timestamp(ArrowUnit::Millisecond, _)) => time(from, to, times),
        (DataType::Timestamp(..), DataType::Utf8) => shown_times(from, times),
        (DataType::Date64, DataType::Date32) => checked(from, to, days(from)),
        (DataType::Date64, DataType::Utf8) => checked(from, to, fit(&days(from), to, times)?.column),
        (DataType::Date32 | DataType::Interval(_) | DataType::Duration(_), DataType::Utf8) => shown(from, times),
        (DataType::Float16, _) => fit(&cast(from, &DataType::Float32)?, to, times),
        (kind, to) if to.is_integer() && kind.is_floating() => checked(from, to, cast(&whole_floats(from)?, to)?),
        (kind, to) if to.is_integer() && is_decimal(kind) => checked(from, to, cast(&whole_decimals(from)?, to)?),
        (kind, DataType::Decimal128(precision, scale)) if kind.is_floating() => {
            checked(from, to, fitting_decimals(from, *precision, *scale)?.0)
        }
        (kind, DataType::Boolean) if kind.is_numeric() => truth(from),
        (kind, to) if to.is_floating() && kind.is_numeric() => checked(from, to, floats(from, to)?),
        (kind, to) if changes_meaning(kind, to) || !can_cast_types(kind, to) => Ok(never(from, to)),
        _ => checked(from, to, cast(from, to)?),
    }
}

fn is_decimal(kind: &DataType) -> bool {
    use DataType::{Decimal32, Decimal64, Decimal128, Decimal256};
    matches!(kind, Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..))
}

/// Whether a cast would take the number behind a value for the value: days, ticks and truth values are no numbers, and numbers no
/// bytes.
fn changes_meaning(from: &DataType, to: &DataType) -> bool {
    let number = |kind: &DataType| kind.is_numeric();
    let other =
        |kind: &DataType| kind.is_temporal() || *kind == DataType::Boolean || matches!(kind, DataType::Interval(_));
    (number(from) && other(to))
        || (other(from) && number(to))
        || matches!((from, to), (DataType::Boolean, _) if other(to))
        || (*to == DataType::Binary && (number(from) || other(from)))
}

/// Casts; what does not fit becomes NULL.
fn cast(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    match cast_with_options(column, to, &options) {
        Ok(cast) => Ok(cast),
        // Some casts fail as a whole where one value does not fit.
        Err(_) if column.len() == 1 && can_cast_types(column.data_type(), to) => Ok(new_null_array(to, 1)),
        Err(error) if column.len() < 2 => Err(error.to_string()),
        Err(_) => {
            let half = column.len() / 2;
            let halves = [cast(&column.slice(0, half), to)?, cast(&column.slice(half, column.len() - half), to)?];
            let halves: Vec<&dyn Array> = halves.iter().map(AsRef::as_ref).collect();
            arrow_select::concat::concat(&halves).map_err(|error| error.to_string())
        }
    }
}

/// The times of day that are none, if there are such.
fn beyond_a_day(column: &ArrayRef) -> Option<BooleanBuffer> {
    const SECONDS: i64 = 86_400;
    let beyond = match column.data_type() {
        DataType::Time32(ArrowUnit::Second) => beyond(column.as_primitive::<Time32SecondType>(), SECONDS),
        DataType::Time32(_) => beyond(column.as_primitive::<Time32MillisecondType>(), SECONDS * 1_000),
        DataType::Time64(ArrowUnit::Microsecond) => {
            beyond(column.as_primitive::<Time64MicrosecondType>(), SECONDS * 1_000_000)
        }
        DataType::Time64(_) => beyond(column.as_primitive::<Time64NanosecondType>(), SECONDS * 1_000_000_000),
        _ => return None,
    };
    Some(beyond).filter(|beyond| beyond.count_set_bits() > 0)
}

fn beyond<T: ArrowPrimitiveType<Native: Into<i64>>>(column: &PrimitiveArray<T>, day: i64) -> BooleanBuffer {
    let values = column.values();
    BooleanBuffer::collect_bool(column.len(), |row| column.is_valid(row) && !(0..day).contains(&values[row].into()))
}

/// Milliseconds as days; those that no day has a number for are NULL.
fn days(from: &ArrayRef) -> ArrayRef {
    let day = |ms: i64| i32::try_from(ms.div_euclid(86_400_000)).ok();
    Arc::new(from.as_primitive::<Date64Type>().unary_opt::<_, Date32Type>(day))
}

fn valid(column: &dyn Array) -> BooleanBuffer {
    column.logical_nulls().map_or_else(|| BooleanBuffer::new_set(column.len()), NullBuffer::into_inner)
}

/// What became NULL does not fit.
fn checked(from: &ArrayRef, to: &DataType, column: ArrayRef) -> Result<Fitted> {
    let mut misfits = Vec::new();
    if column.null_count() > from.logical_null_count() {
        let rows = &valid(from.as_ref()) & &!&valid(column.as_ref());
        misfits.push(Misfit { rows, path: String::new(), what: format!("does not fit {}", sql_type(to)) });
    }
    Ok(Fitted { column, misfits })
}

/// No value of such a type fits.
fn never(from: &ArrayRef, to: &DataType) -> Fitted {
    // No column of a source is of such a type.
    let as_text = matches!(from.data_type(), DataType::Duration(_) | DataType::Interval(_)) && *to != DataType::Utf8;
    let how = if as_text { "VARCHAR" } else { "so" };
    let what = format!("is {} there and declared {}: declare it {how}", sql_type(from.data_type()), sql_type(to));
    let misfit = Misfit { rows: valid(from.as_ref()), path: String::new(), what };
    let misfits = if misfit.rows.count_set_bits() == 0 { Vec::new() } else { vec![misfit] };
    Fitted { column: new_null_array(to, from.len()), misfits }
}

/// Text as what it reads as.
fn text(from: &ArrayRef, to: &DataType, times: &Times) -> Result<Fitted> {
    let Some(mut cells) = Cells::new(to, times) else { return checked(from, to, cast(from, to)?) };
    for text in from.as_string::<i32>() {
        if !text.is_some_and(|text| cells.push_text(text.as_bytes())) {
            cells.push_null();
        }
    }
    checked(from, to, cells.finish().ok_or("a text is not UTF-8")?)
}

/// Numbers, days and other ticks as times in ms, rounded down. What is a time of clocks there, and an instant here, is that of the
/// session's clocks.
fn time(from: &ArrayRef, to: &DataType, times: &Times) -> Result<Fitted> {
    let unit = times.unit;
    let of = |ticks: &ArrayRef, power: i32| -> Result<ArrayRef> {
        let factor = 10_i64.pow(power.unsigned_abs());
        let ms = |tick: i64| if power < 0 { Some(tick.div_euclid(factor)) } else { tick.checked_mul(factor) };
        Ok(Arc::new(ticks.as_primitive::<Int64Type>().unary_opt::<_, TimestampMillisecondType>(ms)))
    };
    let power = unit.power();
    let ms: ArrayRef = match from.data_type() {
        DataType::Timestamp(ticks, _) => {
            let power = match ticks {
                ArrowUnit::Second => 3,
                ArrowUnit::Millisecond => 0,
                ArrowUnit::Microsecond => -3,
                ArrowUnit::Nanosecond => -6,
            };
            of(&cast(from, &DataType::Int64)?, power)?
        }
        DataType::Date32 => Arc::new(
            from.as_primitive::<Date32Type>().unary::<_, TimestampMillisecondType>(|day| i64::from(day) * 86_400_000),
        ),
        DataType::Date64 => of(&cast(from, &DataType::Int64)?, 0)?,
        kind if kind.is_integer() => of(&cast(from, &DataType::Int64)?, power)?,
        kind if kind.is_floating() => {
            // By their shortest text, as JSON has them: seconds with a fraction are not quite what they seem.
            let floats = cast(from, &DataType::Float64)?;
            let read = |value: f64| number::read(format!("{value:?}").as_bytes()).and_then(|number| unit.to_ms(number));
            Arc::new(floats.as_primitive::<Float64Type>().unary_opt::<_, TimestampMillisecondType>(read))
        }
        kind if is_decimal(kind) => {
            let (decimals, scale) = decimals(from)?;
            let power = power - i32::from(scale);
            let factor = 10_i128.checked_pow(power.unsigned_abs()).ok_or("a decimal of too many places")?;
            let ms = |value: i128| if power < 0 { Some(value.div_euclid(factor)) } else { value.checked_mul(factor) };
            let read = |value| ms(value).and_then(|ms| i64::try_from(ms).ok());
            Arc::new(decimals.as_primitive::<Decimal128Type>().unary_opt::<_, TimestampMillisecondType>(read))
        }
        _ => return Ok(never(from, to)),
    };
    let mut ms = ms.as_primitive::<TimestampMillisecondType>().clone();
    let shown = matches!(from.data_type(), DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64);
    if shown && is_instant(to) {
        ms = ms.unary(|local| times.zone.instant(local));
    }
    checked(from, to, Arc::new(ms.with_data_type(to.clone())))
}

/// What is nested as its JSON, as JSON itself has it in text; days and lengths of time as JSON shows them.
fn shown(from: &ArrayRef, times: &Times) -> Result<Fitted> {
    let Some(kind) = known(from.data_type()) else { return Ok(never(from, &DataType::Utf8)) };
    let Fitted { column, misfits } = fit(from, &kind, times)?;
    let (values, valid, nested) = (JsonValues::new(&column), valid(from.as_ref()), kind.is_nested());
    let text = |row: usize| {
        let mut text = Vec::new();
        values.write(row, &mut text);
        if !nested {
            text = text[1..text.len() - 1].to_vec();
        }
        valid.value(row).then(|| String::from_utf8(text).ok()).flatten()
    };
    let texts: StringArray = (0..column.len()).map(text).collect();
    Ok(Fitted { column: Arc::new(texts), misfits })
}

/// The type that JSON has for a type of files; `None` if it has none.
fn known(kind: &DataType) -> Option<DataType> {
    let field = |field: &FieldRef| Some(Arc::new(Field::new(field.name(), known(field.data_type())?, true)));
    Some(match kind {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item) => DataType::List(field(item)?),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect::<Option<_>>()?),
        DataType::Map(entries, sorted) => {
            let (key, value) = pair(entries)?;
            let key = Arc::new(Field::new(key.name(), known(key.data_type())?, false));
            let fields = DataType::Struct(vec![key, field(value)?].into());
            DataType::Map(Arc::new(Field::new(entries.name(), fields, false)), *sorted)
        }
        DataType::Dictionary(_, values) => known(values)?,
        DataType::Timestamp(..) => MS,
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Date64 => DataType::Date32,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Union(..) | DataType::RunEndEncoded(..) | DataType::LargeListView(_) => return None,
        other => other.clone(),
    })
}

/// Times as the formats write them.
fn shown_times(from: &ArrayRef, times: &Times) -> Result<Fitted> {
    let Fitted { column, misfits } = time(from, &MS, times)?;
    let shown = column.as_primitive::<TimestampMillisecondType>().iter().map(|ms| {
        let mut text = Vec::new();
        write_time(ms?, &mut text);
        String::from_utf8(text).ok()
    });
    Ok(Fitted { column: Arc::new(shown.collect::<StringArray>()), misfits })
}

/// A decimal column of 128 bits, and its scale.
fn decimals(from: &ArrayRef) -> Result<(ArrayRef, i8)> {
    match from.data_type() {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Ok((cast(from, &DataType::Decimal128(38, *scale))?, *scale)),
        kind => Err(format!("{} is no decimal", sql_type(kind))),
    }
}

/// 0 and 1 as truth values; others do not fit.
fn truth(from: &ArrayRef) -> Result<Fitted> {
    let whole = match from.data_type() {
        kind if kind.is_floating() => whole_floats(from)?,
        kind if is_decimal(kind) => whole_decimals(from)?,
        _ => cast(from, &DataType::Int64)?,
    };
    let value = |number: Option<i64>| match number? {
        number @ 0..=1 => Some(number == 1),
        _ => None,
    };
    let truth: BooleanArray = whole.as_primitive::<Int64Type>().iter().map(value).collect();
    checked(from, &DataType::Boolean, Arc::new(truth))
}

/// Numbers as floats; those beyond all of them are NULL.
fn floats(from: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let finite = |column: &ArrayRef| -> Result<BooleanBuffer> {
        let wide = cast(column, &DataType::Float64)?;
        let wide = wide.as_primitive::<Float64Type>();
        Ok(BooleanBuffer::collect_bool(wide.len(), |row| wide.is_null(row) || !wide.value(row).is_infinite()))
    };
    let column = cast(from, to)?;
    let after = finite(&column)?;
    if after.count_set_bits() == column.len() {
        return Ok(column);
    }
    // What was infinite is so here too.
    let beyond = if from.data_type().is_floating() { &finite(from)? & &!&after } else { !&after };
    arrow_select::nullif::nullif(&column, &BooleanArray::new(beyond, None)).map_err(|error| error.to_string())
}

/// Floats without a fraction, as 64-bit integers; others are NULL.
fn whole_floats(from: &ArrayRef) -> Result<ArrayRef> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    let floats = cast(from, &DataType::Float64)?;
    let whole = |value: f64| (value.fract() == 0.0 && (-BEYOND..BEYOND).contains(&value)).then_some(value as i64);
    Ok(Arc::new(floats.as_primitive::<Float64Type>().unary_opt::<_, Int64Type>(whole)))
}

/// Decimals without a fraction, as 64-bit integers; others are NULL.
fn whole_decimals(from: &ArrayRef) -> Result<ArrayRef> {
    let (decimals, scale) = decimals(from)?;
    let factor = 10_i128.checked_pow(scale.unsigned_abs().into()).ok_or("a decimal of too many places")?;
    let whole = |value: i128| {
        let whole =
            if scale < 0 { value.checked_mul(factor)? } else { (value % factor == 0).then_some(value / factor)? };
        i64::try_from(whole).ok()
    };
    Ok(Arc::new(decimals.as_primitive::<Decimal128Type>().unary_opt::<_, Int64Type>(whole)))
}

/// A member of a row, or what stands for one that is not there.
fn member(have: Option<&ArrayRef>, field: &Field, parents: &BooleanBuffer, times: &Times) -> Result<Fitted> {
    let mut fitted = match have {
        Some(column) => fit(column, field.data_type(), times)?,
        None => Fitted { column: new_null_array(field.data_type(), parents.len()), misfits: Vec::new() },
    };
    fitted.misfits.iter_mut().for_each(|misfit| misfit.rows = &misfit.rows & parents);
    if !field.is_nullable() && fitted.column.null_count() > 0 {
        let mut rows = parents & &!&valid(fitted.column.as_ref());
        fitted.misfits.iter().for_each(|misfit| rows = &rows & &!&misfit.rows);
        let what = if have.is_some() { "is NULL, and declared NOT NULL" } else { "is missing, and declared NOT NULL" };
        fitted.misfits.push(Misfit { rows, path: String::new(), what: what.to_owned() });
    }
    fitted.misfits.retain(|misfit| misfit.rows.count_set_bits() > 0);
    fitted.misfits.iter_mut().for_each(|misfit| misfit.path = format!(".{}{}", field.name(), misfit.path));
    Ok(fitted)
}

/// A row by the names of its members.
fn row(from: &StructArray, fields: &Fields, times: &Times) -> Result<Fitted> {
    let mut nulls = valid(from);
    let (mut columns, mut misfits) = (Vec::with_capacity(fields.len()), Vec::new());
    for field in fields {
        let fitted = member(from.column_by_name(field.name()), field, &nulls, times)?;
        columns.push(fitted.column);
        misfits.extend(fitted.misfits);
    }
    misfits.iter().for_each(|misfit: &Misfit| nulls = &nulls & &!&misfit.rows);
    let nulls = (nulls.count_set_bits() < from.len()).then(|| NullBuffer::new(nulls));
    let column = StructArray::try_new_with_length(fields.clone(), columns, nulls, from.len());
    Ok(Fitted { column: Arc::new(column.map_err(|error| error.to_string())?), misfits })
}

/// A map by its entries. Of a key that is there twice the last value counts.
fn map(from: &MapArray, entries: &FieldRef, sorted: bool, times: &Times) -> Result<Fitted> {
    let failed = |error: arrow_schema::ArrowError| error.to_string();
    let (Some((key, value)), [own_key, own_value]) = (pair(entries), from.entries().columns()) else {
        return Err("a map has keys and values".to_owned());
    };
    // The entries by place: files name them as they like.
    let named = StructArray::try_new(
        vec![
            Field::new(key.name(), own_key.data_type().clone(), true),
            Field::new(value.name(), own_value.data_type().clone(), true),
        ]
        .into(),
        vec![own_key.clone(), own_value.clone()],
        None,
    );
    let named: ArrayRef = Arc::new(named.map_err(failed)?);
    let lists = ListArray::try_new(
        Arc::new(Field::new("entries", named.data_type().clone(), false)),
        from.offsets().clone(),
        named,
        from.nulls().cloned(),
    );
    let Fitted { column, misfits } = list(&lists.map_err(failed)?, entries, times)?;
    let lists = column.as_list::<i32>();
    let pairs = lists.values().as_struct().clone();
    let column = MapArray::try_new(entries.clone(), lists.offsets().clone(), pairs, lists.nulls().cloned(), sorted);
    Ok(Fitted { column: Arc::new(column.map_err(failed)?), misfits })
}

/// A list by its items.
fn list(from: &ListArray, item: &FieldRef, times: &Times) -> Result<Fitted> {
    let all = BooleanBuffer::new_set(from.values().len());
    let mut fitted = member(Some(from.values()), item, &all, times)?;
    let (offsets, lists) = (from.offsets(), valid(from));
    for misfit in &mut fitted.misfits {
        let of = |row: usize| {
            let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
            lists.value(row) && misfit.rows.slice(start, end - start).count_set_bits() > 0
        };
        misfit.rows = BooleanBuffer::collect_bool(from.len(), of);
        misfit.path = misfit.path.strip_prefix(&format!(".{}", item.name())).unwrap_or_default().to_owned();
    }
    fitted.misfits.retain(|misfit| misfit.rows.count_set_bits() > 0);
    let misfits = fitted.misfits;
    let failed = |error: arrow_schema::ArrowError| error.to_string();
    if !item.is_nullable() && fitted.column.null_count() > 0 {
        // A list of what is NOT NULL cannot hold what does not fit, so only the good rows are made one.
        let mut good = lists;
        misfits.iter().for_each(|misfit| good = &good & &!&misfit.rows);
        let kept = arrow_select::filter::filter(from, &BooleanArray::new(good.clone(), None)).map_err(failed)?;
        let kept = list(kept.as_list::<i32>(), item, times)?.column;
        let mut next = 0..;
        let places: UInt32Array = good.iter().map(|good| if good { next.next() } else { None }).collect();
        return Ok(Fitted { column: arrow_select::take::take(&kept, &places, None).map_err(failed)?, misfits });
    }
    let column = ListArray::try_new(item.clone(), offsets.clone(), fitted.column, from.nulls().cloned());
    Ok(Fitted { column: Arc::new(column.map_err(failed)?), misfits })
}
