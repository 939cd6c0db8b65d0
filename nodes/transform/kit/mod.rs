//! What transforms are made of. What several of them do is done here, in one way.
//!
//! | file | is for |
//! |---|---|
//! | `batches` | changing, dropping and refusing records without a copy of a batch in which nothing changes |
//! | `condition` | `tags`, `quality`, `range` and `when`, asked of a record |
//! | `csv` | one row of CSV text |
//! | `deadlines` | one deadline for each tag by the machine's clock: what `due` and `tick` need |
//! | `decimal` | the digits of a number, and straight lines over decimals |
//! | `encoding` | hex and base64 |
//! | `endian` | byte orders |
//! | `expression` | expressions; `no_expression` stands in its place in a build without them |
//! | `names` | the names of what is derived from a tag, by template |
//! | `number` | values as numbers: differences, slopes, sums, order |
//! | `per_tag` | state per tag that can be walked through |
//! | `quality` | which of two qualities counts |
//! | `renamed` | new names for tags, of which no two become one |
//! | `rules` | which rule is for which tag, and whether a node is for a tag at all |
//! | `shelf` | what is kept over a restart for each tag |
//! | `testing` | for tests: building a transform and playing records through it |
//!
//! State per tag that nobody walks through stands in a `TagMap` of the contract.

pub(crate) mod batches;
pub(crate) mod condition;
pub(crate) mod csv;
pub(crate) mod deadlines;
pub(crate) mod decimal;
pub(crate) mod encoding;
pub(crate) mod endian;
#[cfg(feature = "expressions")]
pub(crate) mod expression;
#[cfg(not(feature = "expressions"))]
#[path = "no_expression.rs"]
pub(crate) mod expression;
pub(crate) mod names;
pub(crate) mod number;
pub(crate) mod per_tag;
pub(crate) mod quality;
pub(crate) mod renamed;
pub(crate) mod rules;
pub(crate) mod shelf;
#[cfg(test)]
pub(crate) mod testing;
