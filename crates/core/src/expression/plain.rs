//! Texts of the planner and of Arrow in SQL's words: names of columns that nobody named, messages.
//!
//! `substr(page,Int64(2))` is `substr(page, 2)`, `Can't cast value 300 to type Int8` is `300 is beyond TINYINT`, and the engine's own columns, whose
//! names begin with two underscores, are said in English.

/// The engine's own columns, and forms of functions.
const OWN: &[(&str, &str)] = &[
    ("__sequence", "row number"),
    ("__time", "event time"),
    ("__closes", "closing time"),
    ("__arrival", "arrival time"),
    ("__keep", "kept"),
    ("__key", "key"),
    ("__mark", "mark"),
    ("__exists", "EXISTS (SELECT ...)"),
    ("__grouping_id", "grouping_id"),
    ("__rlike", "regexp"),
    ("__regexp", "regexp"),
    ("__whole_seconds", "floor"),
];

/// Arrow's names of types that have one word in SQL.
const TYPES: &[(&str, &str)] = &[
    ("Boolean", "BOOLEAN"),
    ("Int8", "TINYINT"),
    ("Int16", "SMALLINT"),
    ("Int32", "INT"),
    ("Int64", "BIGINT"),
    ("UInt8", "SMALLINT"),
    ("UInt16", "INT"),
    ("UInt32", "BIGINT"),
    ("UInt64", "DECIMAL(20, 0)"),
    ("Float16", "FLOAT"),
    ("Float32", "FLOAT"),
    ("Float64", "DOUBLE"),
    ("Utf8", "VARCHAR"),
    ("Utf8View", "VARCHAR"),
    ("LargeUtf8", "VARCHAR"),
    ("Binary", "BYTES"),
    ("LargeBinary", "BYTES"),
    ("Date32", "DATE"),
    ("Null", "NULL"),
];

/// Arrow's names of types with parameters.
const WITH_PARAMETERS: &[(&str, &str)] = &[
    ("Timestamp", "TIMESTAMP(3)"),
    ("Time32", "TIME"),
    ("Interval", "INTERVAL"),
    ("Duration", "INTERVAL"),
    ("Decimal128", "DECIMAL"),
];

/// A text in SQL's words.
pub fn plain(text: &str) -> String {
    if let Some((_, said)) = OWN.iter().find(|(name, _)| *name == text) {
        return (*said).to_owned();
    }
    if let Some(said) = beyond(text) {
        return said;
    }
    let text = text.replace("count(Int64(1))", "count(*)");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        if !(first.is_alphanumeric() || first == '_') {
            // What is quoted is somebody's own, but for names.
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = word_of(word, behind, &mut out);
    }
    out
}

/// What Arrow and the library say of a number that its type does not hold.
fn beyond(text: &str) -> Option<String> {
    let of = |name: &str| TYPES.iter().find(|(arrow, _)| *arrow == name).map(|(_, sql)| *sql);
    if let Some((value, kind)) = text.strip_prefix("Can't cast value ").and_then(|rest| rest.split_once(" to type ")) {
        return Some(format!("{value} is beyond {}", of(kind)?));
    }
    if let Some((kind, call)) = text.split_once("Array overflow on abs(") {
        return Some(format!("ABS({call} is beyond {}", of(kind)?));
    }
    let text = text.strip_prefix("Invalid argument error: ").unwrap_or(text);
    let (value, rest) = text
        .split_once(" is too large to store in a Decimal")
        .or_else(|| text.split_once(" is too small to store in a Decimal"))?;
    let precision = rest.split("precision ").nth(1)?.split('.').next()?;
    let limit = rest.rsplit(' ').next()?;
    let scale = limit.split_once('.').map_or(0, |(_, places)| places.len());
    Some(format!("{value} is beyond DECIMAL({precision}, {scale})"))
}

/// Writes a word of a text; answers what is left behind it.
fn word_of<'a>(word: &str, behind: &'a str, out: &mut String) -> &'a str {
    let within = enclosed(behind);
    if let Some((_, sql)) = TYPES.iter().find(|(arrow, _)| *arrow == word) {
        return match within.and_then(|within| Some((literal(within)?, within.len()))) {
            Some((value, length)) => {
                out.push_str(&value);
                &behind[length + 2..]
            }
            None => {
                out.push_str(sql);
                behind
            }
        };
    }
    if let (Some((arrow, sql)), Some(within)) = (WITH_PARAMETERS.iter().find(|(arrow, _)| *arrow == word), within) {
        match decimal(within) {
            Some(value) if *arrow == "Decimal128" => out.push_str(&value),
            _ if *arrow == "Decimal128" => out.push_str(&format!("{sql}({within})")),
            _ if *arrow == "Timestamp" && within.contains('"') => out.push_str("TIMESTAMP_LTZ(3)"),
            _ => out.push_str(sql),
        }
        return &behind[within.len() + 2..];
    }
    if let (Some(sql), Some(within)) = (within.and_then(|within| nested(word, within)), within) {
        out.push_str(&sql);
        return &behind[within.len() + 2..];
    }
    if word == "IntervalMonthDayNano"
        && let Some((shown, rest)) = interval(behind)
    {
        out.push_str(&shown);
        return rest;
    }
    // What only puts values into one form, or stands around a call, is not said.
    if let ("__canonical" | "__settled", Some(within)) = (word, within) {
        out.push_str(&plain(within));
        return &behind[within.len() + 2..];
    }
    // A number and its text.
    if let ("__exact", Some(within)) = (word, within) {
        out.push_str(&plain(within.split(',').next().unwrap_or(within)));
        return &behind[within.len() + 2..];
    }
    if let Some((_, said)) = OWN.iter().find(|(name, _)| *name == word) {
        out.push_str(said);
        return behind;
    }
    match (word.strip_prefix("__pick"), word.strip_prefix("__json_value__")) {
        (Some(number), _) => out.push_str(&format!("measure {number}")),
        (_, Some(_)) => out.push_str("json_value"),
        _ => out.push_str(word),
    }
    behind
}

/// A type that holds others, as Arrow shows it: `List(Int32)`, `Struct("p": Int32)`, `Map("entries": Struct("key": Utf8, "value": Int32), unsorted)`.
fn nested(word: &str, within: &str) -> Option<String> {
    let plain_type = |shown: &str| plain(shown.strip_prefix("non-null ").unwrap_or(shown));
    let fields = |within: &str| -> Option<Vec<(String, String)>> {
        let field = |field: &str| {
            let (name, data_type) = field.strip_prefix('"')?.split_once("\": ")?;
            Some((name.to_owned(), plain_type(data_type)))
        };
        parts(within).into_iter().map(field).collect()
    };
    match word {
        "List" | "LargeList" if !within.is_empty() => Some(format!("ARRAY<{}>", plain_type(within))),
        "Struct" => {
            let fields: Vec<String> = fields(within)?.into_iter().map(|(name, of)| format!("{name} {of}")).collect();
            Some(format!("ROW<{}>", fields.join(", ")))
        }
        "Map" => {
            let entries = enclosed(within.split_once("Struct")?.1)?;
            let fields: Vec<String> = fields(entries)?.into_iter().map(|(_, of)| of).collect();
            Some(format!("MAP<{}>", fields.join(", ")))
        }
        _ => None,
    }
}

/// The parts of a list, which may have lists in them.
pub(super) fn parts(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut start) = (Vec::new(), 0, false, 0);
    for (at, c) in list.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// An interval as Arrow shows it, as SQL writes it; and what is left behind it.
fn interval(behind: &str) -> Option<(String, &str)> {
    let (within, rest) = match enclosed(behind) {
        Some(within) => (within, &behind[within.len() + 2..]),
        None => behind.strip_prefix(" {")?.split_once('}')?,
    };
    let part = |name: &str| -> Option<i64> {
        let digits = within.split_once(name)?.1.trim_start_matches(": ");
        let end = digits.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(digits.len());
        digits[..end].parse().ok()
    };
    let nanoseconds = part("nanoseconds")?;
    let (seconds, below) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let parts = [(part("months")?, "mons"), (part("days")?, "days"), (seconds, "secs"), (below, "ns")];
    let shown: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count != 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    let text = if shown.is_empty() { "0 secs".to_owned() } else { shown.join(" ") };
    Some((format!("INTERVAL '{text}'"), rest))
}

/// What stands in the parentheses that a text begins with.
fn enclosed(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?;
    let (mut depth, mut quoted) = (0, false);
    for (at, c) in inner.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => return Some(&inner[..at]),
            ')' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A literal as the planner shows it, as SQL writes it.
fn literal(shown: &str) -> Option<String> {
    if shown == "NULL" {
        return Some("NULL".to_owned());
    }
    if let Some(text) = shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Some(format!("'{}'", text.replace('\'', "''")));
    }
    let number = shown.parse::<f64>().is_ok() || matches!(shown, "true" | "false");
    number.then(|| shown.to_owned())
}

/// The value of `Some(125),5,2`, which is 1.25.
fn decimal(shown: &str) -> Option<String> {
    let (value, type_of) = shown.strip_prefix("Some(")?.split_once(')')?;
    let scale: usize = type_of.rsplit(',').next()?.trim().parse().ok()?;
    let (sign, digits) = value.strip_prefix('-').map_or(("", value), |digits| ("-", digits));
    if scale == 0 {
        return Some(format!("{sign}{digits}"));
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    Some(format!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_the_planner_shows_is_said_in_sql() {
        for (shown, said) in [
            ("count(Int64(1))", "count(*)"),
            ("substr(page,Int64(2))", "substr(page,2)"),
            ("page = Utf8(\"/a (b's)\")", "page = '/a (b''s)'"),
            ("x > Float64(-1.5) AND b = Boolean(true)", "x > -1.5 AND b = true"),
            ("coalesce(x,Int64(NULL))", "coalesce(x,NULL)"),
            ("Decimal128(Some(-125),5,2) + d", "-1.25 + d"),
            ("Can't cast value 300 to type Int8", "300 is beyond TINYINT"),
            ("Int64Array overflow on abs(-9223372036854775808)", "ABS(-9223372036854775808) is beyond BIGINT"),
            ("Cannot cast Utf8 to Timestamp(ms, \"+00:00\")", "Cannot cast VARCHAR to TIMESTAMP_LTZ(3)"),
            ("sum(Utf8, Decimal128(10, 2))", "sum(VARCHAR, DECIMAL(10, 2))"),
            ("__sequence", "row number"),
            ("sum(CASE WHEN x THEN __exact(Float64(1.5),Utf8(\"1.5\")) END)", "sum(CASE WHEN x THEN 1.5 END)"),
            ("__json_value__int(j, '$.a')", "json_value(j, '$.a')"),
            ("__pick5", "measure 5"),
            ("__canonical(__canonical(x)) + a.__grouping_id", "x + a.grouping_id"),
            (
                "Invalid argument error: 1000.00 is too large to store in a Decimal128 of precision 5. Max is 999.99",
                "1000.00 is beyond DECIMAL(5, 2)",
            ),
            ("größer_Int8 und Int8x", "größer_Int8 und Int8x"),
            ("UPPER does not take (Null, List(Int32))", "UPPER does not take (NULL, ARRAY<INT>)"),
            ("List(non-null Struct(\"p\": Int32, \"q r\": List(Utf8)))", "ARRAY<ROW<p INT, q r ARRAY<VARCHAR>>>"),
            (
                "Map(\"entries\": non-null Struct(\"key\": non-null Utf8, \"value\": Decimal128(10, 2)), unsorted) and Int64",
                "MAP<VARCHAR, DECIMAL(10, 2)> and BIGINT",
            ),
            (
                "x + IntervalMonthDayNano(\"IntervalMonthDayNano { months: 1, days: 0, nanoseconds: -1500000000 }\")",
                "x + INTERVAL '1 mons -1 secs -500000000 ns'",
            ),
            (
                "CAST(IntervalMonthDayNano { months: 0, days: 0, nanoseconds: 0 } AS INT)",
                "CAST(INTERVAL '0 secs' AS INT)",
            ),
        ] {
            assert_eq!(plain(shown), said);
        }
    }
}
