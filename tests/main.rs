//! Tests of the whole, one module a theme.

mod node_cases;
