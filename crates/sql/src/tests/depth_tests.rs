//! Long chains plan, and what nests too deep is refused where it does.

use super::plan_tests::{BID, compiled};
use highwater_core::time::Clock;

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
        format!("SELECT {} AS x FROM bid", nested("ABS(", ")", 151)),
        format!("SELECT {} AS x FROM bid", nested("ROW(", ")", 290)),
        format!("SELECT {} AS x FROM bid", nested("- ", "", 2_000)),
        format!("SELECT price FROM bid WHERE {}", nested("NOT ", " = 1", 2_000)),
        format!("SELECT price FROM {}bid{}", "(SELECT price FROM ".repeat(500), ") t".repeat(500)),
        format!("SELECT price FROM bid WHERE {}", many(20_000, " OR ", |at| format!("price = {at}"))),
        format!("SELECT price{} AS x FROM bid", "::BIGINT".repeat(3_000)),
        format!("SELECT price{} AS x FROM bid", " IS NULL".repeat(3_000)),
        format!("SELECT {} AS x FROM bid", nested("ARRAY[", "]", 3_000)),
        format!("SELECT {} AS x FROM bid", nested("CAST(", " AS BIGINT)", 600)),
        format!("SELECT {} AS x FROM bid", nested("(price IN (", "))", 400)),
        format!("SELECT {} AS x FROM bid", nested("(SELECT MAX(", ") FROM bid)", 350)),
    ] {
        let error = planned(&query).expect_err("it is too deep");
        let at = error.split(':').nth(2).and_then(|column| column.parse::<usize>().ok());
        assert!(error.contains("too deep") || error.contains("operands"), "{}", &error[..error.len().min(300)]);
        assert!(at.is_some_and(|column| column > 5), "{}", &error[..error.len().min(100)]);
    }
}

/// `form` in itself, in the place of its `?`.
fn within(form: &str, leaf: &str, depth: usize) -> String {
    (0..depth).fold(leaf.to_owned(), |inner, _| form.replace('?', &format!("({inner})")))
}

#[test]
fn what_stands_in_one_another_plans_in_time_of_its_length() {
    let clock = Clock::start();
    for form in [
        "COALESCE(?, bidder)",
        "IFNULL(?, bidder)",
        "COALESCE(bidder, ?)",
        "SIGN(?)",
        "CHAR_LENGTH(CAST(? AS VARCHAR))",
        "TRUNCATE(?, 1)",
        "CASE WHEN bidder = 1 THEN bidder ELSE ? END",
        "CASE WHEN bidder = 1 THEN ? ELSE bidder END",
        "ARRAY[?][1]",
        "NULLIF(?, bidder)",
        "GREATEST(?, bidder)",
    ] {
        let query = format!("SELECT {} AS x FROM bid", within(form, "price", 20));
        assert_eq!(planned(&query), Ok(()), "{form}");
    }
    let calls = within("UPPER(?)", "channel", 100);
    assert_eq!(planned(&format!("SELECT {calls} AS x FROM bid")), Ok(()));
    let exists = many(20, " OR ", |at| format!("EXISTS (SELECT 1 FROM bid b WHERE b.price = bid.price + {at})"));
    assert_eq!(planned(&format!("SELECT price FROM bid WHERE {exists}")), Ok(()));
    let joins = many(16, "", |at| format!(" FULL JOIN bid b{at} USING (auction)"));
    assert_eq!(planned(&format!("SELECT auction FROM bid{joins}")), Ok(()));
    in_good_time(&clock, 14);
}

/// What doubles by the level takes hours. A test says so much later than a person would, since others run beside it.
fn in_good_time(clock: &Clock, queries: u32) {
    let per_query = clock.elapsed() / queries;
    assert!(per_query < std::time::Duration::from_secs(15), "{per_query:?} a query");
}

#[test]
fn what_doubles_by_the_level_is_refused_in_good_time() {
    let clock = Clock::start();
    for (form, leaf) in [
        ("? BETWEEN FALSE AND (price = 2)", "(price = 1)"),
        ("? NOT BETWEEN FALSE AND TRUE", "(price = 1)"),
        ("? IN (price = 1, bidder = 2)", "(price = 3)"),
        ("? NOT IN (price = 1, bidder = 2, auction = 3, price = 4)", "(price = 3)"),
        ("CASE WHEN ? > 1 THEN price ELSE bidder END", "price"),
        ("ABS(CASE WHEN bidder = 1 THEN ABS(?) ELSE price END)", "price"),
        ("ABS(IF(bidder = 1, ABS(?), price))", "price"),
        ("COALESCE(ABS(?), price)", "price"),
        ("MAP['a', ?]['a']", "price"),
        ("(?, price) < (TRUE, bidder)", "(price = 1)"),
        ("? IN (SELECT price = 1 FROM bid)", "(price = 1)"),
        ("auction NOT IN (SELECT price FROM bid WHERE ?)", "price = 1"),
    ] {
        let error = planned(&format!("SELECT {} AS x FROM bid", within(form, leaf, 20))).expect_err(form);
        assert!(error.contains("too long to plan"), "{form}: {}", &error[..error.len().min(300)]);
    }
    in_good_time(&clock, 12);
}

#[test]
fn what_is_read_twice_by_the_level_is_planned_once() {
    let clock = Clock::start();
    let levels = |first: &str, level: &dyn Fn(usize) -> String| -> Vec<String> {
        (0..30).map(|at| if at == 0 { first.to_owned() } else { level(at - 1) }).collect()
    };
    let with = |queries: &[String], last: &str| {
        let list: Vec<String> = queries.iter().enumerate().map(|(at, query)| format!("c{at} AS ({query})")).collect();
        format!("WITH {} {last}", list.join(", "))
    };
    let joined = levels("SELECT auction, price FROM bid", &|below| {
        format!("SELECT a.auction, a.price + b.price AS price FROM c{below} a JOIN c{below} b ON a.auction = b.auction")
    });
    let named = levels("SELECT auction, price FROM bid", &|below| {
        format!("SELECT auction, a.price + b.price AS price FROM c{below} a JOIN c{below} b USING (auction)")
    });
    let united = levels("SELECT price FROM bid", &|below| {
        format!("SELECT price FROM c{below} WHERE price > {below} UNION ALL SELECT price + 1 FROM c{below}")
    });
    let asked = levels("SELECT price FROM bid", &|below| {
        format!("SELECT price FROM c{below} WHERE price IN (SELECT price + 1 FROM c{below})")
    });
    for queries in [&joined, &named, &united, &asked] {
        assert_eq!(planned(&with(queries, "SELECT * FROM c29")), Ok(()), "{}", queries[1]);
        assert_eq!(planned(&format!("SELECT * FROM ({}) AS x", with(queries, "SELECT price FROM c29"))), Ok(()));
    }
    // Views of views, and what is computed of what is computed.
    let views = joined.iter().enumerate().map(|(at, query)| format!("CREATE VIEW c{at} AS {query};"));
    let views = views.collect::<String>();
    assert!(compiled(&format!("{BID}{views} CREATE MATERIALIZED VIEW v AS SELECT * FROM c29;")).is_ok());
    let doubled = levels("SELECT price FROM bid", &|below| format!("SELECT price + price AS price FROM c{below}"));
    let derived =
        (0..30).fold("bid".to_owned(), |inner, at| format!("(SELECT price + price AS price FROM {inner} AS d{at})"));
    for last in [
        "SELECT price FROM ? WHERE price > 3",
        "SELECT price FROM ? WHERE price = 3 OR price > 7",
        "SELECT price, COUNT(*) AS n FROM ? GROUP BY price HAVING price > 3",
        "SELECT x.price FROM ? JOIN bid ON bid.price = x.price AND x.price > 3",
        "SELECT price FROM ? WHERE EXISTS (SELECT 1 FROM bid WHERE bid.price < x.price) AND price > 3",
    ] {
        assert_eq!(planned(&with(&doubled, &last.replace('?', "c29 AS x"))), Ok(()), "{last}");
        assert_eq!(planned(&last.replace('?', &format!("{derived} AS x"))), Ok(()), "{last}");
    }
    in_good_time(&clock, 19);
}

/// Each of these reads the rows outside, those of the query around it among them: they double by the level.
#[test]
fn subqueries_that_read_the_rows_outside_by_the_level_are_refused_in_good_time() {
    let clock = Clock::start();
    let nested = |levels: usize| {
        (0..levels).fold("TRUE".to_owned(), |inner, at| {
            let outside = if at + 1 == levels { "bid".to_owned() } else { format!("a{}", at + 1) };
            format!(
                "EXISTS (SELECT 1 FROM bid a{at} LEFT JOIN bid b{at} ON b{at}.auction = a{at}.auction
                 AND b{at}.price < {outside}.price WHERE a{at}.price < {outside}.price AND {inner})"
            )
        })
    };
    assert_eq!(planned(&format!("SELECT auction FROM bid WHERE {}", nested(4))), Ok(()));
    let error = planned(&format!("SELECT auction FROM bid WHERE {}", nested(14))).expect_err("it doubles");
    assert!(
        error.contains("take too long to plan") && error.contains("CREATE VIEW"),
        "{}",
        &error[..error.len().min(300)]
    );
    in_good_time(&clock, 2);
}
