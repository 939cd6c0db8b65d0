//! `fieldflow explain`: what a code means, how it comes about and how to mend it.

use super::{Exit, output};
use crate::config::suggest::nearest;
use crate::diagnostics::{Code, codes};

/// Explain the code of an error or a warning: cause, example, cure. Without a code, list them all.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fieldflow explain E0201")]
pub(super) struct Args {
    /// The code, such as E0201.
    code: Option<String>,
}

pub(super) fn run(args: &Args) -> Exit {
    let Some(wanted) = &args.code else {
        for code in codes::ALL.iter() {
            output::data(format_args!("{}  {}\n", code.id, code.title));
        }
        return Exit::Well;
    };
    let wanted = wanted.trim().to_uppercase();
    let Some(code) = Code::find(&wanted) else {
        let hint = nearest(&wanted, codes::ALL.iter().map(|code| code.id));
        let hint = hint.map_or_else(|| "`fieldflow explain` lists them".to_owned(), |id| format!("is it {id}?"));
        output::error(format_args!("there is no code `{wanted}`; {hint}"));
        return Exit::No;
    };
    output::data(code.explanation());
    Exit::Well
}
