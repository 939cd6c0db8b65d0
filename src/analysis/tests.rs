//! What is worked out, held against small pipelines.
