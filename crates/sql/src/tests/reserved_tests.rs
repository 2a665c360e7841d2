//! Every word that the parser knows, wherever a name may stand: it is one, or it is on the list.

use std::sync::LazyLock;

use datafusion_sql::sqlparser::keywords::ALL_KEYWORDS;

use crate::parse::token::statements;
use crate::query::parse;
use crate::syntax::calls::Callable;
use crate::syntax::reserved::RESERVED;

/// What is read is not called here.
static CALLABLE: LazyLock<Callable> = LazyLock::new(|| Callable::new(&[], std::iter::empty()));

/// Queries with a name at `?`.
const FORMS: &[&str] = &[
    "SELECT ? FROM t",
    "SELECT x, ? FROM t",
    "SELECT ?, x FROM t",
    "SELECT ? + 1 AS y FROM t",
    "SELECT COALESCE(?, 1) AS y FROM t",
    "SELECT t.? FROM t",
    "SELECT ?.x FROM t AS ?",
    "SELECT x AS ? FROM t",
    "SELECT x ? FROM t",
    "SELECT x ?, y FROM t",
    "SELECT COUNT(*) AS c FROM t GROUP BY ?",
    "SELECT COUNT(*) AS c FROM t GROUP BY x, ?",
    "SELECT x FROM t WHERE ? = 1",
    "SELECT x FROM t WHERE 1 = ? AND x > 2",
    "SELECT x FROM t WHERE ? IS NULL OR ? > 3",
    "SELECT x FROM t ORDER BY ? DESC LIMIT 2",
    "SELECT ROW_NUMBER() OVER (PARTITION BY ? ORDER BY ?) AS n FROM t",
    "SELECT a.x FROM t AS a JOIN t AS b ON a.? = b.?",
    "SELECT a.x FROM t AS a JOIN t AS b USING (?)",
    "SELECT a.x FROM t a JOIN t ? ON a.x = ?.x",
    "SELECT x FROM ?",
    "SELECT x FROM t ?",
    "SELECT x FROM t AS ?",
    "SELECT x FROM (SELECT x FROM t) AS ?",
    "WITH ? AS (SELECT x FROM t) SELECT x FROM ?",
    "SELECT * EXCEPT (?) FROM t",
    "SELECT CASE WHEN ? THEN ? ELSE ? END AS y FROM t",
    "SELECT x FROM t WHERE x IN (?, 1) AND EXISTS (SELECT ? FROM u)",
];

/// A query as it is read, and what is said against it.
fn read(text: &str) -> Result<String, (String, String)> {
    let said = |problem: crate::parse::error::Problem| (problem.message, problem.hint.unwrap_or_default());
    let tokens = statements(text).map_err(said)?;
    let (query, _) = parse(&tokens[0], false, &|_| None, &CALLABLE).map_err(said)?;
    Ok(query.to_string().replace('`', ""))
}

#[test]
fn what_is_no_name_by_itself_is_on_the_list_and_says_so() {
    let (mut listed, mut wrong): (Vec<&str>, Vec<String>) = Default::default();
    // END-EXEC is three tokens.
    for word in ALL_KEYWORDS.iter().filter(|word| !word.contains('-')).map(|word| word.to_lowercase()) {
        let reserved = RESERVED.iter().find(|reserved| **reserved == word);
        for form in FORMS {
            let quoted = form.replace('?', &format!("`{word}`"));
            let meant = read(&quoted).unwrap_or_else(|problem| panic!("{quoted}: {problem:?}"));
            let text = form.replace('?', &word);
            let found = read(&text);
            if found.as_ref() == Ok(&meant) {
                continue;
            }
            match reserved {
                Some(word) => listed.push(word),
                None => wrong.push(format!("{text}: {found:?}, and it is not on the list")),
            }
            if let Err((message, hint)) = found
                && !is_value(&word)
                && !hint.contains(&format!("`{word}`"))
            {
                wrong.push(format!("{text}: {message}, hint: {hint}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    listed.sort();
    listed.dedup();
    assert_eq!(listed, RESERVED, "no word is on the list without a reason, and they are in order");
}

/// Words that say something of their own wherever a value may stand.
fn is_value(word: &str) -> bool {
    ["current_", "local"].iter().any(|prefix| word.starts_with(prefix)) || ["null", "true", "false"].contains(&word)
}

#[test]
fn the_list_is_that_of_the_docs() {
    let docs = include_str!("../../../../docs/sql.md");
    let list = docs.split("<!-- reserved words -->").nth(1).unwrap().split("<!-- /reserved words -->").next().unwrap();
    let words: Vec<String> = list.split('`').skip(1).step_by(2).map(str::to_lowercase).collect();
    assert_eq!(words, RESERVED);
}

#[test]
fn a_hint_is_of_the_word_that_is_meant() {
    for (text, word) in [
        ("SELECT k, limit FROM t", "limit"),
        ("SELECT k FROM t order", "order"),
        ("SELECT k AS a, CASE WHEN k > 1 THEN 2 END, left FROM t window WHERE k = 1", "window"),
        ("SELECT k, end FROM t", "end"),
        ("SELECT distinct FROM t", "distinct"),
    ] {
        let (_, hint) = read(text).unwrap_err();
        assert!(hint.contains(&format!("`{word}`")), "{text}: {hint}");
    }
    for text in [
        "SELECT k, CASE WHEN k > 1 THEN NULL END, FROM t LIMIT 3",
        "SELECT k FROM t WHERE k IN (1, 2",
        "SELECT k FROM t GROUP k",
    ] {
        let (_, hint) = read(text).unwrap_err();
        assert!(!hint.contains("reserved"), "{text}: {hint}");
    }
}
