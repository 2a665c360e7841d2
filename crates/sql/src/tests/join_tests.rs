//! What joins become: keys, conditions on times, when rows are freed.

use super::plan_tests::{BID, compiled, planned};
use highwater_core::plan::explain;

const AUCTION: &str = "CREATE SOURCE auction (
  id BIGINT, itemName STRING, seller BIGINT, category BIGINT, `dateTime` TIMESTAMP(3), expires TIMESTAMP(3),
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'memory', 'lateness' = '10 s');
";
const PERSON: &str = "CREATE SOURCE person (
  id BIGINT, name STRING, city STRING, state STRING, `dateTime` TIMESTAMP(3),
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'memory');
";

fn explained(query: &str) -> String {
    explain(&planned(&format!("{BID}{AUCTION}{PERSON}CREATE MATERIALIZED VIEW v AS {query};")), None)
}

fn refused(query: &str) -> String {
    match compiled(&format!("{BID}{AUCTION}{PERSON}CREATE MATERIALIZED VIEW v AS {query};")) {
        Ok(_) => panic!("it was planned"),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// The lines of the plan that say what joins are and what is known of them.
fn joins(query: &str) -> Vec<String> {
    let text = explained(query);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let of_join = |pair: &&[&str]| pair[0].contains(" join on ") || pair[0].contains(" join all pairs");
    lines.windows(2).filter(of_join).flat_map(|pair| pair.iter().map(|line| (*line).to_owned())).collect()
}

#[test]
fn times_bound_what_a_join_keeps() {
    let lines = joins(
        "SELECT B.auction, A.category FROM bid B JOIN auction A
         ON B.auction = A.id AND B.`dateTime` BETWEEN A.`dateTime` AND A.expires",
    );
    assert_eq!(
        lines[0],
        "inner join on left.auction = right.id and right.dateTime <= left.dateTime and left.dateTime <= right.expires"
    );
    // Auctions come 10 s late, so a bid is kept 10 s longer.
    assert!(
        lines[1].contains("state: left rows, freed after dateTime + 10 s | state: right rows, freed after expires")
    );
    assert!(lines[1].starts_with("| append-only"));
    // Intervals on any side of a comparison, strict or not, in WHERE too.
    let lines = joins(
        "SELECT B.auction FROM bid B, auction A WHERE B.auction = A.id
         AND B.`dateTime` > A.`dateTime` - INTERVAL '5' SECOND AND A.`dateTime` + INTERVAL '1' MINUTE >= B.`dateTime`",
    );
    assert!(
        lines[0].ends_with("right.dateTime - 4999 ms <= left.dateTime and left.dateTime - 1 min <= right.dateTime")
    );
    assert!(
        lines[1]
            .contains("left rows, freed after dateTime + 14999 ms | state: right rows, freed after dateTime + 1 min")
    );
    // What is neither equality nor order in time is a condition like any other.
    let lines = joins(
        "SELECT B.auction FROM bid B LEFT JOIN auction A ON B.auction = A.id AND B.price > A.category
         AND B.`dateTime` BETWEEN A.`dateTime` - INTERVAL '1' SECOND AND A.`dateTime` + INTERVAL '1' SECOND",
    );
    assert!(lines[0].starts_with("left join") && lines[0].ends_with("and b.price > a.category"));
    assert!(lines[1].contains("append-only") && lines[1].contains("unmatched rows when they expire"));
}

#[test]
fn equal_windows_bound_a_join() {
    let window = |table: &str, key: &str| {
        format!(
            "(SELECT {key}, window_start, window_end
              FROM TABLE(TUMBLE(TABLE {table}, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
              GROUP BY {key}, window_start, window_end)"
        )
    };
    let lines = joins(&format!(
        "SELECT P.id, P.window_start FROM {} P JOIN {} A
         ON P.id = A.seller AND P.window_start = A.window_start AND P.window_end = A.window_end",
        window("person", "id"),
        window("auction", "seller"),
    ));
    assert!(lines[1].contains("freed after window_start + 20 s or window_end + 10 s"), "{lines:?}");
}

#[test]
fn regular_joins_keep_everything_and_say_so() {
    let query = "SELECT P.name, A.id FROM auction A INNER JOIN person P ON A.seller = P.id WHERE A.category = 10";
    let lines = joins(query);
    assert_eq!(lines[0], "inner join on left.seller = right.id");
    assert!(lines[1].contains("state: left rows, never freed | state: right rows, never freed"));
    let plan = planned(&format!("{BID}{AUCTION}{PERSON}CREATE MATERIALIZED VIEW v AS {query};"));
    let warnings = highwater_core::plan::check(&plan);
    assert!(warnings.iter().any(|w| w.message == "a join keeps every row of both sides"), "{warnings:?}");
}

#[test]
fn subqueries_and_set_operations_are_joins() {
    for (query, expected) in [
        (
            "SELECT id, name FROM person p WHERE EXISTS (SELECT 1 FROM auction a WHERE a.seller = p.id)",
            "left semi join on left.id = right.seller",
        ),
        ("SELECT id FROM person WHERE id IN (SELECT seller FROM auction)", "left semi join on left.id = right.seller"),
        (
            "SELECT id FROM person WHERE id = ANY (SELECT seller FROM auction)",
            "left semi join on left.id = right.seller",
        ),
        // Whatever may be NULL takes two joins.
        (
            "SELECT id FROM person WHERE id NOT IN (SELECT seller FROM auction)",
            "left anti join on unknown OR id IS NULL",
        ),
        (
            "SELECT id FROM person p WHERE NOT EXISTS (SELECT 1 FROM bid b WHERE b.bidder = p.id AND b.price > 100)",
            "left anti join on left.id = right.bidder",
        ),
        (
            "SELECT id FROM person INTERSECT SELECT seller FROM auction",
            "left semi join on left.id is not distinct from right.seller",
        ),
        (
            "SELECT id FROM person EXCEPT SELECT seller FROM auction",
            "left anti join on left.id is not distinct from right.seller",
        ),
        (
            "SELECT auction FROM bid WHERE price > (SELECT AVG(price) FROM bid)",
            "inner join on CAST(price AS DOUBLE) > (SELECT avg(price) ...)",
        ),
        (
            "SELECT auction FROM bid b WHERE price = (SELECT MAX(price) FROM bid c WHERE c.auction = b.auction)",
            "inner join on left.auction = right.auction and left.price = (SELECT max(price) ...)",
        ),
    ] {
        assert_eq!(joins(query)[0], expected);
    }
}

#[test]
fn not_in_what_is_never_null_is_one_join() {
    let table = |name: &str| format!("CREATE SOURCE {name} (id BIGINT NOT NULL) WITH ('connector' = 'memory');\n");
    let view = "CREATE MATERIALIZED VIEW v AS SELECT id FROM a WHERE id NOT IN (SELECT id FROM b);";
    let text = explain(&planned(&format!("{}{}{view}", table("a"), table("b"))), None);
    assert!(text.contains("left anti join on left.id = right.id") && !text.contains("IS NULL"), "{text}");
}

/// J3: windows over a join go by the later of both times, whose bound is that of the tardier input; or by the time of one
/// side, which is further behind.
#[test]
fn windows_over_a_join() {
    let view = |time: &str| {
        let joined = format!(
            "CREATE VIEW joined AS SELECT B.auction, {time} AS ts FROM bid B JOIN auction A ON B.auction = A.id
             AND B.`dateTime` BETWEEN A.`dateTime` AND A.`dateTime` + INTERVAL '1' MINUTE;"
        );
        let view = "CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n, window_start, window_end
            FROM TABLE(TUMBLE(TABLE joined, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;";
        explain(&planned(&format!("{BID}{AUCTION}{joined}{view}")), None)
    };
    for time in ["GREATEST(A.`dateTime`, B.`dateTime`)", "GREATEST(B.`dateTime`, A.`dateTime`)"] {
        let text = view(time);
        assert!(text.contains("= greatest(dateTime, dateTime)\n"), "{text}");
        let bound = text.lines().skip_while(|line| !line.contains("= greatest(")).nth(1);
        assert!(bound.is_some_and(|line| line.contains("| time ") && line.ends_with(">= W - 10 s")), "{text}");
    }
    let text = view("A.`dateTime`");
    assert!(text.contains("reduce over tumble(dateTime, 10 s)") && text.contains("dateTime >= W - 1 min"), "{text}");
}

/// Views that join the same relations on the same keys read one join: what it keeps is kept once, with the columns that any
/// of them needs, whatever each of them emits and shows.
#[test]
fn views_that_join_the_same_share_one_join() {
    let view = |name: &str, query: &str| format!("CREATE MATERIALIZED VIEW {name} AS {query};");
    let on = "FROM auction A JOIN person P ON A.seller = P.id";
    let program = [
        view("names", &format!("SELECT A.itemName, P.name {on}")),
        view("places", &format!("SELECT A.category, P.city {on} EMIT CHANGES")),
        view("per_state", &format!("SELECT P.state, COUNT(*) AS n {on} GROUP BY P.state")),
    ];
    let plan = planned(&format!("{AUCTION}{PERSON}{}", program.concat()));
    assert_eq!(joins_of(&plan), 1, "{}", explain(&plan, None));
    // Another condition is another join.
    let more = view("cheap", &format!("SELECT A.id {on} WHERE A.category < 3"));
    let plan = planned(&format!("{AUCTION}{PERSON}{}{more}", program.concat()));
    assert_eq!(joins_of(&plan), 2);
}

/// What relations are called in a query is for messages: views that differ in nothing else read the same operators, and are told
/// as the first of them has it.
#[test]
fn views_that_differ_in_aliases_share_joins_and_maps() {
    for query in [
        "SELECT #.id, ~.id + #.id AS both FROM auction # JOIN person ~ ON #.seller = ~.id AND #.category / ~.id > 3",
        "SELECT #.id * 2 AS twice FROM auction # LEFT JOIN auction ~ ON #.id = ~.seller AND #.category < ~.category WHERE #.id / ~.id > 2",
        "SELECT #.id, 10 / (#.id + ~.id) AS q, #.id + ~.id AS n FROM auction # CROSS JOIN auction ~ WHERE #.id < ~.id",
        "SELECT #.id FROM auction # WHERE EXISTS (SELECT 1 FROM person ~ WHERE ~.id < #.id AND ~.id / #.id > 1)",
        "SELECT #.category, SUM(10 / (#.id + ~.id)) AS n FROM auction # JOIN auction ~ ON #.id = ~.seller GROUP BY #.category",
    ] {
        let called = |one: &str, other: &str| query.replace('#', one).replace('~', other);
        let alone = planned(&format!("{AUCTION}{PERSON}CREATE MATERIALIZED VIEW v AS {}", called("a", "b")));
        let both = format!(
            "{AUCTION}{PERSON}CREATE MATERIALIZED VIEW v AS {}; CREATE MATERIALIZED VIEW w AS {}",
            called("a", "b"),
            called("x", "y")
        );
        let both = planned(&both);
        assert_eq!(both.nodes.len(), alone.nodes.len(), "{}", explain(&both, None));
        assert!(explain(&both, None).contains("a.id"), "{}", explain(&both, None));
    }
}

fn joins_of(plan: &highwater_core::plan::Dataflow) -> usize {
    plan.nodes.iter().filter(|node| matches!(node.op, highwater_core::plan::Op::Join(_))).count()
}

#[test]
fn refusals() {
    let text = refused(
        "SELECT p.id FROM person p FULL JOIN auction a ON p.id = a.seller
         AND EXISTS (SELECT 1 FROM bid b WHERE b.bidder = p.id AND b.auction = a.id)",
    );
    assert!(text.contains("ON of a FULL JOIN reads both sides") && text.contains("write the LEFT JOIN"), "{text}");
}

/// The options of `*` hold for columns that are joined by name too, and what names them in a WINDOW is put there.
#[test]
fn the_star_of_columns_joined_by_name_is_as_its_options_say() {
    let columns = |shown: &str| {
        let text = explained(&format!("SELECT {shown} FROM auction JOIN person USING (id)"));
        let line = text.lines().next().unwrap_or_default();
        let names = line.split_once('(').and_then(|(_, rest)| rest.split_once(") emit")).unwrap_or_default().0;
        names.split(", ").filter_map(|column| column.split(' ').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    let few = "EXCEPT (seller, category, expires, city, state, `dateTime`)";
    assert_eq!(columns(&format!("* {few}")), ["id", "itemName", "name"]);
    assert_eq!(columns(&few.replace("EXCEPT", "* EXCLUDE")), ["id", "itemName", "name"]);
    assert_eq!(columns(&format!("* {few} REPLACE (id + 1 AS id, UPPER(name) AS name)")), ["id", "itemName", "name"]);
    for (shown, what) in [
        ("* EXCEPT (nothing)", "there is no column 'nothing'"),
        ("* REPLACE (1 AS nothing)", "there is no column 'nothing'"),
        ("* ILIKE '%a%'", "ILIKE or RENAME"),
        ("* RENAME (name AS who)", "ILIKE or RENAME"),
    ] {
        let error = refused(&format!("SELECT {shown} FROM auction JOIN person USING (id)"));
        assert!(error.contains(what), "{shown}: {error}");
    }
    assert!(refused("SELECT * ILIKE '%a%' FROM auction").contains("ILIKE or RENAME"));
    let ranked = "SELECT * FROM (SELECT id, seller, ROW_NUMBER() OVER w AS rn FROM auction JOIN person USING (id)
        WINDOW w AS (PARTITION BY id ORDER BY seller)) AS t WHERE rn <= 2";
    assert!(explained(ranked).contains("per id"), "{}", explained(ranked));
}
