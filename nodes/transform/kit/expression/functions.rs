//! The functions that an expression may call, over whole numbers and floats alike.

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Position};

/// Every function, and how many arguments it takes.
pub(super) const FUNCTIONS: &[(&str, &[usize])] = &[
    ("abs", &[1]),
    ("acos", &[1]),
    ("age", &[1]),
    ("asin", &[1]),
    ("atan", &[1]),
    ("atan2", &[2]),
    ("bit", &[2]),
    ("ceil", &[1]),
    ("clamp", &[3]),
    ("contains", &[2]),
    ("cos", &[1]),
    ("ends_with", &[2]),
    ("exp", &[1]),
    ("float", &[1]),
    ("floor", &[1]),
    ("int", &[1]),
    ("is_null", &[1]),
    ("is_number", &[1]),
    ("is_text", &[1]),
    ("last", &[1]),
    ("last_or", &[2]),
    ("len", &[1]),
    ("ln", &[1]),
    ("log10", &[1]),
    ("lower", &[1]),
    ("max", &[2]),
    ("min", &[2]),
    ("number", &[1]),
    ("pow", &[2]),
    ("round", &[1, 2]),
    ("sign", &[1]),
    ("sin", &[1]),
    ("sqrt", &[1]),
    ("starts_with", &[2]),
    ("tan", &[1]),
    ("text", &[1]),
    ("trim", &[1]),
    ("trunc", &[1]),
    ("upper", &[1]),
];

/// Those whose first argument is the name of another tag.
pub(super) const READS: &[&str] = &["last", "last_or", "age"];

/// Those that may come to true or false.
pub(super) const ANSWERS: &[&str] =
    &["bit", "contains", "ends_with", "is_null", "is_number", "is_text", "last", "last_or", "starts_with"];

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

fn out_of_range<T>(what: &str) -> Result<T> {
    Err(Box::new(EvalAltResult::ErrorArithmetic(what.to_owned(), Position::NONE)))
}

/// A function of doubles that takes whole numbers too.
fn of_floats(engine: &mut Engine, name: &str, function: fn(f64) -> f64) {
    engine.register_fn(name, function).register_fn(name, move |x: i64| function(x as f64));
}

/// The same for two arguments.
fn of_two_floats(engine: &mut Engine, name: &str, function: fn(f64, f64) -> f64) {
    engine
        .register_fn(name, function)
        .register_fn(name, move |a: i64, b: i64| function(a as f64, b as f64))
        .register_fn(name, move |a: i64, b: f64| function(a as f64, b))
        .register_fn(name, move |a: f64, b: i64| function(a, b as f64));
}

/// A function that leaves whole numbers whole.
fn of_either(engine: &mut Engine, name: &str, floats: fn(f64, f64) -> f64, whole: fn(i64, i64) -> i64) {
    of_two_floats(engine, name, floats);
    engine.register_fn(name, whole);
}

/// Rounds to whole numbers; these are so already.
fn rounding(engine: &mut Engine, name: &str, function: fn(f64) -> f64) {
    engine.register_fn(name, function).register_fn(name, |x: i64| x);
}

pub(super) fn register(engine: &mut Engine, divide: &str) {
    of_two_floats(engine, divide, |a, b| a / b);
    numbers(engine);
    conversions(engine);
    texts(engine);
}

fn numbers(engine: &mut Engine) {
    for (name, function) in [
        ("sqrt", f64::sqrt as fn(f64) -> f64),
        ("exp", f64::exp),
        ("ln", f64::ln),
        ("log10", f64::log10),
        ("sin", f64::sin),
        ("cos", f64::cos),
        ("tan", f64::tan),
        ("asin", f64::asin),
        ("acos", f64::acos),
        ("atan", f64::atan),
    ] {
        of_floats(engine, name, function);
    }
    for (name, function) in
        [("round", f64::round as fn(f64) -> f64), ("floor", f64::floor), ("ceil", f64::ceil), ("trunc", f64::trunc)]
    {
        rounding(engine, name, function);
    }
    of_two_floats(engine, "atan2", f64::atan2);
    of_two_floats(engine, "pow", f64::powf);
    // Not `f64::min`: that drops a NaN, and a NaN is to be seen.
    of_either(engine, "min", |a, b| if a <= b || a.is_nan() { a } else { b }, i64::min);
    of_either(engine, "max", |a, b| if b <= a || a.is_nan() { a } else { b }, i64::max);
    engine
        .register_fn("abs", f64::abs)
        .register_fn("abs", |x: i64| x.checked_abs().map_or_else(|| out_of_range("abs"), Ok))
        .register_fn("sign", |x: f64| if x == 0.0 || x.is_nan() { x } else { x.signum() })
        .register_fn("sign", |x: i64| x.signum())
        .register_fn("round", |x: f64, places: i64| to_places(x, places))
        .register_fn("round", |x: i64, _: i64| x)
        .register_fn("clamp", |x: Dynamic, low: Dynamic, high: Dynamic| clamp(x, low, high));
}

/// Half away from zero, as a person rounds; the digits behind the point are those of the shortest decimal.
fn to_places(x: f64, places: i64) -> f64 {
    let ten = 10_f64.powi(i32::try_from(places.clamp(0, 15)).unwrap_or(0));
    let rounded = (x * ten).round() / ten;
    if rounded.is_finite() { rounded } else { x }
}

/// The value between the two ends, in the kind that it has.
fn clamp(x: Dynamic, low: Dynamic, high: Dynamic) -> Result<Dynamic> {
    let (value, lowest, highest) = (double(&x)?, double(&low)?, double(&high)?);
    if highest < lowest || lowest.is_nan() || highest.is_nan() {
        return out_of_range("clamp: the lower end is above the higher");
    }
    Ok(match value {
        _ if value < lowest => low,
        _ if highest < value => high,
        _ => x,
    })
}

fn double(x: &Dynamic) -> Result<f64> {
    let wrong = || EvalAltResult::ErrorMismatchDataType("number".to_owned(), x.type_name().to_owned(), Position::NONE);
    x.as_float().or_else(|_| x.as_int().map(|x| x as f64)).map_err(|_| Box::new(wrong()))
}

fn conversions(engine: &mut Engine) {
    engine
        .register_fn("int", |x: i64| x)
        .register_fn("int", i64::from as fn(bool) -> i64)
        .register_fn("int", |x: f64| {
            // 2⁶³ is the first double that no longer fits; NaN fits nowhere.
            let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x);
            if fits { Ok(x as i64) } else { out_of_range("int") }
        })
        .register_fn("float", |x: f64| x)
        .register_fn("float", |x: i64| x as f64)
        .register_fn("float", |x: bool| f64::from(x))
        .register_fn("number", |text: &str| {
            let text = text.trim();
            match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(whole), _) => Ok(Dynamic::from_int(whole)),
                (_, Ok(float)) => Ok(Dynamic::from_float(float)),
                _ => Err(Box::new(EvalAltResult::ErrorMismatchDataType(
                    "number".to_owned(),
                    "text".to_owned(),
                    Position::NONE,
                ))),
            }
        })
        .register_fn("text", |x: i64| x.to_string())
        .register_fn("text", |x: f64| x.to_string())
        .register_fn("text", |x: bool| x.to_string())
        .register_fn("text", |x: ImmutableString| x)
        .register_fn("bit", |x: i64, n: i64| match n {
            0..=63 => Ok(x >> n & 1 == 1),
            _ => out_of_range("bit"),
        })
        .register_fn("is_null", |x: Dynamic| x.is_unit())
        .register_fn("is_number", |x: Dynamic| x.is_int() || x.is_float())
        .register_fn("is_text", |x: Dynamic| x.is_string());
}

fn texts(engine: &mut Engine) {
    engine
        .register_fn("len", |text: &str| text.chars().count() as i64)
        .register_fn("contains", |text: &str, part: &str| text.contains(part))
        .register_fn("starts_with", |text: &str, part: &str| text.starts_with(part))
        .register_fn("ends_with", |text: &str, part: &str| text.ends_with(part))
        .register_fn("lower", |text: &str| text.to_lowercase())
        .register_fn("upper", |text: &str| text.to_uppercase())
        .register_fn("trim", |text: &str| text.trim().to_owned());
}
