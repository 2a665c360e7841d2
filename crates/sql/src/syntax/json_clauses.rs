//! The clauses of SQL's JSON functions, as arguments that the parser reads, and `MAP[k, v]` as a call.
//!
//! `JSON_VALUE(x, '$.a' RETURNING INT DEFAULT 0 ON EMPTY)` becomes `CAST(__json_value__int(x, '$.a', 'default', CAST(0 AS
//! STRING), 'null', NULL) AS INT)`; JSON_OBJECT's `KEY k VALUE v` a list; JSON_ARRAYAGG what makes JSON of an ARRAY_AGG, with
//! its FILTER and OVER. `x IS JSON OBJECT` becomes an operator of the rank of IS, which [`step`] makes a call. Tokens keep their
//! places; those that are made stand where the call does.

use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::table_function::{at, closing, items};
use crate::parse::error::Problem;
use crate::parse::made::call;
use crate::parse::token::is_word;
use crate::parse::walk::{Flow, Part};

/// The operators that `IS JSON` becomes, which nobody can write.
const IS_JSON: &str = "is json ";

/// The tokens with these clauses and constructors as plain calls.
pub(crate) fn prepare(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Problem> {
    let wanted = |token: &TokenWithSpan| {
        let json =
            matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.starts_with("json"));
        json || is_word(&token.token, "map")
    };
    if !tokens.iter().any(wanted) {
        return Ok(tokens);
    }
    let mut out = Vec::with_capacity(tokens.len());
    pass(&tokens, &mut out)?;
    Ok(out)
}

fn pass(tokens: &[TokenWithSpan], out: &mut Vec<TokenWithSpan>) -> Result<(), Problem> {
    let mut i = 0;
    while i < tokens.len() {
        let called = *at(tokens, i + 1) == Token::LParen && (i == 0 || *at(tokens, i - 1) != Token::Period);
        let name = match at(tokens, i) {
            Token::Word(word) if word.quote_style.is_none() => word.value.as_str(),
            _ => "",
        };
        let negated = usize::from(is_word(at(tokens, i + 1), "not"));
        if name == "is" && is_word(at(tokens, i + 1 + negated), "json") {
            let kinds = ["value", "scalar", "array", "object"];
            let named = kinds.iter().find(|kind| is_word(at(tokens, i + 2 + negated), kind));
            let operator = format!("{IS_JSON}{}{}", if negated == 1 { "not " } else { "" }, named.unwrap_or(&"value"));
            out.push(made(Token::CustomBinaryOperator(operator), tokens[i].span));
            out.push(made(Token::SingleQuotedString(String::new()), tokens[i].span));
            i += 2 + negated + usize::from(named.is_some());
        } else if name == "map"
            && *at(tokens, i + 1) == Token::LBracket
            && (i == 0 || *at(tokens, i - 1) != Token::Period)
        {
            let close = closing(tokens, i + 1);
            out.push(tokens[i].clone());
            out.push(made(Token::LParen, tokens[i + 1].span));
            pass(&tokens[i + 2..close], out)?;
            out.push(made(Token::RParen, tokens.get(close).map_or(tokens[i].span, |token| token.span)));
            i = close + 1;
        } else if called && FUNCTIONS.contains(&name) {
            let close = closing(tokens, i + 1);
            let mut call = Call { name, span: tokens[i].span, out };
            let behind =
                call.write(&tokens[i + 2..close.min(tokens.len())], &tokens[(close + 1).min(tokens.len())..])?;
            i = close + 1 + behind;
        } else {
            out.push(tokens[i].clone());
            i += 1;
        }
    }
    Ok(())
}

const FUNCTIONS: &[&str] =
    &["json_value", "json_query", "json_exists", "json_object", "json_array", "json_objectagg", "json_arrayagg"];

/// The types that RETURNING knows: the function for each, and what its result is cast to.
const RETURNING: &[(&[&str], &str, Option<&str>)] = &[
    (&["string", "varchar", "char"], "json_value", None),
    (&["boolean"], "__json_value__boolean", None),
    (&["int", "integer"], "__json_value__int", Some("int")),
    (&["bigint"], "__json_value__bigint", None),
    (&["double"], "__json_value__double", None),
];

/// Functions whose result is JSON: within JSON_OBJECT and JSON_ARRAY it is taken as it is.
const RAW: &[&str] = &["json", "json_object", "json_array", "json_objectagg", "json_arrayagg", "json_query"];

/// A call of a JSON function being written anew.
struct Call<'a> {
    name: &'a str,
    span: Span,
    out: &'a mut Vec<TokenWithSpan>,
}

/// What is looked into, the path, and the clauses.
type Parts<'t> = [&'t [TokenWithSpan]; 3];

/// What ON EMPTY or ON ERROR say: a word or two, and the default.
type Clause<'t> = (String, &'t [TokenWithSpan]);

impl Call<'_> {
    /// Writes the call; answers how many of the tokens behind it (its FILTER and OVER) it took in.
    fn write(&mut self, args: &[TokenWithSpan], behind: &[TokenWithSpan]) -> Result<usize, Problem> {
        match self.name {
            "json_value" => self.value(args).map(|()| 0),
            "json_query" => self.query(args).map(|()| 0),
            "json_exists" => self.exists(args).map(|()| 0),
            "json_object" | "json_array" => self.made_of(args).map(|()| 0),
            _ => self.gathered(args, behind),
        }
    }

    fn push(&mut self, token: Token) {
        self.out.push(made(token, self.span));
    }

    fn word(&mut self, word: &str) {
        self.push(Token::make_word(word, None));
    }

    fn text(&mut self, text: &str) {
        self.push(Token::SingleQuotedString(text.to_owned()));
    }

    fn open(&mut self, name: &str) {
        self.word(name);
        self.push(Token::LParen);
    }

    fn wrong<T>(&self, at: &[TokenWithSpan], what: &str) -> Result<T, Problem> {
        let span = at.first().map_or(self.span, |token| token.span);
        Err(Problem::at(span, what).hint(match self.name {
            "json_value" => "write JSON_VALUE(x, '$.path' [RETURNING type] [NULL | ERROR | DEFAULT value ON EMPTY] [... ON ERROR])",
            "json_query" => "write JSON_QUERY(x, '$.path' [WITH [CONDITIONAL] WRAPPER] [NULL | EMPTY ARRAY | EMPTY OBJECT | ERROR ON EMPTY] [... ON ERROR])",
            "json_exists" => "write JSON_EXISTS(x, '$.path' [TRUE | FALSE | UNKNOWN | ERROR ON ERROR])",
            "json_object" => "write JSON_OBJECT(KEY 'name' VALUE x, ... [NULL | ABSENT ON NULL])",
            "json_array" => "write JSON_ARRAY(x, y, ... [NULL | ABSENT ON NULL])",
            "json_objectagg" => "write JSON_OBJECTAGG(KEY name VALUE x [NULL | ABSENT ON NULL])",
            _ => "write JSON_ARRAYAGG(x [ORDER BY y] [NULL | ABSENT ON NULL])",
        }))
    }

    /// What is looked into, the path, and the clauses behind it.
    fn path<'t>(&self, args: &'t [TokenWithSpan]) -> Result<Parts<'t>, Problem> {
        let parts = items(args);
        let [text, path] = parts.as_slice() else { return self.wrong(args, "it takes JSON and a path") };
        let begins = ["returning", "null", "error", "default", "empty", "with", "without", "true", "false", "unknown"];
        let first = outside(path, |token| begins.iter().any(|word| is_word(token, word)));
        let (path, clauses) = path.split_at(first.filter(|at| *at > 0).unwrap_or(path.len()));
        Ok([text, path, clauses])
    }

    /// Reads `x ON EMPTY` and `x ON ERROR`.
    fn on<'t>(&self, mut clauses: &'t [TokenWithSpan]) -> Result<[Option<Clause<'t>>; 2], Problem> {
        let mut found = [None, None];
        while !clauses.is_empty() {
            let on = outside(clauses, |token| is_word(token, "on"));
            let Some(on) = on else { return self.wrong(clauses, "this is no clause of it") };
            let at_end = ["empty", "error"].iter().position(|word| is_word(at(clauses, on + 1), word));
            let Some(place) = at_end else { return self.wrong(&clauses[on..], "ON EMPTY or ON ERROR is expected") };
            let (what, default) = match is_word(at(clauses, 0), "default") {
                true => ("default".to_owned(), &clauses[1..on]),
                false => {
                    (clauses[..on].iter().map(|t| t.token.to_string()).collect::<Vec<_>>().join(" "), &clauses[..0])
                }
            };
            if found[place].is_some() {
                return self.wrong(clauses, "the clause is there twice");
            }
            found[place] = Some((what, default));
            clauses = &clauses[on + 2..];
        }
        Ok(found)
    }

    fn value(&mut self, args: &[TokenWithSpan]) -> Result<(), Problem> {
        let [text, path, mut clauses] = self.path(args)?;
        let (mut function, mut cast) = ("json_value", None);
        if is_word(at(clauses, 0), "returning") {
            let named = RETURNING.iter().find(|(names, ..)| names.iter().any(|name| is_word(at(clauses, 1), name)));
            let Some((_, name, to)) = named else {
                return self.wrong(&clauses[1..], "JSON_VALUE returns STRING, BOOLEAN, INT, BIGINT or DOUBLE");
            };
            (function, cast) = (*name, *to);
            let sized = *at(clauses, 2) == Token::LParen;
            // A parenthesis may be open still: the parser says so.
            clauses = clauses.get(if sized { closing(clauses, 2) + 1 } else { 2 }..).unwrap_or_default();
        }
        let on = self.on(clauses)?;
        if cast.is_some() {
            self.open("cast");
        }
        self.open(function);
        pass(text, self.out)?;
        self.push(Token::Comma);
        pass(path, self.out)?;
        if function != "json_value" || on.iter().any(Option::is_some) {
            for clause in on {
                let (what, default) = clause.unwrap_or_else(|| ("null".to_owned(), &[]));
                if !["null", "error", "default"].contains(&what.as_str()) {
                    return self.wrong(clauses, "NULL, ERROR or DEFAULT is expected");
                }
                self.push(Token::Comma);
                self.text(&what);
                self.push(Token::Comma);
                self.open("cast");
                match default.is_empty() {
                    true => self.word("null"),
                    false => pass(default, self.out)?,
                }
                self.word("as");
                self.word("string");
                self.push(Token::RParen);
            }
        }
        self.push(Token::RParen);
        if let Some(to) = cast {
            self.word("as");
            self.word(to);
            self.push(Token::RParen);
        }
        Ok(())
    }

    fn query(&mut self, args: &[TokenWithSpan]) -> Result<(), Problem> {
        let [text, path, mut clauses] = self.path(args)?;
        if is_word(at(clauses, 0), "returning") {
            if !["string", "varchar"].iter().any(|name| is_word(at(clauses, 1), name)) {
                return self.wrong(&clauses[1..], "JSON_QUERY returns STRING");
            }
            let sized = *at(clauses, 2) == Token::LParen;
            clauses = clauses.get(if sized { closing(clauses, 2) + 1 } else { 2 }..).unwrap_or_default();
        }
        let mut wrapper = "without";
        if is_word(at(clauses, 0), "with") || is_word(at(clauses, 0), "without") {
            let Some(end) = clauses.iter().position(|token| is_word(&token.token, "wrapper")) else {
                return self.wrong(clauses, "WRAPPER is expected");
            };
            let words: Vec<String> = clauses[..end].iter().map(|token| token.token.to_string()).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "array").collect();
            wrapper = match words.as_slice() {
                ["without"] => "without",
                ["with"] | ["with", "unconditional"] => "unconditional",
                ["with", "conditional"] => "conditional",
                _ => return self.wrong(clauses, "this is no wrapper"),
            };
            clauses = &clauses[end + 1..];
        }
        let on = self.on(clauses)?;
        let plain = wrapper == "without" && on.iter().all(Option::is_none);
        self.open("json_query");
        pass(text, self.out)?;
        self.push(Token::Comma);
        pass(path, self.out)?;
        for what in if plain {
            Vec::new()
        } else {
            vec![Some(wrapper.to_owned()), on[0].clone().map(|c| c.0), on[1].clone().map(|c| c.0)]
        } {
            let what = what.unwrap_or_else(|| "null".to_owned());
            let known = ["without", "unconditional", "conditional", "null", "error", "empty array", "empty object"];
            if !known.contains(&what.as_str()) {
                return self.wrong(clauses, "NULL, EMPTY ARRAY, EMPTY OBJECT or ERROR is expected");
            }
            self.push(Token::Comma);
            self.text(&what);
        }
        self.push(Token::RParen);
        Ok(())
    }

    fn exists(&mut self, args: &[TokenWithSpan]) -> Result<(), Problem> {
        let [text, path, clauses] = self.path(args)?;
        let [on_empty, on_error] = self.on(clauses)?;
        if on_empty.is_some() {
            return self.wrong(clauses, "JSON_EXISTS has ON ERROR only");
        }
        self.open("json_exists");
        pass(text, self.out)?;
        self.push(Token::Comma);
        pass(path, self.out)?;
        if let Some((what, _)) = on_error {
            if !["true", "false", "unknown", "error"].contains(&what.as_str()) {
                return self.wrong(clauses, "TRUE, FALSE, UNKNOWN or ERROR is expected");
            }
            self.push(Token::Comma);
            self.text(&what);
        }
        self.push(Token::RParen);
        Ok(())
    }

    /// Takes `NULL ON NULL` or `ABSENT ON NULL` off the end.
    fn nulls<'t>(&self, args: &'t [TokenWithSpan], otherwise: &'static str) -> (&'t [TokenWithSpan], &'static str) {
        let Some(start) = args.len().checked_sub(3) else { return (args, otherwise) };
        let ends = is_word(at(args, start + 1), "on") && is_word(at(args, start + 2), "null");
        match ["null", "absent"].into_iter().find(|word| ends && is_word(at(args, start), word)) {
            Some(word) => (&args[..start], word),
            None => (args, otherwise),
        }
    }

    /// The halves of `KEY k VALUE v`.
    fn pair<'t>(&self, item: &'t [TokenWithSpan]) -> Result<(&'t [TokenWithSpan], &'t [TokenWithSpan]), Problem> {
        let item = if is_word(at(item, 0), "key") && item.len() > 1 { &item[1..] } else { item };
        let between = outside(item, |token| is_word(token, "value") || *token == Token::Colon);
        match between.filter(|at| *at > 0 && at + 1 < item.len()) {
            Some(at) => Ok((&item[..at], &item[at + 1..])),
            None => self.wrong(item, "KEY name VALUE value is expected"),
        }
    }

    fn made_of(&mut self, args: &[TokenWithSpan]) -> Result<(), Problem> {
        let object = self.name == "json_object";
        let (args, nulls) = self.nulls(args, if object { "null" } else { "absent" });
        let parts = if args.is_empty() { Vec::new() } else { items(args) };
        let mut values = Vec::new();
        for item in parts {
            values.push(if object { self.pair(item).map(|(key, value)| (Some(key), value))? } else { (None, item) });
        }
        let raw = |value: &[TokenWithSpan]| {
            let named = RAW.iter().any(|name| is_word(at(value, 0), name)) && *at(value, 1) == Token::LParen;
            if named && closing(value, 1) + 1 == value.len() { 'j' } else { 'v' }
        };
        let kinds: String = values.iter().map(|(_, value)| raw(value)).collect();
        self.open(self.name);
        self.text(&format!("{nulls}:{kinds}"));
        for (key, value) in values {
            for part in key.into_iter().chain([value]) {
                self.push(Token::Comma);
                pass(part, self.out)?;
            }
        }
        self.push(Token::RParen);
        Ok(())
    }

    fn gathered(&mut self, args: &[TokenWithSpan], behind: &[TokenWithSpan]) -> Result<usize, Problem> {
        let object = self.name == "json_objectagg";
        let (args, nulls) = self.nulls(args, if object { "null" } else { "absent" });
        let order = outside(args, |token| is_word(token, "order"));
        let (value, order) = args.split_at(order.unwrap_or(args.len()));
        self.open(self.name);
        self.text(nulls);
        self.push(Token::Comma);
        self.open("array_agg");
        self.open("row");
        if object {
            let (key, value) = self.pair(value)?;
            self.open("cast");
            pass(key, self.out)?;
            self.word("as");
            self.word("string");
            self.push(Token::RParen);
            self.push(Token::Comma);
            pass(value, self.out)?;
        } else {
            if value.is_empty() || is_word(at(value, 0), "distinct") {
                return self.wrong(value, "a value is expected");
            }
            pass(value, self.out)?;
        }
        self.push(Token::RParen);
        pass(order, self.out)?;
        self.push(Token::RParen);
        let mut taken = 0;
        for word in ["filter", "over"] {
            if is_word(at(behind, taken), word) {
                let end = if *at(behind, taken + 1) == Token::LParen { closing(behind, taken + 1) } else { taken + 1 };
                let end = (end + 1).min(behind.len());
                pass(&behind[taken..end], self.out)?;
                taken = end;
            }
        }
        self.push(Token::RParen);
        Ok(taken)
    }
}

/// The first token outside of parentheses for which `is` holds.
fn outside(tokens: &[TokenWithSpan], is: impl Fn(&Token) -> bool) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is(&token.token)
    })
}

fn made(token: Token, span: Span) -> TokenWithSpan {
    TokenWithSpan { token, span }
}

/// Makes of the operator `IS JSON` what it means.
pub(crate) fn step(part: Part<'_>) -> Flow {
    if let Part::Done(expr) = part
        && let Expr::BinaryOp { left, op: BinaryOperator::Custom(operator), .. } = &*expr
        && let Some(kind) = operator.strip_prefix(IS_JSON)
    {
        let (negated, kind) = kind.strip_prefix("not ").map_or((false, kind), |kind| (true, kind));
        let kind = Expr::value(datafusion_sql::sqlparser::ast::Value::SingleQuotedString(kind.to_owned()));
        let call = call("is_json", vec![left.as_ref().clone(), kind]);
        *expr = if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(call) } } else { call };
    }
    Flow::Continue(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::parse::token::statements;
    use crate::syntax::calls::Callable;
    use crate::syntax::table_function;

    fn prepared(text: &str) -> Result<String, Problem> {
        let tokens =
            table_function::prepare(&statements(text).unwrap().remove(0), &Callable::new(&[], std::iter::empty()));
        let tokens = prepare(tokens)?;
        Ok(tokens.iter().map(|token| token.token.to_string()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn clauses_become_arguments() {
        for (from, to) in [
            ("JSON_VALUE(a, '$.b')", "json_value ( a , '$.b' )"),
            (
                "JSON_VALUE(f(a, 1), '$.b' RETURNING INT DEFAULT 1 + 2 ON EMPTY NULL ON ERROR)",
                "cast ( __json_value__int ( f ( a , 1 ) , '$.b' , 'default' , cast ( 1 + 2 as string ) , 'null' , cast ( null as string ) ) as int )",
            ),
            ("JSON_VALUE(a, b RETURNING VARCHAR(3))", "json_value ( a , b )"),
            (
                "JSON_QUERY(a, '$' WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON ERROR)",
                "json_query ( a , '$' , 'conditional' , 'null' , 'empty array' )",
            ),
            ("JSON_EXISTS(a, '$' ERROR ON ERROR)", "json_exists ( a , '$' , 'error' )"),
            (
                "JSON_OBJECT('a' VALUE JSON_ARRAY(1, 'x'), KEY k VALUE v ABSENT ON NULL)",
                "json_object ( 'absent:jv' , 'a' , json_array ( 'absent:vv' , 1 , 'x' ) , k , v )",
            ),
            ("JSON_OBJECT()", "json_object ( 'null:' )"),
            (
                "JSON_OBJECTAGG(KEY k VALUE SUM(v) NULL ON NULL) FILTER (WHERE b) AS x",
                "json_objectagg ( 'null' , array_agg ( row ( cast ( k as string ) , sum ( v ) ) ) filter ( where b ) ) as x",
            ),
            ("JSON_ARRAYAGG(v ORDER BY ts)", "json_arrayagg ( 'absent' , array_agg ( row ( v ) order by ts ) )"),
            ("a IS NOT JSON OBJECT AND b", "a is json not object '' and b"),
            ("MAP['a', MAP[1, 2]][x]", "map ( 'a' , map ( 1 , 2 ) ) [ x ]"),
            ("t.map[1], map + json_value", "t . map [ 1 ] , map + json_value"),
        ] {
            assert_eq!(prepared(from).unwrap(), to, "{from}");
        }
    }

    #[test]
    fn what_is_not_closed_is_left_to_the_parser() {
        let open =
            ["JSON_VALUE(a, '$' RETURNING VARCHAR(3", "JSON_QUERY(a, '$' RETURNING VARCHAR(", "MAP[1, 2", "MAP["];
        assert!(open.into_iter().all(|text| prepared(text).is_ok()));
        assert!(["JSON_VALUE(", "JSON_OBJECT(KEY", "JSON_ARRAYAGG("].into_iter().all(|text| prepared(text).is_err()));
    }

    #[test]
    fn other_clauses_are_refused() {
        for text in [
            "JSON_VALUE(a)",
            "JSON_VALUE(a, '$' RETURNING ROW)",
            "JSON_VALUE(a, '$' EMPTY ARRAY ON EMPTY)",
            "JSON_VALUE(a, '$' NULL ON EMPTY NULL ON EMPTY)",
            "JSON_QUERY(a, '$' WITH WRAP)",
            "JSON_EXISTS(a, '$' NULL ON EMPTY)",
            "JSON_OBJECT('a', 1)",
            "JSON_ARRAYAGG(DISTINCT x)",
        ] {
            assert!(prepared(text).is_err(), "{text}");
        }
    }
}
