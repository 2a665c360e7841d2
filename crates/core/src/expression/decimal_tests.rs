//! Every result against long division on decimal digits, written here.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// A natural number as decimal digits, the highest first.
type Digits = Vec<u8>;

fn digits(value: u128) -> Digits {
    value.to_string().bytes().map(|byte| byte - b'0').collect()
}

fn trimmed(mut digits: Digits) -> Digits {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count().min(digits.len() - 1);
    digits.drain(..zeros);
    digits
}

fn less(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (trimmed(a.to_vec()), trimmed(b.to_vec()));
    (a.len(), a) < (b.len(), b)
}

fn minus(a: &[u8], b: &[u8]) -> Digits {
    let (mut out, mut borrow) = (a.to_vec(), 0);
    for at in 0..a.len() {
        let from = a.len() - 1 - at;
        let take = i16::from(*b.iter().rev().nth(at).unwrap_or(&0)) + borrow;
        let digit = i16::from(a[from]) - take;
        borrow = i16::from(digit < 0);
        out[from] = (digit + 10 * borrow) as u8;
    }
    trimmed(out)
}

fn plus(a: &[u8], b: &[u8]) -> Digits {
    let (mut out, mut carry) = (Vec::new(), 0);
    for at in 0..=a.len().max(b.len()) {
        let digit = |of: &[u8]| *of.iter().rev().nth(at).unwrap_or(&0);
        let sum = digit(a) + digit(b) + carry;
        out.push(sum % 10);
        carry = sum / 10;
    }
    out.reverse();
    trimmed(out)
}

fn times(a: &[u8], b: &[u8]) -> Digits {
    let mut out = vec![0];
    for digit in b {
        out.push(0);
        (0..*digit).for_each(|_| out = plus(&out, a));
    }
    trimmed(out)
}

/// `a / b`, half up.
fn over(a: &[u8], b: &[u8]) -> Digits {
    let (mut whole, mut rest) = (vec![0], vec![0]);
    for digit in a {
        rest.push(*digit);
        let mut count = 0;
        while !less(&rest, b) {
            rest = minus(&rest, b);
            count += 1;
        }
        whole.push(count);
    }
    match less(&plus(&rest, &rest), b) {
        true => trimmed(whole),
        false => plus(&whole, &[1]),
    }
}

fn shifted(mut digits: Digits, places: usize) -> Digits {
    digits.resize(digits.len() + places, 0);
    digits
}

/// The result as text, from scratch; none if it is beyond `precision` digits.
fn expected(
    arithmetic: Arithmetic,
    (a, s1): (i128, i8),
    (b, s2): (i128, i8),
    (precision, to): (u8, i8),
) -> Option<String> {
    let (x, y) = (digits(a.unsigned_abs()), digits(b.unsigned_abs()));
    let (s1, s2, to) = (s1 as usize, s2 as usize, to as usize);
    let b = if arithmetic == Arithmetic::Minus { -b } else { b };
    let (negative, exact) = match arithmetic {
        Arithmetic::Times => ((a < 0) != (b < 0), over(&shifted(times(&x, &y), to), &shifted(vec![1], s1 + s2))),
        Arithmetic::Over => ((a < 0) != (b < 0), over(&shifted(x, to + s2), &shifted(y, s1))),
        Arithmetic::Plus | Arithmetic::Minus => {
            let finest = s1.max(s2);
            let (x, y) = (shifted(x, finest - s1), shifted(y, finest - s2));
            let (negative, sum) = match ((a < 0) == (b < 0), less(&x, &y)) {
                (true, _) => (a < 0, plus(&x, &y)),
                (false, true) => (b < 0, minus(&y, &x)),
                (false, false) => (a < 0, minus(&x, &y)),
            };
            (negative, over(&shifted(sum, to), &shifted(vec![1], finest)))
        }
    };
    let shown: String = exact.iter().map(|digit| char::from(b'0' + digit)).collect();
    let shown = if negative && shown != "0" { format!("-{shown}") } else { shown };
    (trimmed(exact).len() <= precision.into()).then_some(shown)
}

fn decimals(value: i128, precision: u8, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![value]).with_data_type(DataType::Decimal128(precision, scale)))
}

fn found(arithmetic: Arithmetic, left: (i128, u8, i8), right: (i128, u8, i8)) -> (Result<String>, (u8, i8)) {
    let to = arithmetic.result((left.1, left.2), (right.1, right.2));
    let output = DataType::Decimal128(to.0, to.1);
    let (a, b) = (decimals(left.0, left.1, left.2), decimals(right.0, right.1, right.2));
    let made = calculate(arithmetic, &a, &b, 1, &output);
    (made.map(|made| made.as_primitive::<Decimal128Type>().value(0).to_string()), to)
}

/// A number of at most so many digits, short ones and ties more often than chance has them.
fn operand() -> impl Strategy<Value = (i128, u8, i8)> {
    (1_u8..=38, 0_i8..=38, any::<i128>(), 0_u32..=38, any::<bool>()).prop_map(
        |(precision, scale, value, short, five)| {
            let scale = scale.min(precision as i8);
            let most = 10_i128.pow(u32::from(precision)).min(10_i128.pow(short.max(1)));
            let value = value % most;
            (if five { value / 10 * 5 % most } else { value }, precision, scale)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn results_are_the_exact_ones_rounded_half_away_from_zero(left in operand(), right in operand(), which in 0..4_usize) {
        let arithmetic = [Arithmetic::Plus, Arithmetic::Minus, Arithmetic::Times, Arithmetic::Over][which];
        let (made, to) = found(arithmetic, left, right);
        if arithmetic == Arithmetic::Over && right.0 == 0 {
            prop_assert!(matches!(made, Err(DataFusionError::ArrowError(error, _)) if matches!(*error, ArrowError::DivideByZero)));
            return Ok(());
        }
        let wanted = expected(arithmetic, (left.0, left.2), (right.0, right.2), to);
        prop_assert_eq!(made.as_ref().ok(), wanted.as_ref(), "{:?} {} {:?} in {:?}: {:?}", left, arithmetic, right, to, made);
    }
}

#[test]
fn the_types_are_those_of_flink() {
    for (arithmetic, left, right, result) in [
        (Arithmetic::Over, (10, 2), (10, 0), (21, 13)),
        (Arithmetic::Over, (10, 2), (10, 2), (23, 13)),
        (Arithmetic::Over, (5, 2), (3, 1), (10, 6)),
        (Arithmetic::Over, (38, 2), (19, 0), (38, 6)),
        (Arithmetic::Over, (38, 30), (38, 0), (38, 30)),
        (Arithmetic::Over, (38, 10), (38, 38), (38, 6)),
        (Arithmetic::Times, (10, 2), (10, 2), (20, 4)),
        (Arithmetic::Times, (38, 20), (38, 20), (38, 6)),
        (Arithmetic::Times, (38, 0), (19, 0), (38, 0)),
        (Arithmetic::Times, (38, 2), (19, 0), (38, 2)),
        (Arithmetic::Plus, (38, 10), (38, 2), (38, 10)),
        (Arithmetic::Minus, (10, 2), (12, 4), (13, 4)),
    ] {
        assert_eq!(arithmetic.result(left, right), result, "{left:?} {arithmetic} {right:?}");
    }
}

#[test]
fn nulls_and_single_values() {
    let left: ArrayRef = Arc::new(
        Decimal128Array::from(vec![Some(100), None, Some(-250), Some(5)]).with_data_type(DataType::Decimal128(10, 2)),
    );
    let three = decimals(3, 10, 0);
    let to = DataType::Decimal128(21, 13);
    let made = calculate(Arithmetic::Over, &left, &three, 4, &to).unwrap();
    let made: Vec<Option<i128>> = made.as_primitive::<Decimal128Type>().iter().collect();
    assert_eq!(made, [Some(3_333_333_333_333), None, Some(-8_333_333_333_333), Some(166_666_666_667)]);
    let zero = decimals(0, 10, 0);
    // Nothing is divided where a side is NULL.
    let null: ArrayRef = Arc::new(Decimal128Array::from(vec![None]).with_data_type(DataType::Decimal128(10, 2)));
    assert_eq!(calculate(Arithmetic::Over, &null, &zero, 1, &to).unwrap().null_count(), 1);
    let error = calculate(
        Arithmetic::Times,
        &decimals(10_i128.pow(37), 38, 0),
        &decimals(10, 38, 0),
        1,
        &DataType::Decimal128(38, 0),
    );
    assert!(error.unwrap_err().to_string().contains("beyond DECIMAL(38, 0)"));
}
