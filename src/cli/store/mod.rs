//! What the `sqlite` sink stored, for `query` and `export`: read beside a running pipeline through the view `samples`.
//!
//! A read transaction keeps the write-ahead log from being emptied for as long as it lasts. So everything here reads in
//! slices ([`read`]), each a transaction of its own that is over before its rows are written anywhere.

mod answer;
mod bucket;
mod database;
mod failure;
mod format;
mod place;
mod read;
mod select;

pub(super) use answer::{Ask, Beat, What, answer};
pub(super) use database::Store;
pub(super) use failure::Failure;
pub(super) use format::{Cell, Columns, Csv, Format, Row, Sheet, Table, sheet};
pub(super) use place::{Place, is_database, is_name};
pub(super) use select::Selection;
