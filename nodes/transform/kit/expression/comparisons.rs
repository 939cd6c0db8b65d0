//! The comparisons of the language. Rhai's own have an answer for everything: a text is not above 3, and so it would be low.

use std::cmp::Ordering;

use fieldflow_contract::Value;
use rhai::{Dynamic, Engine, EvalAltResult, Position, Token};

use super::dynamic_number;
use crate::transform::kit::number::compare;

type Answer = Result<bool, Box<EvalAltResult>>;
type Comparison = fn(Dynamic, Dynamic) -> Answer;

/// What stands in the place of Rhai's operator, and how closely it binds, as that does.
const OPERATORS: &[(Token, &str, u8, Comparison)] = &[
    (Token::EqualsTo, "≡", 90, |one, two| equal(&one, &two)),
    (Token::NotEqualsTo, "≠", 90, |one, two| equal(&one, &two).map(|equal| !equal)),
    (Token::LessThan, "≺", 130, |one, two| order(&one, &two).map(Ordering::is_lt)),
    (Token::LessThanEqualsTo, "≼", 130, |one, two| order(&one, &two).map(Ordering::is_le)),
    (Token::GreaterThan, "≻", 130, |one, two| order(&one, &two).map(Ordering::is_gt)),
    (Token::GreaterThanEqualsTo, "≽", 130, |one, two| order(&one, &two).map(Ordering::is_ge)),
];

/// The name of the comparison that stands in the place of an operator of Rhai.
pub(super) fn instead_of(token: &Token) -> Option<&'static str> {
    OPERATORS.iter().find(|(of, ..)| of == token).map(|(_, name, ..)| *name)
}

/// Whether this is the name of a comparison.
pub(super) fn is_one(name: &str) -> bool {
    OPERATORS.iter().any(|(_, known, ..)| *known == name)
}

pub(super) fn register(engine: &mut Engine) {
    for (_, name, binding, compare) in OPERATORS {
        // As for the division: the names are fixed and free.
        let _ = engine.register_custom_operator(*name, *binding);
        engine.register_fn(*name, *compare);
    }
}

fn equal(one: &Dynamic, two: &Dynamic) -> Answer {
    match (one.as_bool(), two.as_bool()) {
        (Ok(one), Ok(two)) => Ok(one == two),
        _ => order(one, two).map(Ordering::is_eq),
    }
}

/// Which is the greater, of two numbers or of two texts; there is no order between others, nor with NaN.
fn order(one: &Dynamic, two: &Dynamic) -> Result<Ordering, Box<EvalAltResult>> {
    if let (Ok(one), Ok(two)) = (one.as_int(), two.as_int()) {
        return Ok(one.cmp(&two));
    }
    if let (Some(one), Some(two)) = (dynamic_number(one), dynamic_number(two)) {
        let is_nan = |value: &Value| matches!(value, Value::F64(float) if float.is_nan());
        if is_nan(&one) || is_nan(&two) {
            return Err(Box::new(EvalAltResult::ErrorArithmetic("NaN".to_owned(), Position::NONE)));
        }
        return Ok(compare(&one, &two));
    }
    if let (Ok(one), Ok(two)) = (one.as_immutable_string_ref(), two.as_immutable_string_ref()) {
        return Ok(one.as_str().cmp(two.as_str()));
    }
    let [one, two] = [one, two].map(|value| value.type_name().to_owned());
    Err(Box::new(EvalAltResult::ErrorMismatchDataType(one, two, Position::NONE)))
}
