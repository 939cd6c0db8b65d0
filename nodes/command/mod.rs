//! What all nodes that write to devices have in common: a record is a command, done once or refused with a reason.
//!
//! | to learn about | read |
//! |---|---|
//! | what a command must pass before it is done | `gates` |
//! | how it ends, and where that is noted | `book` |
//! | the batch in hand, which comes again if the line is lost in the middle of it | `held` |
//! | ranges, scales, and values in words | `amount` |

pub(crate) mod amount;
pub(crate) mod book;
pub(crate) mod gates;
pub(crate) mod held;
