//! Durations and times as people write them: `5 s`, `10ms`, `1 minute`; RFC 3339.

/// Units and their length in ms, longest names first within a unit.
const UNITS: &[(&[&str], i64)] = &[
    (&["milliseconds", "millisecond", "millis", "ms"], 1),
    (&["seconds", "second", "secs", "sec", "s"], 1_000),
    (&["minutes", "minute", "mins", "min", "m"], 60_000),
    (&["hours", "hour", "h"], 3_600_000),
    (&["days", "day", "d"], 86_400_000),
];

/// Parses `5 s`, `10ms`, `1.5 minutes`, `1h` into ms; a bare number is refused, since its unit would be a guess.
///
/// ```
/// use highwater_core::time::parse_duration_ms;
/// assert_eq!(parse_duration_ms("1 minute"), Ok(60_000));
/// assert_eq!(parse_duration_ms("1.5s"), Ok(1_500));
/// assert!(parse_duration_ms("5").is_err() && parse_duration_ms("-1 s").is_err());
/// ```
pub fn parse_duration_ms(text: &str) -> Result<i64, String> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let refuse = || format!("'{text}' is not a duration: write a number and a unit (ms, s, min, h, d), like '5 s'");
    let number: f64 = number.parse().map_err(|_| refuse())?;
    let unit = unit.trim().to_ascii_lowercase();
    let (_, scale) = UNITS.iter().find(|(names, _)| names.contains(&unit.as_str())).ok_or_else(refuse)?;
    let ms = number * *scale as f64;
    if ms.is_finite() && ms < i64::MAX as f64 { Ok(ms.round() as i64) } else { Err(refuse()) }
}

/// A duration in the largest unit that divides it: `90000` is `90 s`, `60000` is `1 min`.
pub fn format_duration_ms(ms: i64) -> String {
    let (unit, scale) = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)]
        .into_iter()
        .find(|(_, scale)| ms != 0 && ms % scale == 0)
        .unwrap_or(("ms", 1));
    format!("{} {unit}", ms / scale)
}

/// A time as RFC 3339 with milliseconds and `Z`; the ends of time are `-infinity` and `infinity`.
pub fn format_time_ms(ms: i64) -> String {
    match ms {
        i64::MIN => "-infinity".to_owned(),
        i64::MAX => "infinity".to_owned(),
        _ => chrono::DateTime::from_timestamp_millis(ms)
            .map_or_else(|| format!("{ms} ms"), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
    }
}
