//! The language: what of Rhai is let in, and what is found wrong with an expression before it runs.

use rhai::packages::{ArithmeticPackage, LogicPackage, Package};
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, OptimizationLevel, ParseErrorType, Position, Scope, Stmt, Token};

use super::comparisons;
use super::functions::{self, ANSWERS, FUNCTIONS, READS};
use super::others::Others;
use super::{MANUAL, Uses, Wrong};

/// Longest expression, in bytes.
const LONGEST: usize = 4096;
/// Deepest nesting of brackets.
const DEEPEST: usize = 48;
/// Steps of one evaluation. Without loops an expression cannot come near; it is a second fence.
const STEPS: u64 = 100_000;
/// Longest text that an expression may make, in bytes.
const LONGEST_TEXT: usize = 1 << 20;
/// `/` inside the language: Rhai divides whole numbers to a whole number, and that loses the decimals of a scaled register.
const DIVIDE: &str = "÷";
/// Of `/` and `*` in Rhai.
const BINDING: u8 = 180;

/// An engine that knows numbers, texts and [`FUNCTIONS`], and nothing of the machine.
pub(super) fn engine(others: &Others) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(ArithmeticPackage::new().as_shared_module());
    engine.register_global_module(LogicPackage::new().as_shared_module());
    // What is made simpler is not the same: `value && true` would be the value, even if that is no boolean.
    engine.set_strict_variables(true).set_optimization_level(OptimizationLevel::None);
    engine.set_max_operations(STEPS).set_max_expr_depths(DEEPEST).set_max_string_size(LONGEST_TEXT);
    engine.set_allow_looping(false).set_allow_statement_expression(false).set_allow_shadowing(false);
    for word in ["eval", "print", "debug", "Fn", "call", "curry", "type_of", "is_def_var", "is_shared", "this"] {
        engine.disable_symbol(word);
    }
    // The name is fixed and free, so that this cannot fail; if it did, no expression with `/` would compile.
    let _ = engine.register_custom_operator(DIVIDE, BINDING);
    #[expect(deprecated, reason = "it is marked so to say that it may change; the version is pinned")]
    engine.on_parse_token(|token, _, _| match token {
        Token::Divide => Token::Custom(Box::new(DIVIDE.into())),
        other => match comparisons::instead_of(&other) {
            Some(comparison) => Token::Custom(Box::new(comparison.into())),
            None => other,
        },
    });
    functions::register(&mut engine, DIVIDE);
    comparisons::register(&mut engine);
    others.register(&mut engine);
    engine
}

/// Compiles an expression: what it comes to, which names it uses, and which other tags it reads.
pub(super) fn compile(engine: &Engine, scope: &Scope<'_>, text: &str) -> Result<(AST, Uses, Vec<String>), Wrong> {
    let wrong = |at, what: String| Wrong { at, what, help: None };
    if LONGEST < text.len() {
        return Err(wrong(None, format!("{} bytes are too many; {LONGEST} are allowed", text.len())));
    }
    if text.trim().is_empty() {
        return Err(wrong(None, "there is nothing in it".to_owned()));
    }
    if let Some(mut wrong) = comment(text) {
        wrong.help = Some("a division that cuts off is floor(value / 2)".to_owned());
        return Err(wrong);
    }
    let ast = engine.compile_expression_with_scope(scope, text).map_err(|error| Wrong {
        at: place(error.position()),
        what: told(error.err_type()),
        help: matches!(error.err_type(), ParseErrorType::VariableUndefined(_)).then(|| MANUAL.to_owned()),
    })?;
    let (mut uses, mut read, mut found) = (Uses::default(), Vec::new(), None);
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let looked = match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, at)) | ASTNode::Expr(Expr::FnCall(call, at))) => {
                call_of(call, *at, &mut read)
            }
            Some(ASTNode::Expr(Expr::Variable(variable, _, _))) => {
                note(&mut uses, &variable.1);
                Ok(())
            }
            _ => Ok(()),
        };
        found = looked.err();
        found.is_none()
    });
    uses.others = !read.is_empty();
    match found {
        Some(wrong) => Err(wrong),
        None => Ok((ast, uses, read)),
    }
}

/// Whether an expression can come to `true` or `false`: whether what it does last is neither arithmetic nor a function of
/// numbers or texts, nor is it a number or a text.
pub(super) fn can_be_condition(ast: &AST) -> bool {
    let mut can_be = true;
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let call = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => call,
            Some(ASTNode::Expr(
                Expr::IntegerConstant(..)
                | Expr::FloatConstant(..)
                | Expr::StringConstant(..)
                | Expr::InterpolatedString(..),
            )) => {
                can_be = false;
                return false;
            }
            // The expression itself is the first that is walked to, within its statement.
            Some(ASTNode::Stmt(Stmt::Expr(_))) => return true,
            _ => return false,
        };
        let name = call.name.as_str();
        let is_number = ["+", "-", "*", "%", "**", "<<", ">>", DIVIDE].contains(&name);
        can_be = !is_number && (!FUNCTIONS.iter().any(|(known, _)| *known == name) || ANSWERS.contains(&name));
        false
    });
    can_be
}

fn note(uses: &mut Uses, name: &str) {
    match name {
        "value" => uses.value = true,
        "quality" => uses.quality = true,
        "good" => uses.good = true,
        "time" => uses.time = true,
        _ => uses.tag = true,
    }
}

/// Checks a call: that there is such a function, that it takes so many arguments, and that `last` names a tag.
fn call_of(call: &FnCallExpr, at: Position, read: &mut Vec<String>) -> Result<(), Wrong> {
    let wrong = |what: String, help: Option<String>| Err(Wrong { at: place(at), what, help });
    if comparisons::is_one(&call.name) && call.args.iter().any(|arg| matches!(arg, Expr::Unit(_))) {
        return wrong("nothing compares with `()`".to_owned(), Some("write is_null(value)".to_owned()));
    }
    if call.op_token.is_some() || call.name == DIVIDE || comparisons::is_one(&call.name) {
        return Ok(());
    }
    let Some((name, takes)) = FUNCTIONS.iter().find(|(name, _)| *name == call.name) else {
        return wrong(format!("there is no function `{}`", call.name), Some(MANUAL.to_owned()));
    };
    if !takes.contains(&call.args.len()) {
        let takes: Vec<String> = takes.iter().map(ToString::to_string).collect();
        return wrong(format!("`{name}` takes {} arguments, not {}", takes.join(" or "), call.args.len()), None);
    }
    if READS.contains(name) {
        let Some(Expr::StringConstant(tag, _)) = call.args.first() else {
            return wrong(
                format!("`{name}` wants the name of a tag in quotation marks"),
                Some(format!("write {name}(\"line1.speed\")")),
            );
        };
        read.push(tag.to_string());
    }
    Ok(())
}

/// What Rhai would take for a comment, and so for nothing: in other languages `//` is a division that cuts off.
fn comment(text: &str) -> Option<Wrong> {
    let (mut within, mut escaped) = (None, false);
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (within, letter) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(end), _) if end == letter && !escaped => within = None,
            (None, '"' | '`') => within = Some(letter),
            (None, '/') if letters.peek().is_some_and(|(_, next)| matches!(next, '/' | '*')) => {
                let (before, line) = text[..at]
                    .rsplit_once('\n')
                    .map_or((0, &text[..at]), |(before, line)| (before.matches('\n').count() + 1, line));
                let what = "this begins a comment, and there are none here".to_owned();
                return Some(Wrong { at: Some((before + 1, line.chars().count() + 1)), what, help: None });
            }
            _ => {}
        }
        escaped = false;
    }
    None
}

fn place(at: Position) -> Option<(usize, usize)> {
    at.line().map(|line| (line, at.position().unwrap_or(1)))
}

/// The parser's errors in the words of this house, where its own are not plain enough.
fn told(error: &ParseErrorType) -> String {
    match error {
        ParseErrorType::VariableUndefined(name) => format!("`{name}` is not known"),
        ParseErrorType::UnexpectedEOF => "it ends too soon".to_owned(),
        ParseErrorType::MissingToken(token, why) => format!("`{token}` is missing {why}"),
        ParseErrorType::Reserved(word) => format!("`{word}` is not to be used here"),
        ParseErrorType::UnknownOperator(word) => format!("`{word}` is no operator"),
        other => {
            let text = other.to_string();
            let mut letters = text.chars();
            letters.next().map_or(text.clone(), |first| first.to_lowercase().chain(letters).collect())
        }
    }
}
