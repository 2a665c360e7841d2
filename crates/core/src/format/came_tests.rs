//! A record as it came is the one that its row was made of, in every format of text; and files that name a column twice.
#![allow(clippy::unwrap_used)]

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};

use super::tests::{options, schema};
use super::*;

/// How an input of pieces is decoded: its format, options, what stands before the pieces and between them, and pieces.
struct Case {
    format: &'static str,
    given: &'static [(&'static str, &'static str)],
    head: &'static str,
    between: &'static str,
    pieces: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        format: "json",
        given: &[],
        head: "",
        between: "\n",
        pieces: &[
            "{\"n\":1,\"t\":\"a\"}",
            "  {\"t\":\"é\\n\", \"n\":2}\r",
            "",
            "   ",
            "no",
            "{\"n\":\"x\"}",
            "{\"n\":3}  ",
            "x[{}]",
            "{\"n\":4",
        ],
    },
    Case {
        format: "json",
        given: &[],
        head: "[",
        between: ",",
        pieces: &[
            "{\"n\":1,\"t\":\"],}\"}",
            "\n{\"n\":\n2}",
            "",
            "{\"n\":3} {\"n\":4}",
            " no ",
            "{\"n\":\"x\"}",
            "]",
            "[1,{\"n\":9}]",
            "}",
        ],
    },
    Case {
        format: "csv",
        given: &[("csv.allow-comments", "true")],
        head: "n,t\n",
        between: "\n",
        pieces: &[
            "1,a",
            "2,\"b\nc\"\r",
            "",
            "x,y",
            "3",
            "#4,\"",
            "5,\"open",
            "6,\"a\"b",
            "7,\"\"\"\n\n\"",
            "8,8\" pipe",
        ],
    },
    Case {
        format: "regex",
        given: &[("regex.pattern", "(?<n>[0-9]+) *(?<t>.*)")],
        head: "",
        between: "\n",
        pieces: &["1 a", "2", "", "no", "33 é\r", "99999999999999999999999"],
    },
];

fn decoding(case: &Case) -> Arc<dyn TextDecoding> {
    let schema = schema(&[("n", DataType::Int64), ("t", DataType::Utf8)]);
    let options = options(case.given);
    let layout = Layout::new(&schema, &[0, 1], &options).unwrap();
    match find(case.format).unwrap().decoding(&layout, &options).unwrap() {
        Decoding::Text(text) => text,
        Decoding::Blocks(_) => panic!("not a text format"),
    }
}

fn rows(part: &Part) -> Vec<String> {
    (0..part.batch.num_rows()).map(|row| row_as_json(part.batch.schema_ref(), part.batch.columns(), row)).collect()
}

#[test]
fn the_record_of_a_row_is_what_it_was_made_of() {
    let mut shown = 0;
    for case in CASES {
        let decoding = decoding(case);
        for seed in 0..300_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut next = |below: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % below
            };
            let pieces: Vec<&str> = (0..1 + next(8)).map(|_| case.pieces[next(case.pieces.len())]).collect();
            let text = format!("{}{}\n", case.head, pieces.join(case.between));
            let beginning = decoding.begin(text.as_bytes(), true).unwrap().unwrap();
            let chunk = Lent::new(text.as_bytes()[beginning.skip..].to_vec());
            let part = beginning.records.decoder().decode(&chunk);
            let came = Came::text(chunk.bytes(), &beginning.records);
            let number = |row: usize| part.numbers.as_ref().map_or(row as u64, |numbers| numbers[row]);
            // In their order, then against it, then once more.
            let mut finder = came.finder();
            let all = 0..part.batch.num_rows();
            for row in all.clone().chain(all.clone().rev()).chain(all.clone().flat_map(|row| [row, row])) {
                let record = finder.record(number(row)).unwrap();
                let again = decode_text(decoding.as_ref(), format!("{}{record}\n", case.head).as_bytes()).unwrap();
                assert_eq!(rows(&again), [rows(&part)[row].clone()], "{record:?} of {text:?}");
                shown += 1;
            }
            assert_eq!(finder.record(part.records), None, "{text:?}");
            drop(came);
            assert!(!chunk.back().is_empty(), "it comes back");
        }
    }
    assert!(shown > 4_000, "{shown}");
}

#[test]
fn parts_that_are_joined_keep_their_records() {
    let decoding = decoding(&CASES[0]);
    let records = decoding.begin(b"{", true).unwrap().unwrap().records;
    let mut came = Came::text("{\"n\":1}\n\n{\"n\":2}\n".into(), &records);
    let n: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
    came.append(3, Came::rows(&RecordBatch::try_from_iter([("n", n)]).unwrap()));
    let mut finder = came.finder();
    let found = [2, 0, 4, 3, 5].map(|number| finder.record(number).unwrap_or_default());
    assert_eq!(found, ["{\"n\":2}", "{\"n\":1}", "{\"n\":8}", "{\"n\":7}", ""]);
    assert_eq!(Came::default().finder().record(0), None);
}

#[test]
fn a_long_record_is_cut() {
    let decoding = decoding(&CASES[3]);
    let records = decoding.begin(b"", true).unwrap().unwrap().records;
    let came = Came::text(format!("1\n{}\n", "é".repeat(2000)).into(), &records);
    assert_eq!(came.finder().record(1).unwrap(), "é".repeat(512));
}

fn members(names: [&str; 2]) -> ArrayRef {
    let fields: Fields = names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect();
    let values: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![2]))];
    Arc::new(StructArray::try_new(fields, values, None).unwrap())
}

/// As a CSV header that does so is refused.
#[test]
fn a_file_that_names_a_declared_column_twice_is_refused() {
    let (n, t): (ArrayRef, ArrayRef) = (Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["a"])));
    let row = Arc::new(Field::new("x", DataType::Int64, true));
    let rows = DataType::Struct(vec![row].into());
    let declared = schema(&[("n", DataType::Int64), ("t", DataType::Utf8), ("r", rows)]);
    for (columns, told) in [
        (vec![("n", n.clone()), ("t", t.clone()), ("n", n.clone())], Some("column 'n' twice, as number 1 and 3")),
        // Also one that is not read.
        (vec![("n", n.clone()), ("t", t.clone()), ("t", t.clone())], Some("column 't' twice, as number 2 and 3")),
        (vec![("n", n.clone()), ("r", members(["x", "x"]))], Some("column 'r.x' twice, as number 1 and 2")),
        (vec![("n", n.clone()), ("o", t.clone()), ("o", t.clone())], None),
        (vec![("n", n.clone()), ("r", members(["x", "y"]))], None),
    ] {
        let schema: Vec<Field> =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
        let values: Vec<ArrayRef> = columns.into_iter().map(|(_, column)| column).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(schema)), values).unwrap();
        for name in ["arrow", "parquet"] {
            let format = find(name).unwrap();
            let mut bytes = Vec::new();
            let mut encoder = format.encoder(&batch.schema(), &Options::default()).unwrap();
            encoder.encode(&batch, &mut bytes).unwrap();
            encoder.finish(&mut bytes).unwrap();
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
            let layout = Layout::new(&declared, &[0], &Options::default()).unwrap();
            let Decoding::Blocks(blocks) = format.decoding(&layout, &Options::default()).unwrap() else {
                panic!("{name} is a format of blocks")
            };
            let opened = blocks.open(Input::File(Arc::new(file)), Spot::default());
            match (opened, told) {
                (Ok(mut parts), None) => assert_eq!(parts.next().unwrap().unwrap().0.batch.num_rows(), 1),
                (Err(error), Some(told)) => assert!(error.contains(told) && error.contains("another name"), "{error}"),
                (opened, _) => panic!("{name}: {told:?}, and it is {:?}", opened.map(|_| ())),
            }
        }
    }
}
