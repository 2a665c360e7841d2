//! Time zones: CONVERT_TZ, and what the planner puts in the place of casts between instants (TIMESTAMP_LTZ) and the times that
//! clocks show (TIMESTAMP): [`local_time`], [`instant_of`].
//!
//! A time that clocks show twice is the first instant; one that they pass over is as much later as they are put forward, as
//! in Flink.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, PrimitiveArray, StringArray, TimestampMillisecondArray};
use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue, exec_err, plan_err};
use datafusion_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::function::{Args, Form, Function, Kind};
use crate::parse::column_type::{TIME, instant};
use crate::parse::zone_name::instead;
use highwater_core::format::{read_text_as, read_time_text};
use highwater_core::time::{Pattern, Zone};

/// Java's pattern of that text.
pub(super) fn compiled(text: &str) -> Result<Pattern> {
    Pattern::compile(text).or_else(|what| plan_err!("{what}"))
}

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "convert_tz",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Text, |args| {
            let pattern = compiled("yyyy-MM-dd HH:mm:ss")?;
            let mut zones = Zones::default();
            let mut failed = Ok(());
            let result = args.texts(|row, out| {
                let local = read_time_text(args.text(0).get(row)?)?;
                let moved = zones.moved(args, row, local).unwrap_or_else(|error| {
                    failed = Err(error);
                    None
                })?;
                pattern.write(moved, 0, out);
                Some(())
            });
            failed.map(|()| result)
        })
        .checked(check_zones),
        Form::new(&[Kind::Time, Kind::Text, Kind::Text], Kind::Time, |args| {
            let mut zones = Zones::default();
            let mut failed = Ok(());
            let result = args.times(|row| {
                let local = args.time(0).get(row)?;
                zones.moved(args, row, local).unwrap_or_else(|error| {
                    failed = Err(error);
                    None
                })
            });
            failed.map(|()| result)
        })
        .checked(check_zones),
    ],
}];

fn check_zones(constants: &[Option<&str>]) -> Result<()> {
    constants[1..].iter().flatten().try_for_each(|name| zone(name).map(drop))
}

/// The zone of a name, or why there is none.
pub(super) fn zone(name: &str) -> Result<Zone> {
    match Zone::of(name) {
        Some(zone) => Ok(zone),
        None => plan_err!("there is no time zone '{name}'; write {}", instead(name)),
    }
}

/// The last zones that a loop met, by argument.
#[derive(Default)]
struct Zones([Option<(String, Zone)>; 2]);

impl Zones {
    /// What the clocks of the zone in the third argument show when those of the second show `local`.
    fn moved(&mut self, args: &Args, row: usize, local: i64) -> Result<Option<i64>> {
        let (Some(from), Some(to)) = (args.text(1).get(row), args.text(2).get(row)) else { return Ok(None) };
        let (from, to) = (Zones::known(&mut self.0[0], from)?, Zones::known(&mut self.0[1], to)?);
        Ok(Some(to.local(from.instant(local))))
    }

    fn known(last: &mut Option<(String, Zone)>, name: &str) -> Result<Zone> {
        match last {
            Some((known, zone)) if known == name => Ok(*zone),
            _ => Ok(last.insert((name.to_owned(), zone(name)?)).1),
        }
    }
}

/// What the clocks of a zone show at instants.
pub(super) fn to_local(instants: &PrimitiveArray<TimestampMillisecondType>, zone: Zone) -> ArrayRef {
    let local: TimestampMillisecondArray = instants.unary(|instant| zone.local(instant));
    Arc::new(local.with_data_type(TIME))
}

/// Texts as instants: each as its offset says, or as a time that the clocks of the zone show.
pub(super) fn instants(texts: &StringArray, zone: Zone) -> Result<ArrayRef> {
    read_text_as(texts, &instant(), zone).or_else(|why| exec_err!("{why}"))
}

/// The time that the session's clocks show at an instant.
pub(crate) fn local_time(instant: Expr, zone: Zone) -> Expr {
    ScalarUDF::new_from_impl(Conversion::new(LOCAL_TIME, zone)).call(vec![instant])
}

/// The instant of a time that the session's clocks show, or of text.
pub(crate) fn instant_of(time: Expr, zone: Zone) -> Expr {
    ScalarUDF::new_from_impl(Conversion::new(INSTANT_OF, zone)).call(vec![time])
}

/// The zone and the direction of a conversion, if a function is one: whether it is to the local time.
pub(crate) fn conversion(function: &ScalarUDF) -> Option<(Zone, bool)> {
    let conversion = function.inner().downcast_ref::<Conversion>()?;
    Some((conversion.zone, conversion.name == LOCAL_TIME))
}

const LOCAL_TIME: &str = "local_time";
const INSTANT_OF: &str = "instant_of";

/// A cast by the rules of a zone.
#[derive(Debug)]
struct Conversion {
    name: &'static str,
    zone: Zone,
    signature: Signature,
}

impl Conversion {
    fn new(name: &'static str, zone: Zone) -> Conversion {
        Conversion { name, zone, signature: Signature::any(1, Volatility::Immutable) }
    }

    fn convert(&self, value: &ArrayRef) -> Result<ArrayRef> {
        let times = match value.data_type() {
            DataType::Utf8 => return instants(value.as_string(), self.zone),
            _ => value.as_primitive::<TimestampMillisecondType>(),
        };
        if self.name == LOCAL_TIME {
            return Ok(to_local(times, self.zone));
        }
        let instants: TimestampMillisecondArray = times.unary(|local| self.zone.instant(local));
        Ok(Arc::new(instants.with_data_type(instant())))
    }
}

impl PartialEq for Conversion {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.zone) == (other.name, other.zone)
    }
}

impl Eq for Conversion {}

impl Hash for Conversion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, self.zone).hash(state);
    }
}

impl ScalarUDFImpl for Conversion {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.name == LOCAL_TIME { TIME } else { instant() })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &args.args[0] {
            ColumnarValue::Array(value) => Ok(self.convert(value)?.into()),
            ColumnarValue::Scalar(value) => {
                Ok(ScalarValue::try_from_array(&self.convert(&value.to_array()?)?, 0)?.into())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use highwater_core::format::read_instant_text;

    use super::super::function::call;
    use super::*;

    fn text(value: &str) -> ColumnarValue {
        ScalarValue::from(value).into()
    }

    #[test]
    fn convert_tz_moves_what_clocks_show() {
        let convert = |time: &str, from: &str, to: &str| {
            let result = call("convert_tz", vec![text(time), text(from), text(to)], 1)?;
            let shown = result.as_string::<i32>();
            Ok::<_, datafusion_common::DataFusionError>((!shown.is_null(0)).then(|| shown.value(0).to_owned()))
        };
        for (time, from, to, expected) in [
            ("1970-01-01 00:00:00", "UTC", "America/Los_Angeles", Some("1969-12-31 16:00:00")),
            ("2024-07-01 12:00:00", "Europe/Berlin", "Asia/Kolkata", Some("2024-07-01 15:30:00")),
            ("2024-03-31 02:30:00", "Europe/Berlin", "GMT+00:00", Some("2024-03-31 01:30:00")),
            ("nonsense", "UTC", "Europe/Berlin", None),
        ] {
            assert_eq!(convert(time, from, to).unwrap().as_deref(), expected, "{time} {from} {to}");
        }
        let error = convert("1970-01-01 00:00:00", "UTC", "Mars/Olympus").unwrap_err().to_string();
        assert!(error.contains("no time zone 'Mars/Olympus'"), "{error}");
        let time: ColumnarValue = ScalarValue::TimestampMillisecond(Some(0), None).into();
        let result = call("convert_tz", vec![time, text("UTC"), text("GMT-08:00")], 1).unwrap();
        assert_eq!(result.as_primitive::<TimestampMillisecondType>().value(0), -8 * 3_600_000);
    }

    #[test]
    fn text_with_an_offset_is_the_same_instant_everywhere() {
        let berlin = Zone::of("Europe/Berlin").unwrap();
        let at = |text: &str| read_instant_text(text, berlin);
        assert_eq!(at("2024-07-01 12:00:00"), at("2024-07-01T10:00:00Z"));
        assert_eq!(at("2024-07-01T12:00:00+02:00"), at("2024-07-01T10:00:00Z"));
        assert_eq!((at("1970-01-01"), at("x")), (Some(-3_600_000), None));
    }
}
