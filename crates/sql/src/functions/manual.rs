//! The functions of the language as a user looks them up: every one with an example and what it gives. The table in
//! `docs/sql.md` is made of this, and a test runs every example.
//!
//! Aggregates are in [`highwater_core::aggregate::AGGREGATES`] with their own help.

/// Functions of one kind.
#[derive(Debug)]
pub struct Chapter {
    /// What they are about.
    pub title: &'static str,
    /// The functions.
    pub entries: &'static [Entry],
}

/// A function.
#[derive(Debug)]
pub struct Entry {
    /// How it is called.
    pub call: &'static str,
    /// What it gives, where its name does not say so.
    pub says: &'static str,
    /// A call, and the text of its result.
    pub example: (&'static str, &'static str),
}

const fn e(call: &'static str, says: &'static str, example: &'static str, gives: &'static str) -> Entry {
    Entry { call, says, example: (example, gives) }
}

/// All chapters.
pub const MANUAL: &[Chapter] = &[
    Chapter {
        title: "Comparison and logic",
        entries: &[
            e("a = b, <>, <, <=, >, >=", "NULL if a side is NULL", "1 <> 2", "true"),
            e("a IS [NOT] NULL", "", "NULL IS NULL", "true"),
            e(
                "a IS [NOT] DISTINCT FROM b",
                "as `<>`, and NULL is a value like others",
                "1 IS DISTINCT FROM NULL",
                "true",
            ),
            e("a [NOT] BETWEEN b AND c", "bounds included", "2 BETWEEN 1 AND 2", "true"),
            e("a [NOT] IN (b, c)", "", "'x' IN ('x', 'y')", "true"),
            e(
                "a [NOT] LIKE pattern [ESCAPE c]",
                "`%` any text, `_` a character; no escape unless one is given",
                "'100%' LIKE '100!%' ESCAPE '!'",
                "true",
            ),
            e("a [NOT] ILIKE pattern", "LIKE without case", "'ABC' ILIKE 'a%'", "true"),
            e(
                "a [NOT] SIMILAR TO pattern [ESCAPE c]",
                "the whole text, with `% _ | * + ? {n} ( ) [ ]`",
                "'abc' SIMILAR TO 'a(b|c)+'",
                "true",
            ),
            e("a AND b, a OR b, NOT a", "three-valued", "NULL OR TRUE", "true"),
            e("a IS [NOT] TRUE, FALSE, UNKNOWN", "", "(1 > NULL) IS UNKNOWN", "true"),
        ],
    },
    Chapter {
        title: "Arithmetic",
        entries: &[
            e("a + b, a - b, a * b", "a whole number beyond its type is a failing row", "2 + 3 * 4", "14"),
            e("a / b, a % b, MOD(a, b)", "whole numbers towards zero; by 0 a failing row", "MOD(-7, 4)", "-3"),
            e(
                "n * INTERVAL '1' SECOND",
                "",
                "TIMESTAMP '2024-01-01 00:00:00' + 90 * INTERVAL '1' SECOND",
                "2024-01-01 00:01:30",
            ),
            e("ABS(x)", "", "ABS(-5)", "5"),
            e("SIGN(x)", "", "SIGN(-2.5)", "-1.0"),
            e("POWER(x, y)", "DOUBLE", "POWER(2, -1)", "0.5"),
            e("SQRT(x)", "", "SQRT(9)", "3.0"),
            e("EXP(x)", "", "EXP(0)", "1.0"),
            e("LN(x), LOG(x), LOG(base, x), LOG2(x), LOG10(x)", "LOG(x) is natural", "LOG(2, 8)", "3.0"),
            e(
                "CEIL(x), CEILING(x), FLOOR(x)",
                "of a whole number the number, of a DECIMAL without places",
                "FLOOR(-1.5)",
                "-2.0",
            ),
            e("ROUND(x[, places])", "half away from zero, of the number as it is written", "ROUND(1.005, 2)", "1.01"),
            e("TRUNCATE(x[, places])", "towards zero, of the number as it is written", "TRUNCATE(-1.29, 1)", "-1.2"),
            e("PI(), E()", "", "ROUND(E(), 3)", "2.718"),
            e("SIN, COS, TAN, COT, ASIN, ACOS, ATAN, ATAN2, SINH, COSH, TANH", "radians", "ATAN2(0, 1)", "0.0"),
            e("DEGREES(x), RADIANS(x)", "", "DEGREES(PI())", "180.0"),
            e("GREATEST(a, b, ...), LEAST(a, b, ...)", "NULL if any is", "GREATEST(1, 3, 2)", "3"),
            e(
                "BIN(n), HEX(n or text), UNHEX(text)",
                "UNHEX gives BYTES, NULL if it is no hexadecimal text",
                "HEX(255)",
                "FF",
            ),
        ],
    },
    Chapter {
        title: "Text",
        entries: &[
            e("a || b, CONCAT(a, b, ...)", "NULL if any is", "'a' || 'b'", "ab"),
            e("CONCAT_WS(separator, a, b, ...)", "passes over NULL", "CONCAT_WS('-', 'a', NULL, 'b')", "a-b"),
            e("CHAR_LENGTH(s), CHARACTER_LENGTH(s)", "", "CHAR_LENGTH('äb')", "2"),
            e("UPPER(s), LOWER(s), INITCAP(s), REVERSE(s)", "", "INITCAP('hello you')", "Hello You"),
            e(
                "SUBSTRING(s FROM n [FOR m]), SUBSTR(s, n[, m])",
                "from 1; from the end if n is negative",
                "SUBSTR('streaming', -3)",
                "ing",
            ),
            e("LEFT(s, n), RIGHT(s, n)", "", "RIGHT('abc', 2)", "bc"),
            e(
                "POSITION(part IN s), INSTR(s, part), LOCATE(part, s[, from])",
                "from 1; 0 if nowhere",
                "INSTR('abc', 'c')",
                "3",
            ),
            e(
                "TRIM([BOTH | LEADING | TRAILING] [chars FROM] s), LTRIM, RTRIM, BTRIM",
                "",
                "TRIM(BOTH 'x' FROM 'xax')",
                "a",
            ),
            e("LPAD(s, n, fill), RPAD(s, n, fill)", "cut if s is longer", "LPAD('7', 3, '0')", "007"),
            e("REPEAT(s, n)", "", "REPEAT('ab', 2)", "abab"),
            e("REPLACE(s, a, b), TRANSLATE(s, from, to)", "", "TRANSLATE('abc', 'ab', 'x')", "xc"),
            e("OVERLAY(s PLACING new FROM n [FOR m])", "", "OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6)", "xxxxxxxxx"),
            e("STARTSWITH(s, a), ENDSWITH(s, a)", "", "STARTSWITH('abc', 'ab')", "true"),
            e("ASCII(s), CHR(n)", "", "CHR(65)", "A"),
            e("ELT(n, a, b, ...)", "the n-th of them", "ELT(2, 'a', 'b')", "b"),
            e("COUNT_CHAR(s, c)", "", "COUNT_CHAR('banana', 'a')", "3"),
            e("SPLIT(s, separator)", "an array", "SPLIT('a,b', ',')[2]", "b"),
            e("SPLIT_INDEX(s, separator, n)", "the piece, from 0", "SPLIT_INDEX('a/b/c', '/', 1)", "b"),
            e("REGEXP(s, regex), s RLIKE regex", "whether it is found", "REGEXP('abc', '^a')", "true"),
            e(
                "s ~ regex, s !~ regex, s ~* regex, s !~* regex",
                "whether it is found, and whether not; with * in letters of any case",
                "'abc' ~* '^A'",
                "true",
            ),
            e("REGEXP_EXTRACT(s, regex[, group])", "", "REGEXP_EXTRACT('a=1', '(.)=(.)', 2)", "1"),
            e(
                "REGEXP_EXTRACT_ALL(s, regex[, group])",
                "an array, of the group 1 unless said",
                "REGEXP_EXTRACT_ALL('a1b2', '[a-z]([0-9])')[2]",
                "2",
            ),
            e("REGEXP_REPLACE(s, regex, new)", "all of them; groups as $1", "REGEXP_REPLACE('a-b', '-', '+')", "a+b"),
            e(
                "REGEXP_COUNT(s, regex), REGEXP_INSTR(s, regex), REGEXP_SUBSTR(s, regex)",
                "how often; where first, 0 if nowhere; the first",
                "REGEXP_COUNT('a1b2', '[0-9]')",
                "2",
            ),
            e("PARSE_URL(s, part[, key])", "", "PARSE_URL('http://a.b/c?d=1', 'QUERY', 'd')", "1"),
            e("URL_ENCODE(s), URL_DECODE(s)", "", "URL_DECODE('a%20b')", "a b"),
            e("TO_BASE64(s), FROM_BASE64(s)", "", "TO_BASE64('abc')", "YWJj"),
            e(
                "ENCODE(s, charset), DECODE(bytes, charset)",
                "UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE, UTF-16LE",
                "DECODE(ENCODE('ä', 'UTF-16'), 'UTF-16')",
                "ä",
            ),
            e("IS_ALPHA(s), IS_DIGIT(s), IS_DECIMAL(s)", "", "IS_DECIMAL('1.5')", "true"),
            e(
                "MD5, SHA1, SHA224, SHA256, SHA384, SHA512 (s), SHA2(s, bits)",
                "hexadecimal",
                "SHA2('abc', 256)",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ],
    },
    Chapter {
        title: "Times",
        entries: &[
            e(
                "DATE '...', TIME '...', TIMESTAMP '...', INTERVAL '...' unit",
                "literals",
                "TIMESTAMP '2024-01-31 10:00:00' + INTERVAL '1' MONTH",
                "2024-02-29 10:00:00",
            ),
            e(
                "t + interval, t - interval, n * interval",
                "a DATE moved by days, months or years is a DATE, by hours or what is shorter a TIMESTAMP; a TIME goes round at midnight",
                "DATE '2024-01-01' + 11 * INTERVAL '1' HOUR",
                "2024-01-01 11:00:00",
            ),
            e(
                "EXTRACT(unit FROM t), YEAR(t), QUARTER, MONTH, WEEK, DAYOFYEAR, DAYOFMONTH, DAYOFWEEK, HOUR, MINUTE, SECOND",
                "ISO weeks; days of the week from Sunday = 1; of a TIME hours and what is shorter",
                "DAYOFWEEK(DATE '2024-01-01')",
                "2",
            ),
            e(
                "FLOOR(t TO unit), CEIL(t TO unit)",
                "of a DATE a DATE; weeks begin on Sunday; a TIME goes round at midnight",
                "FLOOR(DATE '2021-03-01' TO WEEK)",
                "2021-02-28",
            ),
            e(
                "DATE_TRUNC('unit', t)",
                "weeks begin on Monday",
                "DATE_TRUNC('week', TIMESTAMP '2021-03-07 10:00:00')",
                "2021-03-01 00:00:00",
            ),
            e(
                "DATE_BIN(interval, t)",
                "the start of its bin, counted from 1970",
                "DATE_BIN(INTERVAL '15' MINUTE, TIMESTAMP '2024-01-01 10:20:00')",
                "2024-01-01 10:15:00",
            ),
            e(
                "DATE_FORMAT(t, pattern)",
                "Java's patterns",
                "DATE_FORMAT(TIMESTAMP '2024-01-02 03:04:05', 'dd.MM.yy HH:mm')",
                "02.01.24 03:04",
            ),
            e("TO_DATE(s[, pattern])", "NULL if it is none", "TO_DATE('05.03.2021', 'dd.MM.yyyy')", "2021-03-05"),
            e(
                "TO_TIMESTAMP(s[, pattern])",
                "NULL if it is none",
                "TO_TIMESTAMP('01/02/2024 10:30', 'dd/MM/yyyy HH:mm')",
                "2024-02-01 10:30:00",
            ),
            e(
                "TO_TIMESTAMP_LTZ(n, precision)",
                "of seconds (0) or milliseconds (3); beyond the times that there are the row fails",
                "TO_TIMESTAMP_LTZ(90, 0)",
                "1970-01-01 00:01:30",
            ),
            e(
                "UNIX_TIMESTAMP(s[, pattern]), FROM_UNIXTIME(n[, pattern])",
                "seconds",
                "FROM_UNIXTIME(90)",
                "1970-01-01 00:01:30",
            ),
            e(
                "CONVERT_TZ(time, from zone, to zone)",
                "the text of what clocks show there",
                "CONVERT_TZ('2024-07-01 12:00:00', 'UTC', 'Europe/Berlin')",
                "2024-07-01 14:00:00",
            ),
            e(
                "TIMESTAMPADD(unit, n, t), TIMESTAMPDIFF(unit, a, b)",
                "whole units from a to b; of TIMEs too, which go round at midnight; of a DATE and days or longer units a DATE",
                "TIMESTAMPDIFF(DAY, DATE '2024-01-01', DATE '2024-03-01')",
                "60",
            ),
        ],
    },
    Chapter {
        title: "Conditions and types",
        entries: &[
            e(
                "CASE x WHEN a THEN b ... ELSE c END, CASE WHEN a THEN b ... END",
                "",
                "CASE 2 WHEN 1 THEN 'a' ELSE 'b' END",
                "b",
            ),
            e("IF(condition, a, b)", "", "IF(1 > 2, 'a', 'b')", "b"),
            e("COALESCE(a, b, ...), IFNULL(a, b)", "the first that is not NULL", "COALESCE(NULL, 'x')", "x"),
            e("NULLIF(a, b)", "NULL if they are equal", "NULLIF(1, 1) IS NULL", "true"),
            e(
                "CAST(x AS type)",
                "text is cut to VARCHAR(n), filled up to CHAR(n); what does not fit is a failing row",
                "CAST('streaming' AS VARCHAR(6))",
                "stream",
            ),
            e(
                "CAST(x AS ROW<a INT, ...>), MAP<..., ...>, ARRAY<...>",
                "field by field in their order, item by item",
                "CAST(ROW(1, 'x') AS ROW<a BIGINT, b STRING>)['b']",
                "x",
            ),
            e("TRY_CAST(x AS type)", "NULL where it does not fit", "TRY_CAST('x' AS INT) IS NULL", "true"),
        ],
    },
    Chapter {
        title: "Arrays, maps and rows",
        entries: &[
            e("ARRAY[a, b], items[n]", "from 1; NULL beyond", "ARRAY[7, 8][2]", "8"),
            e("CARDINALITY(array or map)", "", "CARDINALITY(ARRAY[7, 8])", "2"),
            e("ELEMENT(array)", "its only item", "ELEMENT(ARRAY[7])", "7"),
            e("ARRAY_CONTAINS(array, x), ARRAY_POSITION(array, x)", "", "ARRAY_POSITION(ARRAY[7, 8], 8)", "2"),
            e(
                "ARRAY_APPEND(array, x), ARRAY_PREPEND(array, x), ARRAY_CONCAT(array, array, ...)",
                "",
                "ARRAY_JOIN(ARRAY_APPEND(ARRAY['a'], 'b'), '')",
                "ab",
            ),
            e(
                "ARRAY_REMOVE(array, x), ARRAY_DISTINCT(array), ARRAY_REVERSE(array)",
                "",
                "CARDINALITY(ARRAY_DISTINCT(ARRAY[1, 1, 2]))",
                "2",
            ),
            e(
                "ARRAY_UNION(a, b), ARRAY_EXCEPT(a, b), ARRAY_INTERSECT(a, b)",
                "every item once",
                "ARRAY_INTERSECT(ARRAY[1, 2], ARRAY[2, 3])[1]",
                "2",
            ),
            e("ARRAY_SLICE(array, from[, to])", "from 1, or from the end", "ARRAY_SLICE(ARRAY[1, 2, 3], -2)[1]", "2"),
            e("ARRAY_SORT(array[, ascending[, nulls first]])", "", "ARRAY_SORT(ARRAY[2, 3, 1], FALSE)[1]", "3"),
            e("ARRAY_MAX(array), ARRAY_MIN(array)", "", "ARRAY_MAX(ARRAY[2, 3, 1])", "3"),
            e(
                "ARRAY_JOIN(array, separator[, what stands for NULL])",
                "",
                "ARRAY_JOIN(ARRAY['a', NULL, 'b'], '-', '?')",
                "a-?-b",
            ),
            e("MAP[key, value, ...], map[key]", "", "MAP['a', 1, 'b', 2]['b']", "2"),
            e("MAP_KEYS(map), MAP_VALUES(map), MAP_ENTRIES(map)", "arrays", "MAP_KEYS(MAP['a', 1])[1]", "a"),
            e(
                "MAP_FROM_ARRAYS(keys, values), MAP_UNION(map, map)",
                "of a key that is there twice the last value",
                "MAP_FROM_ARRAYS(ARRAY['a'], ARRAY[1])['a']",
                "1",
            ),
            e("STR_TO_MAP(s[, between pairs, within pairs])", "", "STR_TO_MAP('a=1,b=2')['b']", "2"),
            e("ROW(a, b), row.field", "fields f0, f1", "ROW(1, 'x')['f1']", "x"),
        ],
    },
    Chapter {
        title: "Of other engines",
        entries: &[
            e("NVL(a, b)", "IFNULL", "NVL(NULL, 'x')", "x"),
            e("NVL2(a, b, c)", "b if a is not NULL, or else c", "NVL2(NULL, 'a', 'b')", "b"),
            e("NANVL(x, y)", "y where x is NaN", "NANVL(CAST('NaN' AS DOUBLE), 1.5)", "1.5"),
            e("ISNAN(x), ISZERO(x)", "", "ISNAN(1.5)", "false"),
            e("CBRT(x), POW(x, y)", "DOUBLE", "CBRT(27)", "3.0"),
            e("GCD(a, b), LCM(a, b), FACTORIAL(n)", "of whole numbers", "GCD(12, 18)", "6"),
            e("SIGNUM(x), TRUNC(x[, places])", "SIGN and TRUNCATE", "TRUNC(-1.29, 1)", "-1.2"),
            e("ACOSH(x), ASINH(x), ATANH(x)", "", "ASINH(0)", "0.0"),
            e("LENGTH(s)", "CHAR_LENGTH", "LENGTH('äb')", "2"),
            e("BIT_LENGTH(s), OCTET_LENGTH(s)", "of UTF-8", "OCTET_LENGTH('äb')", "3"),
            e("CONTAINS(s, part), STARTS_WITH(s, a), ENDS_WITH(s, a)", "", "CONTAINS('abc', 'bc')", "true"),
            e("STRPOS(s, part)", "from 1; 0 if nowhere", "STRPOS('abc', 'c')", "3"),
            e("SPLIT_PART(s, separator, n)", "the piece, from 1", "SPLIT_PART('a/b/c', '/', 2)", "b"),
            e(
                "SUBSTR_INDEX(s, separator, n), SUBSTRING_INDEX",
                "what stands before the n-th separator; from the end if n is negative",
                "SUBSTR_INDEX('a.b.c', '.', 2)",
                "a.b",
            ),
            e("FIND_IN_SET(s, list)", "the place in a list with commas", "FIND_IN_SET('b', 'a,b')", "2"),
            e(
                "LEVENSHTEIN(a, b)",
                "how many letters are other ones; of some 8,192 by 8,192 letters at most, of more a row fails",
                "LEVENSHTEIN('kitten', 'sitting')",
                "3",
            ),
            e("TO_HEX(n)", "HEX in lower case", "TO_HEX(255)", "ff"),
            e(
                "REGEXP_LIKE(s, regex), REGEXP_MATCH(s, regex)",
                "REGEXP; the groups of the first match",
                "REGEXP_LIKE('abc', '^a')",
                "true",
            ),
            e(
                "DATE_PART('unit', t), DATEPART, DATETRUNC",
                "EXTRACT and DATE_TRUNC",
                "DATE_PART('hour', TIME '10:20:00')",
                "10",
            ),
            e("MAKE_DATE(year, month, day)", "", "MAKE_DATE(2024, 2, 29)", "2024-02-29"),
            e("MAKE_ARRAY(a, b, ...)", "ARRAY[a, b]", "MAKE_ARRAY(7, 8)[2]", "8"),
            e("ARRAY_LENGTH(array), ARRAY_SIZE(array)", "CARDINALITY", "ARRAY_LENGTH(ARRAY[7, 8])", "2"),
            e("ARRAY_HAS(array, x)", "ARRAY_CONTAINS", "ARRAY_HAS(ARRAY[7, 8], 8)", "true"),
            e("ARRAY_EXTRACT(array, n)", "items[n]", "ARRAY_EXTRACT(ARRAY[7, 8], 2)", "8"),
            e("ELEMENT_AT(map, key)", "map[key]", "ELEMENT_AT(MAP['a', 1], 'a')", "1"),
            e("ARRAY_TO_STRING(array, separator)", "ARRAY_JOIN", "ARRAY_TO_STRING(ARRAY['a', 'b'], '-')", "a-b"),
            e("TO_JSON(x)", "JSON_STRING", "TO_JSON(ARRAY[1, 2])", "[1,2]"),
        ],
    },
    Chapter {
        title: "JSON",
        entries: &[
            e(
                "JSON_VALUE(s, path [RETURNING type] [NULL | ERROR | DEFAULT x ON EMPTY] [... ON ERROR])",
                "a scalar as text, or as STRING, BOOLEAN, INT, BIGINT, DOUBLE",
                "JSON_VALUE('{\"a\":[1,2]}', '$.a[1]' RETURNING INT)",
                "2",
            ),
            e(
                "JSON_QUERY(s, path [WITH [CONDITIONAL] WRAPPER] [NULL | EMPTY ARRAY | EMPTY OBJECT | ERROR ON EMPTY] [... ON ERROR])",
                "an object or array as JSON",
                "JSON_QUERY('{\"a\": [1, 2]}', '$.a')",
                "[1,2]",
            ),
            e(
                "JSON_EXISTS(s, path [TRUE | FALSE | UNKNOWN | ERROR ON ERROR])",
                "",
                "JSON_EXISTS('{\"a\":1}', '$.b')",
                "false",
            ),
            e("s IS [NOT] JSON [VALUE | SCALAR | ARRAY | OBJECT]", "", "'{}' IS JSON OBJECT", "true"),
            e(
                "JSON_OBJECT([KEY] name VALUE x, ... [NULL | ABSENT ON NULL])",
                "",
                "JSON_OBJECT('a' VALUE 1, 'b' VALUE JSON_ARRAY(2, 'x'))",
                "{\"a\":1,\"b\":[2,\"x\"]}",
            ),
            e(
                "JSON_ARRAY(x, ... [NULL | ABSENT ON NULL])",
                "without NULLs unless said",
                "JSON_ARRAY(1, NULL, 'x')",
                "[1,\"x\"]",
            ),
            e("JSON_STRING(x)", "any value as JSON", "JSON_STRING(ARRAY[1, 2])", "[1,2]"),
            e("JSON_QUOTE(s), JSON_UNQUOTE(s)", "", "JSON_QUOTE('a\"b')", "\"a\\\"b\""),
            e(
                "JSON_OBJECTAGG([KEY] name VALUE x [NULL | ABSENT ON NULL])",
                "an aggregate",
                "JSON_OBJECTAGG(KEY 'a' VALUE 1)",
                "{\"a\":1}",
            ),
            e("JSON_ARRAYAGG(x [ORDER BY y] [NULL | ABSENT ON NULL])", "an aggregate", "JSON_ARRAYAGG(7)", "[7]"),
        ],
    },
];
