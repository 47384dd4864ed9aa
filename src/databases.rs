//! Which database, whose it is, a connection to it.

pub mod name;
