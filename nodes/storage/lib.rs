//! SQLite files to trust: how they are opened, checked and watched, by whoever keeps what must not be lost.
//!
//! | to | use |
//! |---|---|
//! | open a file, or make it; once more, beside that | [`open`], [`open_beside`] with [`Settings`] and a [`Format`] |
//! | put an error of SQLite into words | [`fault`] |
//! | see that the file was moved or deleted | [`Identity`] |
//! | see that the file is damaged, and begin a new one | [`is_damage`], [`begin_anew`] |
//! | look into a file without changing it | [`soundness`], [`may_write`] |
//! | keep the log small | [`log_bytes`], [`empty_log`] |
//! | live through a full disk | [`Ballast`], [`free_bytes`] |
//! | let a test end the process at a moment | [`crash_point`] |
//! | keep what blocks off the runtime's threads | [`Worker`] |

mod ballast;
mod crash;
mod damage;
pub mod fault;
mod files;
mod log;
mod look;
mod mounts;
mod open;
mod read_only;
mod schema;
mod worker;

pub use ballast::Ballast;
pub use crash::crash_point;
pub use damage::is_damage;
pub use files::{Identity, free_bytes};
pub use log::{empty_log, log_bytes};
pub use look::{Soundness, may_write, soundness};
pub use open::{Durability, Settings, begin_anew, open, open_beside, open_counting};
pub use read_only::read_only;
pub use schema::Format;
pub use worker::Worker;
