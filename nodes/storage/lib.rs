//! SQLite files to trust: how they are opened, checked and watched, by whoever keeps what must not be lost.
//!
//! | to | use |
//! |---|---|
//! | open a file, or make it | [`open`] with [`Settings`] and a [`Format`] |
//! | put an error of SQLite into words | [`fault`] |
//! | see that the file was moved or deleted | [`Identity`] |
//! | keep what blocks off the runtime's threads | [`Worker`] |

pub mod fault;
mod files;
mod open;
mod schema;
mod worker;

pub use files::Identity;
pub use open::{Durability, Settings, open};
pub use schema::Format;
pub use worker::Worker;
