//! Texts of the planner and of Arrow in SQL's words: names of columns that nobody named, messages.
//!
//! `substr(page,Int64(2))` is `substr(page, 2)`, `Can't cast value 300 to type Int8` is `300 is beyond TINYINT`, and the engine's own columns, whose
//! names begin with two underscores, are said in English.

/// The engine's own columns.
const OWN: &[(&str, &str)] = &[
    ("__sequence", "row number"),
    ("__time", "event time"),
    ("__closes", "closing time"),
    ("__arrival", "arrival time"),
    ("__keep", "kept"),
    ("__grouping_id", "grouping_id"),
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
    // What only puts values into one form is not said.
    if let ("__canonical", Some(within)) = (word, within) {
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
        ] {
            assert_eq!(plain(shown), said);
        }
    }
}
