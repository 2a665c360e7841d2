//! Every field of what the parser reads of a query, by name: it is read elsewhere, or refused here. A field that the parser is given
//! one day does not compile here, so that no clause is passed over in silence.

use datafusion_sql::sqlparser::ast::{
    Cte, Expr, Join, JoinConstraint, JoinOperator, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, Select,
    SelectFlavor, SelectItem, Spanned, TableAlias, TableFactor, TableFunctionArgs, TableWithJoins,
    WildcardAdditionalOptions, With,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use crate::parse::error::Problem;
use crate::parse::unread::ASOF;

fn refuse(span: Span, message: &str, hint: &str) -> Result<(), Problem> {
    Err(Problem::at(span, message).hint(hint))
}

/// A query's own clauses.
pub(crate) fn of_query(query: &Query) -> Result<(), Problem> {
    let Query {
        with,
        body: _,
        order_by,
        limit_clause,
        // Refused with what to write.
        fetch: _,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    let other = !locks.is_empty()
        || for_clause.is_some()
        || settings.is_some()
        || format_clause.is_some()
        || !pipe_operators.is_empty();
    if other {
        return refuse(query.span(), "FOR, SETTINGS, FORMAT and |> are not supported", "leave the clause out");
    }
    if let Some(With { with_token: _, recursive: _, cte_tables }) = with {
        for Cte { alias, query: _, from, materialized: _, closing_paren_token: _ } in cte_tables {
            of_alias(Some(alias))?;
            if let Some(from) = from {
                return refuse(from.span, "FROM behind a query of WITH is not supported", "leave it out");
            }
        }
    }
    if let Some(ordered @ OrderBy { kind, interpolate }) = order_by {
        match kind {
            OrderByKind::All(_) => {
                return refuse(ordered.span(), "ORDER BY ALL is not supported", "write the columns out");
            }
            OrderByKind::Expressions(exprs) => {
                for OrderByExpr { expr, options: _, with_fill } in exprs {
                    if matches!(expr, Expr::Identifier(name) if name.quote_style.is_none() && name.value == "all") {
                        return refuse(expr.span(), "ORDER BY ALL is not supported", "write the columns out");
                    }
                    if with_fill.is_some() || interpolate.is_some() {
                        return refuse(
                            expr.span(),
                            "WITH FILL and INTERPOLATE are not supported",
                            "leave them out: rows that are not there are not made",
                        );
                    }
                }
            }
        }
    }
    match limit_clause {
        Some(LimitClause::LimitOffset { limit: _, offset: _, limit_by }) => match limit_by.first() {
            Some(by) => refuse(
                by.span(),
                "LIMIT n BY is not supported",
                "write ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn, and WHERE rn <= n",
            ),
            None => Ok(()),
        },
        Some(LimitClause::OffsetCommaLimit { offset: _, limit: _ }) | None => Ok(()),
    }
}

/// A SELECT's clauses.
pub(crate) fn of_select(select: &Select) -> Result<(), Problem> {
    let Select {
        select_token: _,
        // Refused where it stands.
        optimizer_hints: _,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by: _,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        // Put where they are named.
        named_window: _,
        qualify: _,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    for shown in projection {
        match shown {
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { expr: _, alias: _ } => {}
            SelectItem::ExprWithAliases { expr, aliases: _ } => {
                return refuse(
                    expr.span(),
                    "a column has one name",
                    "write x AS a; of a ROW its fields: r.a AS a, r.b AS b",
                );
            }
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                of_wildcard(options, shown.span())?;
            }
        }
    }
    from.iter().try_for_each(of_joins)?;
    let other = top.is_some()
        || into.is_some()
        || exclude.is_some()
        || prewhere.is_some()
        || value_table_mode.is_some()
        || select_modifiers.is_some()
        || !lateral_views.is_empty()
        || !connect_by.is_empty()
        || !cluster_by.is_empty()
        || !distribute_by.is_empty()
        || !sort_by.is_empty()
        || *flavor != SelectFlavor::Standard;
    if other {
        return refuse(
            select.span(),
            "a clause of this SELECT is not supported",
            "write SELECT, FROM, WHERE, GROUP BY and HAVING only",
        );
    }
    Ok(())
}

fn of_wildcard(options: &WildcardAdditionalOptions, span: Span) -> Result<(), Problem> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude: _,
        opt_except: _,
        opt_replace: _,
        opt_rename,
        opt_alias,
    } = options;
    if opt_ilike.is_some() || opt_rename.is_some() {
        return refuse(
            span,
            "* with ILIKE or RENAME is not supported",
            "write the columns out, or * EXCEPT (a, b), or * REPLACE (a + 1 AS a)",
        );
    }
    match opt_alias {
        Some(alias) => refuse(alias.span, "* has no name of its own", "name the columns: a AS x, b AS y"),
        None => Ok(()),
    }
}

fn of_joins(from: &TableWithJoins) -> Result<(), Problem> {
    let TableWithJoins { relation: _, joins } = from;
    for Join { relation, global, join_operator } in joins {
        let span = relation.span();
        if *global {
            return refuse(span, "GLOBAL JOIN is not supported", "write JOIN: rows of equal keys meet anyway");
        }
        let constraint = match join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::Semi(constraint)
            | JoinOperator::LeftSemi(constraint)
            | JoinOperator::RightSemi(constraint)
            | JoinOperator::Anti(constraint)
            | JoinOperator::LeftAnti(constraint)
            | JoinOperator::RightAnti(constraint) => constraint,
            JoinOperator::CrossJoin(JoinConstraint::None) => continue,
            JoinOperator::CrossJoin(_) => {
                return refuse(
                    span,
                    "CROSS JOIN has no condition",
                    "write JOIN t ON condition, or leave the condition out",
                );
            }
            JoinOperator::AsOf { match_condition: _, constraint: _ } => {
                return refuse(span, "ASOF JOIN is not supported", ASOF);
            }
            JoinOperator::CrossApply
            | JoinOperator::OuterApply
            | JoinOperator::StraightJoin(_)
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => {
                return refuse(
                    span,
                    "this kind of join is not supported",
                    "write [INNER | LEFT | RIGHT | FULL] JOIN t ON condition; EXISTS and NOT EXISTS for semi and anti joins",
                );
            }
        };
        // UNNEST reads the row before it, and needs none.
        let alone = matches!(relation, TableFactor::UNNEST { .. } | TableFactor::Derived { lateral: true, .. });
        if *constraint == JoinConstraint::None && !alone {
            return refuse(
                span,
                "JOIN has a condition",
                "write JOIN t ON a.k = b.k, or CROSS JOIN for every pair of rows",
            );
        }
    }
    Ok(())
}

const HINTS: (&str, &str) = ("hints on tables are not supported", "leave them out");

/// What stands in FROM, but for what is refused as a whole.
pub(crate) fn of_factor(factor: &TableFactor) -> Result<(), Problem> {
    let span = factor.span();
    match factor {
        TableFactor::Table {
            name: _,
            alias,
            args,
            with_hints,
            // Refused with what to write.
            version: _,
            with_ordinality,
            partitions,
            json_path,
            sample: _,
            index_hints,
        } => {
            if !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() || json_path.is_some() {
                return refuse(span, HINTS.0, HINTS.1);
            }
            if *with_ordinality {
                return refuse(
                    span,
                    "WITH ORDINALITY stands behind UNNEST only",
                    "number rows by ROW_NUMBER() OVER (ORDER BY ts)",
                );
            }
            if let Some(TableFunctionArgs { args: _, settings: Some(_) }) = args {
                return refuse(span, "SETTINGS are not supported", "leave them out");
            }
            of_alias(alias.as_ref())
        }
        TableFactor::Derived { lateral: _, subquery: _, alias, sample: _ } => of_alias(alias.as_ref()),
        TableFactor::UNNEST { alias, array_exprs: _, with_offset: _, with_offset_alias: _, with_ordinality: _ } => {
            of_alias(alias.as_ref())
        }
        TableFactor::NestedJoin { table_with_joins, alias } => {
            of_joins(table_with_joins)?;
            of_alias(alias.as_ref())
        }
        _ => Ok(()),
    }
}

fn of_alias(alias: Option<&TableAlias>) -> Result<(), Problem> {
    let Some(TableAlias { explicit: _, name, columns, at }) = alias else { return Ok(()) };
    if let Some(typed) = columns.iter().find(|column| column.data_type.is_some()) {
        return refuse(typed.name.span, "the columns of an alias have no types", "write the names only: AS x (a, b)");
    }
    match at {
        Some(_) => refuse(name.span, "AT behind an alias is not supported", "leave it out"),
        None => Ok(()),
    }
}

/// What a cast may be given besides a type.
pub(crate) fn of_cast(expr: &Expr) -> Result<(), Problem> {
    let Expr::Cast { kind: _, expr: inner, data_type: _, array, format } = expr else { return Ok(()) };
    match (array, format) {
        (true, _) => refuse(inner.span(), "CAST(x AS type ARRAY) is not supported", "write CAST(x AS ARRAY<type>)"),
        (_, Some(_)) => refuse(
            inner.span(),
            "CAST with FORMAT is not supported",
            "write DATE_FORMAT(ts, 'yyyy-MM-dd') for a text, TO_TIMESTAMP(s, 'yyyy-MM-dd') for a time",
        ),
        _ => Ok(()),
    }
}
