//! The chart that a published view asks for, `WITH ('chart' = 'lines mean by location')`: a kind, then if wanted the column
//! that is drawn, then `by` and the column that has a line, or a bar, for each of its values.

use arrow_schema::Schema;

/// The kinds of charts, and what each shows.
pub const CHARTS: &[(&str, &str)] = &[
    ("lines", "over time, a line a key"),
    ("bars", "the highest keys"),
    ("distribution", "how many rows have which value"),
    ("number", "the value of a view of one row"),
    ("none", "no chart, and no place on the board"),
];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// One of [`CHARTS`].
    pub kind: &'static str,
    /// The column that is drawn; without one the page chooses.
    pub value: Option<String>,
    /// The column that tells lines or bars apart; without one the view's key does.
    pub by: Option<String>,
}

impl Chart {
    /// Reads what a view of these columns asks for, or says what is wrong and what would do.
    pub fn parse(text: &str, schema: &Schema) -> Result<Chart, String> {
        let mut words = text.split_whitespace();
        let word = words.next().unwrap_or_default();
        let kinds = || CHARTS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ");
        let found = CHARTS.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(word));
        let (kind, _) = found.ok_or_else(|| format!("begin with one of {}", kinds()))?;
        let rest: Vec<&str> = words.collect();
        let by = rest.iter().position(|word| word.eq_ignore_ascii_case("by"));
        let (value, by) = match by {
            Some(at) => (&rest[..at], Some(rest[at + 1..].join(" "))),
            None => (&rest[..], None),
        };
        let value = if value.is_empty() { None } else { Some(column(&value.join(" "), schema)?) };
        if let Some((name, field)) = value.as_ref().and_then(|name| Some((name, schema.field_with_name(name).ok()?)))
            && !field.data_type().is_numeric()
        {
            return Err(format!(
                "column '{name}' is {}, and a chart draws numbers",
                super::sql_type(field.data_type())
            ));
        }
        Ok(Chart { kind, value, by: by.map(|name| column(&name, schema)).transpose()? })
    }
}

/// The column of that name, compared without case if none is written so.
fn column(name: &str, schema: &Schema) -> Result<String, String> {
    let names = || schema.fields().iter().map(|field| field.name());
    let found = names().find(|known| *known == name).or_else(|| names().find(|known| known.eq_ignore_ascii_case(name)));
    found.cloned().ok_or_else(|| {
        let known = names().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("there is no column '{name}'; the view has: {known}; write KIND [COLUMN] [by COLUMN]")
    })
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field};

    use super::*;

    #[test]
    fn a_chart_is_a_kind_a_number_and_what_tells_lines_apart() {
        let field = |name: &str, kind| Field::new(name, kind, true);
        let schema = Schema::new(vec![
            field("location", DataType::Utf8),
            field("mean", DataType::Float64),
            field("Mean high", DataType::Int64),
        ]);
        let read = |text: &str| {
            let chart = Chart::parse(text, &schema)?;
            Ok::<_, String>((chart.kind, chart.value.unwrap_or_default(), chart.by.unwrap_or_default()))
        };
        let owned = |kind, value: &str, by: &str| Ok((kind, value.to_owned(), by.to_owned()));
        assert_eq!(read("lines mean by location"), owned("lines", "mean", "location"));
        assert_eq!(read("  BARS  MEAN HIGH BY Location "), owned("bars", "Mean high", "location"));
        assert_eq!(read("bars by location"), owned("bars", "", "location"));
        assert_eq!(read("none"), owned("none", "", ""));
        let wrong = |text: &str| read(text).expect_err(text);
        assert!(wrong("").starts_with("begin with one of lines, bars"), "{}", wrong(""));
        assert!(wrong("pie mean").starts_with("begin with one of lines"));
        assert!(wrong("lines median").starts_with("there is no column 'median'; the view has: location, mean"));
        assert!(wrong("bars location").starts_with("column 'location' is VARCHAR"), "{}", wrong("bars location"));
        assert!(wrong("bars mean by").starts_with("there is no column ''"));
    }
}
