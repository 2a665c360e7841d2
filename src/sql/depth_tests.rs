//! Long chains plan, and what nests too deep is refused where it does.

use super::plan_tests::{BID, compiled};

fn many(count: usize, between: &str, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(between)
}

fn planned(query: &str) -> Result<(), String> {
    match compiled(&format!("{BID}CREATE MATERIALIZED VIEW v AS\n{query};")) {
        Ok(_) => Ok(()),
        Err(errors) => Err(errors.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn long_chains_plan() {
    let ors = many(3_000, " OR ", |at| format!("price + {at} = bidder"));
    assert_eq!(planned(&format!("SELECT auction FROM bid WHERE {ors}")), Ok(()));
    let ands = many(3_000, " AND ", |at| format!("price <> bidder + {at}"));
    assert_eq!(planned(&format!("SELECT auction FROM bid WHERE {ands}")), Ok(()));
    let texts = many(1_000, " || ", |_| "channel".to_owned());
    assert_eq!(planned(&format!("SELECT {texts} AS x FROM bid")), Ok(()));
    let unions = many(500, " UNION ALL ", |at| format!("SELECT price + {at} AS x FROM bid"));
    assert_eq!(planned(&unions), Ok(()));
    let sums = many(250, " + ", |_| "price".to_owned());
    assert_eq!(planned(&format!("SELECT {sums} AS x FROM bid")), Ok(()));
}

#[test]
fn what_nests_too_deep_is_refused_where_it_does() {
    let nested = |open: &str, close: &str, count: usize| format!("{}price{}", open.repeat(count), close.repeat(count));
    for query in [
        format!("SELECT {} AS x FROM bid", many(3_000, " + ", |_| "price".to_owned())),
        format!("SELECT {} AS x FROM bid", nested("(", ")", 3_000)),
        format!("SELECT {} AS x FROM bid", nested("CASE WHEN price = 1 THEN 1 ELSE ", " END", 1_000)),
        format!("SELECT {} AS x FROM bid", nested("ABS(", ")", 1_000)),
        format!("SELECT {} AS x FROM bid", nested("- ", "", 2_000)),
        format!("SELECT price FROM bid WHERE {}", nested("NOT ", " = 1", 2_000)),
        format!("SELECT price FROM {}bid{}", "(SELECT price FROM ".repeat(500), ") t".repeat(500)),
        format!("SELECT price FROM bid WHERE {}", many(20_000, " OR ", |at| format!("price = {at}"))),
    ] {
        let error = planned(&query).expect_err("it is too deep");
        let at = error.split(':').nth(2).and_then(|column| column.parse::<usize>().ok());
        assert!(error.contains("too deep") || error.contains("operands"), "{}", &error[..error.len().min(300)]);
        assert!(at.is_some_and(|column| column > 5), "{}", &error[..error.len().min(100)]);
    }
}
