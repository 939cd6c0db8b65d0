//! The sink against a broker that the test plays.
