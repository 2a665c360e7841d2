//! What queries of other systems have and this one has not, refused where it stands, with what to write instead.
//!
//! The planner below passes over several clauses in silence; they are refused here too.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Function, FunctionArguments, GroupByExpr, Query, Select, SetExpr, SetOperator,
    SetQuantifier, Spanned, TableFactor, UnaryOperator, Value,
};
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::calls::{self, Callable};
use super::clauses;
use super::recursive;
use crate::functions::{ABSENT, REFUSED};
use crate::parse::error::Problem;
use crate::parse::token::is_word;
use crate::parse::token::last_part;
use crate::parse::walk::{self, Flow, Part};

/// Functions that read a clock under other names than those of [`REFUSED`].
const CLOCKS: &[&str] = &[
    "getdate",
    "sysdate",
    "clock_timestamp",
    "transaction_timestamp",
    "tumble_proctime",
    "hop_proctime",
    "session_proctime",
];

/// Refuses the first thing in a query that is not supported.
pub(crate) fn check(query: &mut Query, callable: &Callable) -> Result<(), Problem> {
    walk::query(query, |part| Refuse(callable).step(part))
}

/// Refuses what is not supported in an expression by itself (a computed column).
pub(crate) fn check_expr(expr: &mut Expr, callable: &Callable) -> Result<(), Problem> {
    walk::expr(expr, |part| Refuse(callable).step(part))
}

/// Clauses of other engines that the parser would trip over elsewhere: the words, and what to write.
const CLAUSES: &[(&[&str], &str)] = &[
    (
        &["window", "tumbling", "("],
        "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    ),
    (
        &["window", "hopping", "("],
        "write FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    ),
    (
        &["window", "session", "("],
        "write FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY k, window_start, window_end",
    ),
    (&["within", "("], "write ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR"),
    (&["between", "symmetric"], "write BETWEEN LEAST(a, b) AND GREATEST(a, b)"),
    (&["between", "asymmetric"], "write BETWEEN a AND b"),
    (&["with", "unique", "keys"], "leave it out: of a key that is there twice the last value counts"),
    (&["without", "unique", "keys"], "leave it out: keys may be there twice anyway"),
    (&["lateral", "view"], "write FROM t CROSS JOIN UNNEST(t.items) AS u (item)"),
    (&["array", "join"], "write FROM t CROSS JOIN UNNEST(t.items) AS u (item)"),
    (&["cluster", "by"], "leave it out: rows of equal keys meet anyway"),
    (&["distribute", "by"], "leave it out: rows of equal keys meet anyway"),
    (&["sort", "by"], "write ORDER BY x LIMIT n, or order when you read: GET /api/v1/views/NAME/rows?order=-column"),
    (&["start", "with"], "write WITH RECURSIVE r AS (start UNION ALL step)"),
    (&["connect", "by"], "write WITH RECURSIVE r AS (start UNION ALL step)"),
    (&["limit", "1", "by"], "write ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn, and WHERE rn = 1"),
];

/// Refuses the first clause of another engine, and numbers that are none.
pub(crate) fn check_words(tokens: &[TokenWithSpan]) -> Result<(), Problem> {
    for at in 0..tokens.len() {
        if let Token::Number(text, _) = &tokens[at].token
            && text.parse::<f64>().is_ok_and(f64::is_infinite)
        {
            let problem = Problem::at(tokens[at].span, format!("{text} is beyond DOUBLE"));
            return Err(
                problem.hint("the largest is 1.7976931348623157e308; an infinity is CAST('Infinity' AS DOUBLE)")
            );
        }
        if let Token::Number(text, _) = &tokens[at].token
            && beyond_bigint(text, at.checked_sub(1).map(|before| &tokens[before].token))
        {
            let places = text.trim_start_matches('0').len();
            let decimal = match places {
                ..=38 => format!("CAST('{text}' AS DECIMAL({places}, 0)) for a DECIMAL, or "),
                _ => String::new(),
            };
            return Err(Problem::at(tokens[at].span, format!("{text} is beyond BIGINT"))
                .hint(format!("write {decimal}{text}e0 for a DOUBLE")));
        }
        if matches!(tokens[at].token, Token::Number(..))
            && at.checked_sub(1).is_some_and(|before| is_word(&tokens[before].token, "top"))
            && at.checked_sub(2).is_some_and(|before| {
                ["select", "distinct", "all"].iter().any(|word| is_word(&tokens[before].token, word))
            })
        {
            return Err(Problem::at(tokens[at - 1].span, "TOP is not supported").hint("write ORDER BY x LIMIT n"));
        }
        let stands = |words: &[&str]| {
            let same = |(ahead, word): (usize, &&str)| {
                tokens
                    .get(at + ahead)
                    .is_some_and(|token| is_word(&token.token, word) || (ahead > 0 && token.token.to_string() == *word))
            };
            words.iter().enumerate().all(same)
        };
        let before = at.checked_sub(1).map(|before| &tokens[before].token);
        let named = before.is_some_and(|token| {
            matches!(token, Token::Comma | Token::Period)
                || ["from", "join", "as"].iter().any(|word| is_word(token, word))
        });
        let behind_join =
            |words: &[&str]| words[0] != "within" || tokens[..at].iter().any(|t| is_word(&t.token, "join"));
        if let Some((words, hint)) = CLAUSES.iter().find(|(words, _)| !named && stands(words) && behind_join(words)) {
            let named: Vec<String> =
                words.iter().filter(|word| **word != "(").map(|word| word.to_uppercase()).collect();
            return Err(Problem::at(tokens[at].span, format!("{} is not supported", named.join(" "))).hint(*hint));
        }
    }
    Ok(())
}

/// Whether a whole number is none that a BIGINT holds, with the minus that may stand before it.
fn beyond_bigint(text: &str, before: Option<&Token>) -> bool {
    let least = || before == Some(&Token::Minus) && format!("-{text}").parse::<i64>().is_ok();
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<i64>().is_err() && !least()
}

struct Refuse<'a>(&'a Callable);

/// All that stands in FROM.
fn of_from(select: &Select) -> Span {
    Span::union_iter(select.from.iter().map(Spanned::span))
}

fn refuse(span: Span, message: &str, hint: &str) -> Flow {
    Flow::Break(Problem::at(span, message).hint(hint))
}

impl Refuse<'_> {
    fn step(&self, part: Part<'_>) -> Flow {
        match part {
            Part::Query(query) => {
                self.query(query)?;
                walk::flow(clauses::of_query(query))?;
                recursive::check(query)
            }
            Part::Select(select) => {
                self.select(select)?;
                walk::flow(clauses::of_select(select))
            }
            Part::Factor(factor) => {
                self.table_factor(factor)?;
                walk::flow(clauses::of_factor(factor))
            }
            Part::Expr(expr) => self.expr(expr),
            Part::Done(_) | Part::Left(_) => Flow::Continue(()),
        }
    }

    fn query(&self, query: &Query) -> Flow {
        let distinct_on = query.body.as_select().is_some_and(|select| matches!(select.distinct, Some(Distinct::On(_))));
        let limited = query.limit_clause.is_some() || distinct_on;
        if let Some(order_by) = query.order_by.as_ref().filter(|_| !limited) {
            return refuse(
                order_by.span(),
                "ORDER BY has no meaning for a result that keeps changing",
                "add LIMIT n for the first n rows, or leave it out and order when you read: GET /api/v1/views/NAME/rows?order=-column",
            );
        }
        let unordered = query.limit_clause.as_ref().filter(|_| query.order_by.is_none()).map(Spanned::span);
        let limit = unordered.or(query.fetch.as_ref().map(Spanned::span));
        if let Some(span) = limit {
            return refuse(
                span,
                "without an order no rows are the first",
                "write ORDER BY x LIMIT n, or limit when you read: GET /api/v1/views/NAME/rows?limit=10&order=-column",
            );
        }
        self.set_expr(&query.body)
    }

    fn select(&self, select: &Select) -> Flow {
        if select.projection.is_empty() {
            return refuse(select.span(), "a SELECT shows at least one column", "write SELECT *, or SELECT 1 AS one");
        }
        if let GroupByExpr::All(_) = &select.group_by {
            // The words themselves have no place in the tree.
            let behind = select.selection.as_ref().map_or_else(|| of_from(select), Spanned::span);
            let place = Span { start: behind.end, end: behind.end };
            return refuse(place, "GROUP BY ALL is not supported", "write the columns out");
        }
        if let GroupByExpr::Expressions(_, modifiers) = &select.group_by
            && !modifiers.is_empty()
        {
            return refuse(
                select.group_by.span(),
                "GROUP BY ... WITH is not supported",
                "write GROUP BY ROLLUP (a, b) or CUBE (a, b)",
            );
        }
        Flow::Continue(())
    }

    fn table_factor(&self, factor: &TableFactor) -> Flow {
        let span = factor.span();
        match factor {
            TableFactor::Table { version: Some(_), .. } => {
                refuse(span, "versions of tables are not read so", "write JOIN t FOR SYSTEM_TIME AS OF s.ts ON ...")
            }
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                refuse(span, "TABLESAMPLE is not supported", "filter on a hash of a column: WHERE MOD(id, 10) = 0")
            }
            TableFactor::Table { name, args: None, .. } if name.0.len() > 1 => refuse(
                span,
                "names are not qualified: there is one catalog and one database",
                "write the last part of the name only",
            ),
            TableFactor::Function { lateral: true, .. } => {
                refuse(span, "LATERAL stands before a subquery: LATERAL (SELECT ...)", LATERAL)
            }
            TableFactor::Unpivot { .. } => refuse(
                span,
                "UNPIVOT is not supported",
                "write CROSS JOIN UNNEST(MAP['a', t.a, 'b', t.b]) AS u (name, x)",
            ),
            TableFactor::Pivot { .. } => {
                refuse(span, "PIVOT is not supported", "write SUM(x) FILTER (WHERE kind = 'a') AS a, ...")
            }
            TableFactor::UNNEST { with_offset: true, .. } => {
                refuse(span, "WITH OFFSET is not supported", "write WITH ORDINALITY, which counts from 1")
            }
            TableFactor::Table { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::MatchRecognize { .. } => Flow::Continue(()),
            _ => refuse(
                span,
                "this is not supported in FROM",
                "read a source, a view, a subquery or a window: TABLE(TUMBLE(...))",
            ),
        }
    }

    fn expr(&self, expr: &Expr) -> Flow {
        match expr {
            Expr::BinaryOp { op, left, .. } => {
                let hint = match op {
                    BinaryOperator::BitwiseXor | BinaryOperator::PGBitwiseXor => {
                        "write POWER(a, b) for a power, (a | b) - (a & b) for the bits in which whole numbers differ"
                    }
                    BinaryOperator::Arrow => {
                        "write JSON_QUERY(x, '$.a'), or declare the JSON as ROW<...> and write x.a"
                    }
                    BinaryOperator::LongArrow | BinaryOperator::HashLongArrow | BinaryOperator::HashArrow => {
                        "write JSON_VALUE(x, '$.a')"
                    }
                    BinaryOperator::AtArrow | BinaryOperator::ArrowAt => "write ARRAY_CONTAINS(x, item)",
                    BinaryOperator::PGStartsWith => "write STARTSWITH(s, 'a')",
                    BinaryOperator::Overlaps => "write a.from_time <= b.to_time AND b.from_time <= a.to_time",
                    _ => return Flow::Continue(()),
                };
                refuse(Span::union_iter([left.span()]), &format!("the operator {op} is not supported"), hint)
            }
            Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } => {
                refuse(expr.span(), "LIKE ANY is not supported", "write x LIKE 'a%' OR x LIKE 'b%'")
            }
            Expr::Function(function) => self.function(function),
            Expr::Cast { .. } => walk::flow(clauses::of_cast(expr)),
            Expr::Identifier(name) if name.quote_style.is_none() && name.value == "from" => {
                refuse(name.span, "FROM stands where a value does", "write one before it, or leave out what needs it")
            }
            Expr::Collate { collation, .. } => refuse(
                collation.span(),
                "COLLATE is not supported: texts are compared by their characters' numbers",
                "leave it out; write LOWER(s) to compare without case",
            ),
            Expr::Prefixed { .. } => refuse(
                expr.span(),
                "a text with a character set before it is not supported: all text is UTF-8",
                "write the text alone: 'a'",
            ),
            Expr::UnaryOp { op, expr: inner }
                if !matches!(op, UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not) =>
            {
                refuse(
                    inner.span(),
                    &format!("the operator {op} is not supported"),
                    "write -1 - x for the bits of a whole number turned round, ABS(x), SQRT(x), NOT x",
                )
            }
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => refuse(
                expr.span(),
                &format!("there are no parameters in a program, and {} has no value", value.value),
                "write the value itself",
            ),
            Expr::Identifier(name) if name.quote_style.is_none() && name.value.starts_with('@') => {
                refuse(name.span, "there are no variables in a program", "write the value itself")
            }
            Expr::Value(value) if matches!(value.value, Value::NationalStringLiteral(_)) => refuse(
                expr.span(),
                "a text with N before it is not supported: all text is UTF-8",
                "write the text alone: 'a'",
            ),
            Expr::Value(value) if matches!(value.value, Value::UnicodeStringLiteral(_)) => refuse(
                expr.span(),
                "texts with escapes, U&'...', are not supported",
                "write the characters themselves: 'ä'",
            ),
            Expr::AtTimeZone { .. } => refuse(
                expr.span(),
                "AT TIME ZONE is not supported",
                "write CONVERT_TZ(ts, 'UTC', 'Europe/Berlin') for what clocks show there; or declare TIMESTAMP_LTZ(3) and SET 'table.local-time-zone' = 'Europe/Berlin'",
            ),
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } if matches!(right.as_ref(), Expr::Subquery(_)) => {
                Flow::Continue(())
            }
            Expr::AnyOp { .. } | Expr::AllOp { .. } => refuse(
                expr.span(),
                "ANY and ALL compare with subqueries only: x > ALL (SELECT ...)",
                "write IN (a, b, c), or compare one by one",
            ),
            _ => Flow::Continue(()),
        }
    }
}

const LATERAL: &str = "write a subquery: CROSS JOIN LATERAL (SELECT ... FROM t WHERE t.k = s.k)";
const UNNEST: &str = "write FROM t CROSS JOIN UNNEST(t.items) AS u (item)";

impl Refuse<'_> {
    fn set_expr(&self, body: &SetExpr) -> Flow {
        match body {
            SetExpr::SetOperation { op: SetOperator::Union, left, right, set_quantifier } => {
                if matches!(
                    set_quantifier,
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
                ) {
                    return refuse(
                        right.span(),
                        "UNION BY NAME is not supported",
                        "write the columns in the same order",
                    );
                }
                self.set_expr(left)?;
                self.set_expr(right)
            }
            SetExpr::SetOperation {
                op: op @ (SetOperator::Intersect | SetOperator::Except),
                left,
                right,
                set_quantifier,
            } => {
                if !matches!(set_quantifier, SetQuantifier::None | SetQuantifier::Distinct | SetQuantifier::All) {
                    return refuse(
                        right.span(),
                        &format!("{op} {set_quantifier} is not supported"),
                        "write the columns in the same order, without BY NAME",
                    );
                }
                self.set_expr(left)?;
                self.set_expr(right)
            }
            SetExpr::SetOperation { op, right, .. } => {
                refuse(right.span(), &format!("{op} is not supported"), "write EXCEPT")
            }
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => Flow::Continue(()),
            other => refuse(other.span(), "this is not a query", "write SELECT ... FROM ..."),
        }
    }

    fn function(&self, function: &Function) -> Flow {
        let name = last_part(&function.name);
        let span = function.name.span();
        let shown = name.to_uppercase();
        if let Some((_, hint)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return refuse(span, &format!("{shown} is not to be had"), hint);
        }
        if let Some((_, hint)) = ABSENT.iter().find(|(absent, _)| *absent == name) {
            return refuse(span, &format!("there is no function {shown}"), hint);
        }
        let no_arguments = match &function.args {
            FunctionArguments::None => true,
            FunctionArguments::List(list) => list.args.is_empty(),
            FunctionArguments::Subquery(_) => false,
        };
        if CLOCKS.contains(&name.as_str()) || (name == "unix_timestamp" && no_arguments) {
            let message = format!("{shown} reads a clock, and results depend on event time only");
            return refuse(span, &message, "use the event-time column, or window_start and window_end of a window");
        }
        if name == "unnest" {
            return refuse(span, "UNNEST stands in FROM, behind the table", UNNEST);
        }
        walk::flow(calls::check(self.0, function))
    }
}
