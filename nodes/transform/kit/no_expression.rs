//! In the place of the expressions, in a build without the feature `expressions`: every one of them is refused.

use std::convert::Infallible;

use fieldflow_contract::{Quality, Record};

/// See `expression`: why there is none.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Wrong {
    #[expect(clippy::unused_self, reason = "the same face as the real one")]
    pub(crate) fn message(&self) -> String {
        "this build knows no expressions".to_owned()
    }
}

/// An expression; there is none.
#[derive(Debug)]
pub(crate) struct Expression(Infallible);

impl Expression {
    pub(crate) fn asks_for_quality(&self) -> bool {
        match self.0 {}
    }
}

pub(crate) fn check_condition(_: &str) -> Result<(), Wrong> {
    Err(Wrong { help: Some("build fieldflow with the feature `expressions`".to_owned()) })
}

/// The expressions of one node; there are none.
#[derive(Default)]
pub(crate) struct Expressions {
    _none: (),
}

impl Expressions {
    #[expect(clippy::unused_self, reason = "the same face as the real one")]
    pub(crate) fn compile(&mut self, text: &str) -> Result<Expression, Wrong> {
        match check_condition(text) {
            Ok(()) => Err(Wrong { help: None }),
            Err(wrong) => Err(wrong),
        }
    }

    #[expect(clippy::unused_self, reason = "the same face as the real one")]
    pub(crate) fn saw(&mut self, _: &Record) {}

    #[expect(clippy::unused_self, reason = "the same face as the real one")]
    pub(crate) fn holds(&mut self, condition: &Expression, _: &Record) -> Result<bool, Quality> {
        match condition.0 {}
    }
}
