//! What options mean, and which are refused.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use highwater_core::source::Connector;

use super::*;
use crate::Kafka;

/// A source of `k`, `key_b`, `n` with these options.
fn spec(pairs: &[(&str, &str)]) -> SourceSpec {
    let fields = ["k", "key_b", "n"].map(|name| Field::new(name, DataType::Utf8, true));
    let mut spec =
        SourceSpec::new("s", (&Kafka as &'static dyn Connector).into(), Arc::new(Schema::new(fields.to_vec())));
    let servers = [("properties.bootstrap.servers", "localhost:9092")];
    let pairs = servers.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    spec.options = pairs.collect();
    spec
}

fn of(pairs: &[(&str, &str)]) -> Result<Settings, String> {
    let common = [("topic", "t"), ("format", "json")];
    let common = common.iter().filter(|(name, _)| {
        !pairs.iter().any(|(other, _)| other == name || *other == "topic-pattern" && *name == "topic")
    });
    let all: Vec<(&str, &str)> = common.chain(pairs.iter()).copied().collect();
    let spec = spec(&all);
    Kafka.check(&spec).map_err(|error| error.to_string())?;
    Settings::of(&spec).map_err(|error| error.to_string())
}

#[test]
fn where_a_source_begins_and_ends_is_as_flink_has_it() {
    let start = |pairs: &[(&str, &str)]| of(pairs).map(|settings| settings.start);
    assert_eq!(start(&[]), Ok(Place::Earliest), "without a group");
    assert_eq!(start(&[("properties.group.id", "g")]), Ok(Place::Group));
    let latest = [("properties.group.id", "g"), ("scan.startup.mode", "latest-offset")];
    assert_eq!(start(&latest), Ok(Place::Latest));
    let time = [("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", "7")];
    assert_eq!(start(&time), Ok(Place::Time(7)));
    let offsets = [
        ("scan.startup.mode", "specific-offsets"),
        ("scan.startup.specific-offsets", "partition:0,offset:42; partition:1,offset:300"),
    ];
    assert_eq!(start(&offsets), Ok(Place::Offsets([(0, 42), (1, 300)].into())));
    let bounded = |pairs: &[(&str, &str)]| of(pairs).map(|settings| settings.bounded);
    assert_eq!(bounded(&[]), Ok(None));
    assert_eq!(bounded(&[("scan.bounded.mode", "unbounded")]), Ok(None));
    assert_eq!(bounded(&[("scan.bounded.mode", "latest-offset")]), Ok(Some(Place::Latest)));
    let refused = |pairs: &[(&str, &str)], word: &str| {
        let told = of(pairs).unwrap_err();
        assert!(told.contains(word), "{told}");
    };
    refused(&[("scan.startup.mode", "group-offsets")], "properties.group.id");
    refused(&[("scan.startup.mode", "timestamp")], "scan.startup.timestamp-millis");
    refused(&[("scan.startup.timestamp-millis", "7")], "'scan.startup.mode' = 'timestamp'");
    refused(&[("scan.startup.mode", "soon")], "earliest-offset");
    refused(
        &[("scan.bounded.mode", "specific-offsets"), ("scan.bounded.specific-offsets", "0:42")],
        "partition:0,offset:42",
    );
    refused(&[("topic", "a;b"), offsets[0], offsets[1]], "one topic");
    refused(&[("topic", "a b")], "letters");
    refused(&[("topic-pattern", "("), ("format", "json")], "regular expression");
    refused(&[("scan.topic", "x")], "unknown option 'scan.topic'");
    refused(&[("csv.header", "false")], "unknown option 'csv.header'");
}

#[test]
fn topics_are_listed_or_match_as_a_whole() {
    let Topics::Named(names) = of(&[("topic", " b; a ;b")]).unwrap().topics else { panic!("they are named") };
    assert_eq!(names, ["a", "b"]);
    let Topics::Matching(pattern) = of(&[("topic-pattern", "a|b.*")]).unwrap().topics else {
        panic!("it is a pattern")
    };
    assert_eq!(["a", "ax", "bx", "xb"].map(|name| pattern.is_match(name)), [true, false, true, false]);
}

#[test]
fn keys_have_columns_of_their_own_only_where_values_lack_them() {
    let keyed = [("key.format", "csv"), ("key.fields", "k;key_b"), ("key.csv.field-delimiter", ";")];
    assert!(of(&keyed).unwrap().key.is_none(), "values have all columns");
    let except = [keyed[0], keyed[1], keyed[2], ("value.fields-include", "EXCEPT_KEY")];
    let key = of(&except).unwrap().key.unwrap();
    assert_eq!(
        (key.columns, key.options.get("format"), key.options.get("csv.field-delimiter")),
        (vec![0, 1], Some("csv"), Some(";"))
    );
    let prefixed = [("key.format", "json"), ("key.fields", "key_b"), ("key.fields-prefix", "key_"), except[3]];
    assert_eq!(of(&prefixed).unwrap().key.unwrap().prefix, "key_");
    let refused = |pairs: &[(&str, &str)], word: &str| {
        let told = of(pairs).unwrap_err();
        assert!(told.contains(word), "{told}");
    };
    refused(&prefixed[..3], "EXCEPT_KEY");
    refused(&[prefixed[0], ("key.fields", "k"), prefixed[2], prefixed[3]], "does not begin so");
    refused(&[prefixed[0], ("key.fields", "no"), prefixed[3]], "no column 'no'");
    refused(&[("key.fields", "k")], "key.format");
    refused(&[("key.format", "json")], "key.fields");
    refused(&[prefixed[3]], "key.format");
    refused(&[keyed[0], keyed[1], ("key.csv.no-such", "x")], "unknown option 'csv.no-such'");
    refused(&[("value.format", "csv"), ("format", "json")], "write one");
    refused(&[("format", "parquet")], "of files");
    refused(&[("format", "csv"), ("csv.header", "true")], "no header");
}
