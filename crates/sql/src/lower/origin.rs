//! Where in its statement each node of the plan is written: the clause that asks for it, found by the words that begin it.
//!
//! The planner moves conditions and merges projections, so a node stands for a clause, not for a token: of several clauses of a
//! kind the inner come first, as they are lowered, and nodes take them in turn. What no clause asks for (a projection that the
//! planner adds) stands for the SELECT, or the statement, it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::parse::error::through;
use crate::parse::token::{Name, is_word, slice};
use highwater_core::plan::{Op, Origin};

/// The clause of an origin is cut off after so many characters.
const SQL_MAX: usize = 240;

/// Words that begin a clause, and so end the one before.
const CLAUSES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "WINDOW",
    "QUALIFY",
    "ORDER",
    "LIMIT",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "EMIT",
    "JOIN",
    "LEFT",
    "RIGHT",
    "FULL",
    "INNER",
    "CROSS",
    "SEMI",
    "ANTI",
];

/// The statement that is being lowered.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    of: String,
    file: Arc<str>,
    text: Arc<str>,
    tokens: Vec<TokenWithSpan>,
    /// Where its name stands.
    start: Span,
    /// How many clauses of each kind have a node.
    taken: BTreeMap<&'static str, usize>,
    /// The names that may be of columns, in lower case, with those before them.
    written: BTreeSet<(Option<String>, String)>,
}

/// What an operator is called for: the kind, the words that begin such a clause, and whether it ends with its parenthesis.
type Kind = (&'static str, &'static [&'static [&'static str]], bool);

fn kind(op: &Op) -> Kind {
    match op {
        Op::Source { .. } | Op::Table { .. } | Op::Read { .. } | Op::Relation(_) => ("name", &[], false),
        Op::Map { filter: Some(_), .. } => ("filter", &[&["WHERE"], &["HAVING"]], false),
        Op::Map { filter: None, .. } => ("select", &[&["SELECT"]], false),
        Op::Reduce(_) => ("group", &[&["GROUP", "BY"], &["SELECT", "DISTINCT"]], false),
        Op::Window { .. } => ("window", &[&["TUMBLE"], &["HOP"], &["CUMULATE"]], true),
        Op::Values { .. } => ("values", &[&["VALUES"], &["SELECT"]], false),
        Op::Hold => ("session", &[&["SESSION"]], true),
        Op::Join(_) | Op::Lookup(_) => {
            ("join", &[&["JOIN"], &["EXISTS"], &["NOT", "IN"], &["IN"], &["INTERSECT"], &["EXCEPT"]], false)
        }
        Op::Union => ("union", &[&["UNION"]], false),
        Op::Repeat { .. } => ("repeat", &[&["INTERSECT"], &["EXCEPT"]], false),
        Op::Unnest(_) => ("unnest", &[&["UNNEST"]], true),
        Op::Rank(_) => ("rank", &[&["ROW_NUMBER"], &["RANK"], &["DENSE_RANK"], &["LIMIT"], &["FETCH"]], false),
        Op::Over(_) => ("over", &[&["OVER"]], true),
        Op::Pattern(_) => ("pattern", &[&["MATCH_RECOGNIZE"]], true),
        Op::Recursion(_) | Op::Before { .. } => ("recursion", &[&["RECURSIVE"]], true),
    }
}

impl Said {
    /// The statement that makes `of`, in a file of this name and text; `tokens` are those of its query.
    pub(crate) fn new(of: &Name, file: (Arc<str>, Arc<str>), tokens: &[TokenWithSpan]) -> Said {
        let (file, text) = file;
        let (tokens, taken, written) = (tokens.to_vec(), BTreeMap::new(), written(tokens));
        Said { of: of.value.clone(), file, text, tokens, start: of.span, taken, written }
    }

    /// Whose statement it is.
    pub(crate) fn of(&self) -> &str {
        &self.of
    }

    /// Whether it writes a column with this name of a relation before it, and whether without any.
    pub(super) fn writes(&self, relation: &str, column: &str) -> (bool, bool) {
        let column = column.to_lowercase();
        let writes = |relation: Option<String>| self.written.contains(&(relation, column.clone()));
        (writes(Some(relation.to_lowercase())), writes(None))
    }

    /// The clause that the next node of its kind is written as.
    pub(crate) fn origin(&mut self, op: &Op) -> Origin {
        let (name, begins, closed) = kind(op);
        let mut found = self.clauses(begins);
        if found.is_empty() {
            found = self.clauses(&[&["SELECT"]]);
        }
        let taken = self.taken.entry(name).or_insert(0);
        let at = found.get((*taken).min(found.len().saturating_sub(1))).copied();
        *taken += 1;
        let span = at.map_or(self.start, |at| through(self.tokens[at].span, self.tokens[self.end(at, closed)].span));
        let (line, column) = (span.start.line.max(1), span.start.column.max(1));
        let sql = slice(&self.text, span).split_whitespace().collect::<Vec<_>>().join(" ");
        Origin {
            of: self.of.clone(),
            file: self.file.to_string(),
            line,
            column,
            sql: sql.chars().take(SQL_MAX).collect(),
        }
    }

    /// Where the next call with OVER is written: from its parenthesis on.
    pub(super) fn next_over(&self) -> Option<Span> {
        let found = self.clauses(&[&["OVER"]]);
        let at = *found.get(self.taken.get("over").copied().unwrap_or(0).min(found.len().checked_sub(1)?))?;
        Some(through(self.tokens[at].span, self.tokens[self.end(at, true)].span))
    }

    /// Where clauses begin with any of these words, those in more parentheses first.
    fn clauses(&self, begins: &[&[&str]]) -> Vec<usize> {
        let mut depth = 0_i64;
        let mut found = Vec::new();
        let mut skip = 0;
        for (at, token) in self.tokens.iter().enumerate() {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            let fits = |words: &&[&str]| {
                let here = self.tokens.get(at..at + words.len());
                here.is_some_and(|here| here.iter().zip(*words).all(|(token, word)| is_word(&token.token, word)))
            };
            let found_words = begins.iter().find(|words| fits(words) && self.is_clause(at, words));
            if let Some(words) = found_words.filter(|_| at >= skip) {
                found.push((-depth, at));
                skip = at + words.len();
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, at)| at).collect()
    }

    /// Whether these words, which stand at `at`, are those of a clause, and of no expression.
    fn is_clause(&self, at: usize, words: &[&str]) -> bool {
        let token = |at: usize| self.tokens.get(at).map(|token| &token.token);
        let before = |by: usize| at.checked_sub(by).and_then(token);
        let word = |token: Option<&Token>, word: &str| token.is_some_and(|token| is_word(token, word));
        let behind = |by: usize| token(at + words.len() + by);
        match words {
            // COUNT(*) FILTER (WHERE ...)
            ["WHERE"] => !(before(1) == Some(&Token::LParen) && word(before(2), "FILTER")),
            // a IN (1, 2)
            ["IN"] | ["NOT", "IN"] => {
                let within = behind(1);
                let query = word(within, "SELECT") || word(within, "WITH") || within == Some(&Token::LParen);
                behind(0) == Some(&Token::LParen) && query
            }
            // a IS DISTINCT FROM b
            ["FROM"] => !word(before(1), "DISTINCT"),
            // LEFT(a, 3)
            ["LEFT" | "RIGHT"] => behind(0) != Some(&Token::LParen),
            // LISTAGG(a) WITHIN GROUP (ORDER BY b)
            ["GROUP" | "ORDER"] => word(behind(0), "BY"),
            _ => true,
        }
    }

    /// The last token of the clause that begins at `at`.
    fn end(&self, at: usize, closed: bool) -> usize {
        let mut depth = 0;
        for (here, token) in self.tokens.iter().enumerate().skip(at + 1) {
            match &token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => return here - 1,
                Token::RParen => {
                    depth -= 1;
                    if closed && depth == 0 {
                        return here;
                    }
                }
                token if depth == 0 && here > at + 1 => {
                    let begins = |word: &&str| is_word(token, word) && self.is_clause(here, &[*word]);
                    if CLAUSES.iter().any(begins) {
                        return here - 1;
                    }
                }
                _ => {}
            }
        }
        self.tokens.len() - 1
    }
}

/// The names that may be of columns, with those of relations before them: what is no call's, no relation's and no new name.
fn written(tokens: &[TokenWithSpan]) -> BTreeSet<(Option<String>, String)> {
    let word = |at: Option<usize>| match at.and_then(|at| tokens.get(at)).map(|token| &token.token) {
        Some(Token::Word(word)) => Some(word.value.to_lowercase()),
        _ => None,
    };
    let is =
        |at: Option<usize>, token: &Token| at.and_then(|at| tokens.get(at)).is_some_and(|here| here.token == *token);
    let name = |at: usize| {
        let (column, before) = (word(Some(at))?, at.checked_sub(1));
        let called = [Token::Period, Token::LParen].iter().any(|token| is(Some(at + 1), token));
        match is(before, &Token::Period) {
            true => Some((Some(word(at.checked_sub(2))?), column)),
            false => (!called && word(before).as_deref() != Some("as")).then_some((None, column)),
        }
    };
    (0..tokens.len()).filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use crate::tests::plan_tests::planned;
    use highwater_core::plan::{Dataflow, Op};

    /// `kind line:column sql` of each node, for the statement `of`.
    fn told(plan: &Dataflow, of: &str) -> Vec<String> {
        let line = |(node, origins): (&highwater_core::plan::Node, &Vec<highwater_core::plan::Origin>)| {
            let origin = origins.iter().find(|origin| origin.of == of)?;
            let kind = match node.op {
                Op::Source { .. } => "source",
                Op::Map { filter: Some(_), .. } => "filter",
                Op::Map { .. } => "map",
                Op::Reduce(_) => "reduce",
                Op::Join(_) => "join",
                _ => "other",
            };
            Some(format!("{kind} {}:{} {}", origin.line, origin.column, origin.sql))
        };
        plan.nodes.iter().zip(&plan.origins).filter_map(line).collect()
    }

    #[test]
    fn every_node_has_its_clause_and_its_place() {
        let plan = planned(
            "CREATE SOURCE clicks (page VARCHAR, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'stdin', 'format' = 'json');
CREATE TABLE limits (page VARCHAR PRIMARY KEY NOT ENFORCED, most BIGINT);
CREATE VIEW many AS
  SELECT page, COUNT(*) AS views FROM clicks
  WHERE n > 1
  GROUP BY page;
CREATE MATERIALIZED VIEW over AS
  SELECT m.page, m.views FROM many m
    JOIN limits l ON m.page = l.page
  WHERE m.views > l.most;",
        );
        assert_eq!(plan.origins.len(), plan.nodes.len());
        assert!(plan.origins.iter().all(|origins| !origins.is_empty()), "{:?}", plan.origins);
        assert!(told(&plan, "clicks")[0].starts_with("source 1:15 clicks"), "{:?}", told(&plan, "clicks"));
        let many = told(&plan, "many");
        assert!(many.contains(&"filter 5:3 WHERE n > 1".to_owned()), "{many:?}");
        assert!(many.contains(&"reduce 6:3 GROUP BY page".to_owned()), "{many:?}");
        let over = told(&plan, "over");
        assert!(over.contains(&"join 9:5 JOIN limits l ON m.page = l.page".to_owned()), "{over:?}");
    }

    #[test]
    fn words_of_expressions_begin_and_end_no_clause() {
        let plan = planned(
            "CREATE SOURCE t (a VARCHAR, b VARCHAR, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'stdin', 'format' = 'json');
CREATE TABLE l (a VARCHAR PRIMARY KEY NOT ENFORCED, most BIGINT);
CREATE MATERIALIZED VIEW v AS
SELECT a, COUNT(*) FILTER (WHERE b = 'x') AS x, COUNT(*) FILTER (WHERE n IN (1, 2)) AS few FROM t
WHERE a IS DISTINCT FROM b AND LEFT(a, 1) = 'p' AND n IN (1, 2, 3)
GROUP BY a;
CREATE MATERIALIZED VIEW w AS
SELECT t.a, t.n FROM t JOIN l ON t.a = l.a
WHERE t.n NOT IN (7, 8, 9) AND t.b IN ('p', 'q');",
        );
        let (v, w) = (told(&plan, "v"), told(&plan, "w"));
        let filter = "filter 5:1 WHERE a IS DISTINCT FROM b AND LEFT(a, 1) = 'p' AND n IN (1, 2, 3)";
        assert!(v.contains(&filter.to_owned()), "{v:?}");
        assert!(v.contains(&"reduce 6:1 GROUP BY a".to_owned()), "{v:?}");
        assert!(w.contains(&"join 8:24 JOIN l ON t.a = l.a".to_owned()), "{w:?}");
    }

    #[test]
    fn inner_clauses_come_first() {
        let plan = planned(
            "CREATE SOURCE clicks (page VARCHAR, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'stdin', 'format' = 'json');
CREATE MATERIALIZED VIEW v AS SELECT most, COUNT(*) AS pages FROM (SELECT page, MAX(n) AS most FROM clicks GROUP BY page) GROUP BY most;",
        );
        let reduces: Vec<String> = told(&plan, "v").into_iter().filter(|line| line.starts_with("reduce")).collect();
        assert_eq!(reduces, ["reduce 2:108 GROUP BY page", "reduce 2:123 GROUP BY most"]);
    }
}
